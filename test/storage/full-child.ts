// The process that meets a file size limit. Argument: data directory. Appends until it is full and says so; goes on when
// the limit is lifted, and says how far it came.

import fs from 'node:fs';
import { partitionKey, StorageFault } from '../../src/actors/shard/ports.ts';
import { openEmbeddedStore } from '../../src/storage/embedded/store.ts';
import { batch } from './batches.ts';
import { SMALL_LIMITS } from './workload.ts';

const A = partitionKey('AAAAAAAAAAAAAAAAAAAABQ', 0);
const B = partitionKey('AAAAAAAAAAAAAAAAAAAABQ', 1);
const store = await openEmbeddedStore({
  dataDir: process.argv[2]!,
  durability: 'os',
  logger: { log() {} },
  limits: SMALL_LIMITS,
});
const log = await store.shards.openShard(0, 0);
let offset = 0n;
let full = -1n;
const giveUpAt = Date.now() + 30_000;
while (full < 0n || offset < full + 200n) {
  try {
    const bytes = offset % 3n === 0n ? 20_000 : 500;
    await log.append([batch(A, offset, { bytes }), batch(B, offset, { bytes: 100 })]);
    offset += 1n;
  } catch (error) {
    if (!(error instanceof StorageFault) || error.code !== 'full' || Date.now() > giveUpAt) throw error;
    if (full < 0n) fs.writeSync(1, `full at ${offset}\n`);
    full = offset;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
await store.close();
fs.writeSync(1, `went on to ${offset}\n`);
