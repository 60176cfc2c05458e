// The process that the crash tests kill. Arguments: data directory, durability, groups already there for each shard.
// Writes `<shard>` and a line end for each acked group, `open` when it begins.

import fs from 'node:fs';
import { openEmbeddedStore } from '../../src/storage/embedded/store.ts';
import { SMALL_LIMITS, WORKLOAD_SHARDS, Workload } from './workload.ts';

const [dataDir, durability, ...done] = process.argv.slice(2);
const store = await openEmbeddedStore({
  dataDir: dataDir!,
  durability: durability as 'fsync' | 'os',
  logger: { log: (level, event, fields) => fs.writeSync(2, `${level} ${event} ${JSON.stringify(fields)}\n`) },
  limits: SMALL_LIMITS,
});
fs.writeSync(1, 'open\n');
await Promise.all(
  Array.from({ length: WORKLOAD_SHARDS }, async (_, shard) => {
    const log = await store.shards.openShard(shard, 0);
    const workload = new Workload(shard);
    for (let skipped = 0; skipped < Number(done[shard]); skipped++) workload.next();
    for (;;) {
      await log.append(workload.next());
      fs.writeSync(1, `${shard}\n`);
    }
  }),
);
