// High watermarks of partitions that this node owns, for consumer lag: read beside the writers, which are neither woken nor
// asked.

import type { PartitionKey } from '../shard/ports.ts';
import type { Shards } from '../shard/shards.ts';
import type { PartitionSoft } from './partition.ts';

export interface PartitionGlances {
  lookAt(key: string): { readonly soft: Pick<PartitionSoft, 'highWatermark'> } | undefined;
}

/** One above the last durable record; undefined when this node does not own the partition. @throws StorageFault */
export async function highWatermarkOf(
  key: PartitionKey,
  partitions: PartitionGlances,
  shards: Shards,
): Promise<bigint | undefined> {
  const shard = shards.of(key);
  if (shard === undefined) return undefined;
  const writer = partitions.lookAt(key);
  // Without a writer in memory nothing is under way, so all that is stored is committed.
  return writer?.soft.highWatermark ?? (await shard.log.describe(key)).nextOffset;
}

/** The same of several, in their order; null for those that this node cannot tell. */
export function highWatermarksOf(
  keys: readonly PartitionKey[],
  partitions: PartitionGlances,
  shards: Shards,
): Promise<(bigint | null)[]> {
  return Promise.all(
    keys.map((key) =>
      highWatermarkOf(key, partitions, shards).then(
        (offset) => offset ?? null,
        () => null,
      ),
    ),
  );
}
