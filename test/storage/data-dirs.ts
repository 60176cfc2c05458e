// Data directories for the tests of the embedded store, and images of them: what a killed process would leave.

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type EmbeddedStore, type EmbeddedStoreOptions, openEmbeddedStore } from '../../src/storage/embedded/store.ts';
import { SMALL_LIMITS } from './workload.ts';

/** Directories and stores of one test; `clear` closes and deletes them. */
export class DataDirs {
  private readonly made: string[] = [];
  private readonly stores: EmbeddedStore[] = [];
  readonly logged: string[] = [];

  async make(): Promise<string> {
    const dataDir = await mkdtemp(join(tmpdir(), 'sargasso-data-'));
    this.made.push(dataDir);
    return dataDir;
  }

  async open(dataDir: string, options: Partial<EmbeddedStoreOptions> = {}): Promise<EmbeddedStore> {
    const logger = { log: (_: string, event: string) => this.logged.push(event) };
    const store = await openEmbeddedStore({ dataDir, durability: 'fsync', logger, limits: SMALL_LIMITS, ...options });
    this.stores.push(store);
    return store;
  }

  /** The directory as it is now, no write being on its way: as if its process had been killed. */
  async image(dataDir: string): Promise<string> {
    const copy = await this.make();
    cpSync(dataDir, copy, { recursive: true, filter: (path) => basename(path) !== 'lock' });
    return copy;
  }

  async close(): Promise<void> {
    for (const store of this.stores.splice(0)) await store.close();
  }

  async clear(): Promise<void> {
    await this.close();
    for (const dataDir of this.made.splice(0)) await rm(dataDir, { recursive: true, force: true });
    this.logged.length = 0;
  }
}

/** Changes a file in place. */
export function damage(path: string, change: (bytes: Buffer) => Buffer | undefined): void {
  const bytes = readFileSync(path);
  writeFileSync(path, change(bytes) ?? bytes);
}
