// The metadata of a memory disk as one node sees it: its own changes reach its watchers before they resolve, those of
// other nodes when the scheduler lets them through, in order.

import type { MetadataStore, MetadataValue } from '../../actors/shard/ports.ts';
import { type MemoryStoreContext, writeUnder } from '../memory.ts';

type Change = readonly [key: string, value: MetadataValue | undefined];

export class MemoryMetadataStore implements MetadataStore {
  private readonly context: MemoryStoreContext;

  constructor(context: MemoryStoreContext) {
    this.context = context;
  }

  get(key: string): Promise<MetadataValue | undefined> {
    return this.context.complete('metadata', false, () => this.context.disk.get(key));
  }

  list(prefix: string): Promise<MetadataValue[]> {
    return this.context.complete('metadata', false, () => this.context.disk.list(prefix));
  }

  put(key: string, value: Uint8Array, expectedRevision: number): Promise<number | undefined> {
    return this.set(key, value, expectedRevision);
  }

  async delete(key: string, expectedRevision: number): Promise<boolean> {
    // Revision 0 means 'does not exist': there is nothing to delete then.
    return expectedRevision !== 0 && (await this.set(key, undefined, expectedRevision)) !== undefined;
  }

  watch(prefix: string, onChange: (key: string, value: MetadataValue | undefined) => void): () => void {
    const waiting: Change[] = [];
    let stopped = false;
    const tell = (): void => {
      while (!stopped && waiting.length > 0) onChange(...waiting.shift()!);
    };
    const unlisten = this.context.disk.listen((key, value, writer) => {
      if (!this.context.alive || !key.startsWith(prefix)) return;
      waiting.push([key, value]);
      // Changes of others that still wait go first: the order of the disk is the order of the watch.
      if (writer === this.context) tell();
      else this.context.deliver(tell);
    });
    return () => {
      stopped = true;
      unlisten();
    };
  }

  async close(): Promise<void> {}

  private set(key: string, value: Uint8Array | undefined, expectedRevision: number): Promise<number | undefined> {
    const outcome = this.context.faults.beforePut?.(key, value) ?? 'ok';
    return this.context.complete('metadata', true, () =>
      writeUnder(outcome, () => this.context.disk.set(key, value, expectedRevision, this.context)),
    );
  }
}
