import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedStore, openEmbeddedStore } from '../../src/storage/embedded/store.ts';
import { describeStorageContract } from './contract.ts';
import { SMALL_LIMITS } from './workload.ts';

let dataDir = '';

async function discard(): Promise<void> {
  if (dataDir !== '') await rm(dataDir, { recursive: true });
  dataDir = '';
}

// With its true limits, and with small ones, at which everything rolls, switches and settles all the time.
for (const [durability, limits] of [
  ['fsync', {}],
  ['os', {}],
  ['fsync', SMALL_LIMITS],
  ['os', SMALL_LIMITS],
] as const) {
  describeStorageContract({
    name: `embedded, ${durability}, ${limits === SMALL_LIMITS ? 'small' : 'true'} limits`,
    async open(fresh) {
      if (fresh) {
        await discard();
        dataDir = await mkdtemp(join(tmpdir(), 'sargasso-storage-'));
      }
      return openEmbeddedStore({ dataDir, durability, logger: { log() {} }, limits });
    },
    close: (store) => (store as EmbeddedStore).close(),
  });
}
after(discard);
