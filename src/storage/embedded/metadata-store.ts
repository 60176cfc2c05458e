// The metadata of the embedded store: small values in LMDB, each change durable (at every durability level) before it is
// told to the watchers and then answered.

import type { MetadataStore, MetadataValue } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import type { IndexStore } from './index-store.ts';

interface Watch {
  readonly prefix: string;
  readonly onChange: (key: string, value: MetadataValue | undefined) => void;
}

export class EmbeddedMetadataStore implements MetadataStore {
  private readonly index: IndexStore;
  private readonly isOpen: () => boolean;
  private readonly watches = new Set<Watch>();

  constructor(index: IndexStore, isOpen: () => boolean) {
    this.index = index;
    this.isOpen = isOpen;
  }

  async get(key: string): Promise<MetadataValue | undefined> {
    this.requireOpen();
    const stored = this.index.getMetadata(key);
    return stored === undefined ? undefined : { key, ...stored };
  }

  async list(prefix: string): Promise<MetadataValue[]> {
    this.requireOpen();
    return this.index.listMetadata(prefix);
  }

  put(key: string, value: Uint8Array, expectedRevision: number): Promise<number | undefined> {
    return this.set(key, value, expectedRevision);
  }

  async delete(key: string, expectedRevision: number): Promise<boolean> {
    // Revision 0 means 'does not exist': there is nothing to delete then.
    return expectedRevision !== 0 && (await this.set(key, undefined, expectedRevision)) !== undefined;
  }

  watch(prefix: string, onChange: (key: string, value: MetadataValue | undefined) => void): () => void {
    const watch = { prefix, onChange };
    this.watches.add(watch);
    return () => this.watches.delete(watch);
  }

  async close(): Promise<void> {
    this.watches.clear();
  }

  private async set(key: string, value: Uint8Array | undefined, expectedRevision: number): Promise<number | undefined> {
    this.requireOpen();
    const bytes = value === undefined ? undefined : Uint8Array.from(value);
    const revision = await this.index.commit(() => this.index.setMetadata(key, bytes, expectedRevision));
    if (revision === undefined) return undefined;
    const changed = bytes === undefined ? undefined : { key, value: bytes, revision };
    for (const watch of [...this.watches]) if (key.startsWith(watch.prefix)) watch.onChange(key, changed);
    return revision;
  }

  private requireOpen(): void {
    if (!this.isOpen()) throw new StorageFault('unavailable', 'the store is closed');
  }
}
