// Retention: moves log starts up to what `retention.ms` and `retention.bytes` still want kept. Kafka deletes whole
// segments, oldest first, only when what remains still satisfies the rule; here the unit is the batch.

import type { Topic } from '../admin/catalog.ts';
import type { Services } from '../router/services.ts';
import { partitionKey, type ShardLog } from '../shard/ports.ts';

/** The offset below which the topic's rules let records go; undefined when all are to be kept. */
export async function retainedFrom(
  log: ShardLog,
  topic: Topic,
  index: number,
  nowMs: number,
): Promise<bigint | undefined> {
  const key = partitionKey(topic.id, index);
  const { retentionMs, retentionBytes } = topic.values;
  const description = await log.describe(key);
  if (description.logStartOffset === description.nextOffset) return undefined;
  let offset = description.logStartOffset;
  if (retentionMs >= 0) {
    const oldest = BigInt(nowMs) - BigInt(retentionMs);
    const young = (await log.firstBatchAtOrAfter(key, oldest)) ?? description.nextOffset;
    if (young > offset) offset = young;
  }
  if (retentionBytes >= 0 && description.bytes > retentionBytes) {
    const kept = await log.offsetToKeep(key, Number(retentionBytes));
    if (kept > offset) offset = kept;
  }
  return offset > description.logStartOffset ? offset : undefined;
}

/** Applies retention once to every partition that this node owns. Failures are logged; the next round tries again. */
export async function applyRetention(services: Services): Promise<void> {
  for (const topic of [...services.catalog.all()]) {
    if (!topic.values.cleanupPolicy.includes('delete') || topic.internal) continue;
    for (let index = 0; index < topic.partitionCount; index++) {
      const key = partitionKey(topic.id, index);
      const log = services.shards.of(key)?.log;
      if (log === undefined) continue;
      try {
        const beforeOffset = await retainedFrom(log, topic, index, services.clock.nowMs());
        if (beforeOffset === undefined) continue;
        await services.directory.partition(key).ask('deleteRecords', { beforeOffset });
        services.logger.log('info', 'retention', { topic: topic.name, partition: index, logStartOffset: beforeOffset });
      } catch (error) {
        services.logger.log('warn', 'retention failed', { topic: topic.name, partition: index, error });
      }
    }
  }
}
