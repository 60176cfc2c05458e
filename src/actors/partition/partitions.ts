// The partition writers of a node: what a partition is told at its birth, and where its committed batches go.

import type { BrokerConfig } from '../../config.ts';
import type { Events, Tracer } from '../../events.ts';
import type { TopicCatalog } from '../admin/catalog.ts';
import type { Clock, Logger, Random } from '../runtime/ports.ts';
import { ActorKind } from '../runtime/system.ts';
import type { PartitionKey } from '../shard/ports.ts';
import { parsePartitionKey, type Shards } from '../shard/shards.ts';
import { bindPartition } from './binding.ts';
import { definePartition } from './partition.ts';
import type { RefusedBatches } from './refused-batches.ts';
import type { TailCache } from './tail-cache.ts';

export interface PartitionsEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: Events;
  readonly tracer: Tracer;
  readonly config: BrokerConfig;
  readonly shards: Shards;
  readonly catalog: TopicCatalog;
  readonly cache: TailCache;
  readonly refusedBatches: RefusedBatches;
}

export type Partitions = ReturnType<typeof createPartitions>;

export function createPartitions(environment: PartitionsEnvironment) {
  const { clock, random, logger, events, tracer, config, shards, catalog, cache, refusedBatches } = environment;
  const definition = definePartition(
    {
      mailboxMessagesMax: config.mailboxMessagesMax,
      passivateAfterMs: config.actorPassivateAfterMs,
      checkpointBatches: config.partitionCheckpointBatches,
    },
    {
      onCommitted(key, baseOffset, nextOffset, bytes) {
        cache.add(key, baseOffset, nextOffset, bytes);
        const topic = catalog.byId(parsePartitionKey(key).topicId);
        if (topic !== undefined) events.produced(topic.name, Number(nextOffset - baseOffset), bytes.length);
      },
    },
    refusedBatches,
  );
  const exists = (key: PartitionKey): boolean => {
    const { topicId, index } = parsePartitionKey(key);
    return index < (catalog.byId(topicId)?.partitionCount ?? 0);
  };
  const bind = (key: string) => bindPartition(key as PartitionKey, shards, exists);
  return new ActorKind(definition, bind, { clock, random, logger, events, tracer });
}
