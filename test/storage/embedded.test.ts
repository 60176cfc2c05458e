import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedStore, openEmbeddedStore } from '../../src/storage/embedded/store.ts';
import { describeStorageContract } from './contract.ts';

for (const durability of ['fsync', 'os'] as const) {
  let dataDir = '';
  describeStorageContract({
    name: `embedded, ${durability}`,
    async open(fresh) {
      if (fresh) dataDir = await mkdtemp(join(tmpdir(), 'sargasso-storage-'));
      return openEmbeddedStore({ dataDir, durability, logger: { log() {} } });
    },
    close: (store) => (store as EmbeddedStore).close(),
  });
  after(() => rm(dataDir, { recursive: true, force: true }));
}
