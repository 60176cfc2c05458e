// What lives in the shards of this node: partition writers, group coordinators, cached batches. They come and go as shards
// are opened and closed here, and end with their topics.

import type { Topic, TopicCatalog } from './admin/catalog.ts';
import { CONSUMER_OFFSETS } from './admin/internal-topics.ts';
import type { GroupCoordinator } from './group/coordinator.ts';
import type { Partitions } from './partition/partitions.ts';
import type { ReadAhead } from './partition/read-ahead.ts';
import type { TailCache } from './partition/tail-cache.ts';
import type { Logger } from './runtime/ports.ts';
import { type PartitionKey, partitionKey, StorageFault } from './shard/ports.ts';
import { parsePartitionKey, type Shards } from './shard/shards.ts';
import type { View } from './shard/view.ts';

export interface ResidentsEnvironment {
  readonly view: View;
  readonly shards: Shards;
  readonly catalog: TopicCatalog;
  readonly partitions: Partitions;
  readonly coordinator: GroupCoordinator;
  readonly cache: TailCache;
  readonly ahead: ReadAhead;
  readonly logger: Logger;
}

export class Residents {
  readonly #environment: ResidentsEnvironment;

  constructor(environment: ResidentsEnvironment) {
    this.#environment = environment;
  }

  /** Loads the coordinators of the shards that are open, and from now on follows the topics. */
  start(): void {
    this.#environment.catalog.onChange((topic, before) => {
      if (topic === undefined && before !== undefined) this.#topicDeleted(before);
      else if (topic?.name === CONSUMER_OFFSETS) this.#loadCoordinators();
    });
    this.#loadCoordinators();
  }

  shardOpened(shard: number): void {
    this.#loadCoordinators((key) => this.#shardOf(key) === shard);
  }

  /** The shard is not this node's any more, or must be taken anew. */
  shardClosed(shard: number, error: unknown): void {
    const { partitions, cache, ahead, coordinator } = this.#environment;
    const inShard = (key: string): boolean => this.#shardOf(key as PartitionKey) === shard;
    partitions.stopAll(error, inShard);
    cache.dropAll(inShard);
    ahead.dropAll(inShard);
    for (const index of this.#coordinatorPartitions((key) => this.#shardOf(key) === shard)) {
      coordinator.unloadPartition(index);
    }
  }

  /** Ends the writers of a deleted topic and removes the logs that this node owns. */
  #topicDeleted(topic: Topic): void {
    const { partitions, coordinator, cache, shards, logger } = this.#environment;
    if (topic.name === CONSUMER_OFFSETS) {
      for (const index of coordinator.partitions) coordinator.unloadPartition(index);
    }
    coordinator.topicDeleted(topic.name, topic.id).catch((error) => {
      logger.log('error', 'offsets of a deleted topic stay', { topic: topic.name, error });
    });
    for (let index = 0; index < topic.partitionCount; index++) {
      const key = partitionKey(topic.id, index);
      partitions.stop(key, new StorageFault('fenced', `topic ${topic.name} is deleted`));
      cache.drop(key);
      if (shards.of(key) === undefined) continue;
      shards.commit(key, [{ kind: 'removal', partition: key }]).catch((error) => {
        logger.log('error', 'log of a deleted topic stays', { topic: topic.name, partition: index, error });
      });
    }
  }

  /** Loads the coordinators of the partitions that this node owns; groups' asks wait for it. */
  #loadCoordinators(matches: (key: PartitionKey) => boolean = () => true): void {
    const { shards, coordinator, logger } = this.#environment;
    const owned = (key: PartitionKey): boolean => shards.of(key) !== undefined && matches(key);
    for (const index of this.#coordinatorPartitions(owned)) {
      coordinator.loadPartition(index).catch((error) => {
        logger.log('error', 'group coordinator does not load', { partition: index, error });
      });
    }
  }

  /** Partitions of `__consumer_offsets` whose key passes `matches`. */
  #coordinatorPartitions(matches: (key: PartitionKey) => boolean): number[] {
    const topic = this.#environment.catalog.byName(CONSUMER_OFFSETS);
    if (topic === undefined) return [];
    return [...Array(topic.partitionCount).keys()].filter((index) => matches(partitionKey(topic.id, index)));
  }

  #shardOf(key: PartitionKey): number {
    const { topicId, index } = parsePartitionKey(key);
    return this.#environment.view.shardOf(topicId, index);
  }
}
