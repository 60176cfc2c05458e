// Reads committed batches of the partitions that this node owns: from the tail cache, else from the store.

import type { PartitionKey } from '../shard/ports.ts';
import { StorageFault } from '../shard/ports.ts';
import type { Shards } from '../shard/shards.ts';
import type { TailCache } from './tail-cache.ts';

export class LogReader {
  readonly #shards: Shards;
  readonly #cache: TailCache;

  constructor(shards: Shards, cache: TailCache) {
    this.#shards = shards;
    this.#cache = cache;
  }

  /**
   * Whole batches from the one holding `fromOffset` on, below `endOffset` (a committed offset), as ShardLog.read.
   * Answers at once when the tail cache has them.
   * @throws StorageFault `fenced` when the partition is not owned here
   */
  read(
    key: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Uint8Array[] | Promise<Uint8Array[]> {
    if (fromOffset >= endOffset) return [];
    const cached = this.#cache.read(key, fromOffset, endOffset, bytesMax, atLeastOne);
    if (cached !== undefined) return cached;
    const shard = this.#shards.of(key);
    if (shard === undefined) return Promise.reject(new StorageFault('fenced', `${key} is not owned by this node`));
    return shard.log.read(key, fromOffset, endOffset, bytesMax, atLeastOne);
  }
}
