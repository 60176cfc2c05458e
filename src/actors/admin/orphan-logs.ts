// Logs whose topic is gone: a node that was down, or whose store failed, when the topic was deleted still has them. They
// are removed once it is certain that they belong to nobody.

import type { Logger } from '../runtime/ports.ts';
import { type MetadataStore, type PartitionKey, type ShardLog, StorageFault } from '../shard/ports.ts';
import { parsePartitionKey, type Shards } from '../shard/shards.ts';
import type { TopicCatalog } from './catalog.ts';
import { decodeTopicRecord, TOPICS_PREFIX } from './topic-record.ts';

export interface OrphanLogsEnvironment {
  readonly shards: Shards;
  readonly catalog: TopicCatalog;
  readonly metadataStore: MetadataStore;
  readonly logger: Logger;
}

/**
 * Removes the logs of topics that do not exist from the shards that this node has open.
 * @returns how many.
 * @throws StorageFault
 */
export async function removeOrphanLogs(environment: OrphanLogsEnvironment): Promise<number> {
  const { shards, catalog, metadataStore, logger } = environment;
  const logs = await Promise.all([...shards.all()].map(({ log }) => partitionsOf(log)));
  const unknown = logs.flat().filter((key) => catalog.byId(parsePartitionKey(key).topicId) === undefined);
  if (unknown.length === 0) return 0;
  // The catalog may lag behind. A topic is recorded before anything is written to it, and the logs were read before the
  // records are: what has no record now has none any more.
  const existing = new Set<string>();
  for (const { key, value } of await metadataStore.list(TOPICS_PREFIX)) {
    const record = decodeTopicRecord(value);
    if (typeof record === 'string') {
      logger.log('warn', 'orphan logs not removed: a topic record is not understood', { key, reason: record });
      return 0;
    }
    existing.add(record.id);
  }
  let count = 0;
  for (const key of unknown) {
    if (existing.has(parsePartitionKey(key).topicId) || shards.of(key) === undefined) continue;
    await shards.commit(key, [{ kind: 'removal', partition: key }]);
    count++;
  }
  if (count > 0) logger.log('info', 'logs of deleted topics removed', { count });
  return count;
}

/** The partitions with a log in the shard; none of one that has another owner by now, who looks there itself. */
async function partitionsOf(log: ShardLog): Promise<PartitionKey[]> {
  try {
    return [...(await log.sizes()).keys()];
  } catch (error) {
    if (error instanceof StorageFault && error.code === 'fenced') return [];
    throw error;
  }
}
