// Reads committed batches of the partitions that this node owns: from the tail cache, else from the store.

import { type Events, noEvents } from '../../events.ts';
import { endOffsetOf } from '../../protocol/records/batch.ts';
import { decodeRecords } from '../../protocol/records/record.ts';
import type { TraceContext } from '../runtime/ports.ts';
import type { PartitionKey, ShardLog } from '../shard/ports.ts';
import { StorageFault } from '../shard/ports.ts';
import type { Shards } from '../shard/shards.ts';
import type { ReadAhead } from './read-ahead.ts';
import type { TailCache } from './tail-cache.ts';

/** Which record is looked for by its timestamp. */
export interface TimestampQuery {
  /** ms since 1970: the first record at or after it; `largest`: the first record with the log's largest timestamp. */
  readonly timestamp: bigint | 'largest';
  readonly logStartOffset: bigint;
  /** Offset from which records do not count (high watermark or last stable offset). */
  readonly endOffset: bigint;
}

export interface FoundRecord {
  readonly timestamp: bigint;
  readonly offset: bigint;
  readonly leaderEpoch: number;
}

/** Reads of partitions, wherever they are owned. */
export interface PartitionReader {
  /**
   * Whole batches from the one holding `fromOffset` on, below `endOffset` (a committed offset), as ShardLog.read. Answers
   * at once when they are in memory.
   * @param trace of the request that reads; undefined: not sampled
   * @throws StorageFault `fenced` when the owner is not (yet) known
   */
  read(
    key: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
    trace?: TraceContext,
  ): Uint8Array[] | Promise<Uint8Array[]>;
  /** @throws StorageFault as `read` */
  offsetByTimestamp(key: PartitionKey, query: TimestampQuery): Promise<FoundRecord | undefined>;
}

export class LogReader implements PartitionReader {
  readonly #shards: Shards;
  readonly #cache: TailCache;
  readonly #ahead: ReadAhead;
  readonly #events: Events;

  constructor(shards: Shards, cache: TailCache, ahead: ReadAhead, events: Events = noEvents) {
    this.#shards = shards;
    this.#cache = cache;
    this.#ahead = ahead;
    this.#events = events;
  }

  read(
    key: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Uint8Array[] | Promise<Uint8Array[]> {
    if (fromOffset >= endOffset) return [];
    const cached = this.#cache.read(key, fromOffset, endOffset, bytesMax, atLeastOne);
    this.#events.cacheRead(cached !== undefined);
    if (cached !== undefined) return cached;
    const shard = this.#shards.of(key);
    if (shard === undefined) return Promise.reject(notOwned(key));
    const { log } = shard;
    return this.#ahead.read(
      key,
      { fromOffset, endOffset, bytesMax, atLeastOne },
      (range) => log.read(key, range.fromOffset, range.endOffset, range.bytesMax, range.atLeastOne),
      // Only what is worth a second read: a reader at the end of the log is served from memory.
      (offset) => !this.#cache.has(key, offset),
    );
  }

  async offsetByTimestamp(key: PartitionKey, query: TimestampQuery): Promise<FoundRecord | undefined> {
    const log = this.#shards.of(key)?.log;
    if (log === undefined) throw notOwned(key);
    let offset = await firstCandidate(log, key, query);
    while (offset !== undefined && offset < query.endOffset) {
      const [chunk] = await this.read(key, offset, query.endOffset, 1, true);
      if (chunk === undefined) return undefined;
      const batch = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const found = findIn(batch, query);
      if (found !== undefined) return found;
      // The log may start in the middle of this batch, behind the record that made it a candidate.
      offset = endOffsetOf(chunk);
    }
    return undefined;
  }
}

function firstCandidate(log: ShardLog, key: PartitionKey, { timestamp }: TimestampQuery): Promise<bigint | undefined> {
  return timestamp === 'largest' ? log.batchOfMaxTimestamp(key) : log.firstBatchAtOrAfter(key, timestamp);
}

function findIn(batch: Buffer, { timestamp, logStartOffset, endOffset }: TimestampQuery): FoundRecord | undefined {
  let best: { readonly offset: bigint; readonly timestampMs: bigint } | undefined;
  for (const record of decodeRecords(batch)) {
    if (record.offset < logStartOffset || record.offset >= endOffset) continue;
    if (timestamp === 'largest') {
      if (best === undefined || record.timestampMs > best.timestampMs) best = record;
    } else if (record.timestampMs >= timestamp) {
      best = record;
      break;
    }
  }
  if (best === undefined) return undefined;
  return { timestamp: best.timestampMs, offset: best.offset, leaderEpoch: batch.readInt32BE(12) };
}

function notOwned(key: PartitionKey): StorageFault {
  return new StorageFault('fenced', `${key} is not owned by this node`);
}
