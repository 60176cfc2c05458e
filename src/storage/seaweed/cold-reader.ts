// Reads a partition's batches out of its runs: whole batches, in offset order, each once, however often and however cut they
// were written. A reader that goes on from where it was finds the next runs fetched already.

import type { PartitionKey } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import { NO_TIMESTAMP_MS } from '../../protocol/records/batch.ts';
import { BATCH_HEAD_BYTES, type BatchPlace, batchAt, maxTimestampAt } from '../embedded/batches.ts';
import type { ColdBatch } from './cold-store.ts';
import type { SeaweedContext } from './context.ts';
import type { PartitionRuns, Run } from './partition-runs.ts';
import type { RunCache, RunPlace } from './run-cache.ts';
import type { ShardIndex } from './shard-index.ts';

/** Partitions whose readers' positions are remembered. */
const READERS_MAX = 4_096;
const HEADER_RUNS_AT_ONCE = 2;

export class ColdReader {
  readonly #context: SeaweedContext;
  readonly #index: ShardIndex;
  readonly #cache: RunCache;
  /** Where the last read of a partition ended: one that begins there goes on. */
  readonly #ends = new Map<PartitionKey, bigint>();

  constructor(context: SeaweedContext, index: ShardIndex, cache: RunCache) {
    this.#context = context;
    this.#index = index;
    this.#cache = cache;
  }

  /** As ColdShard.read. */
  async read(
    partition: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]> {
    const runs = this.#index.partition(partition);
    if (runs === undefined || runs.count === 0) return [];
    const from = later(fromOffset, runs.logStartOffset);
    const goesOn = this.#ends.get(partition) === from;
    const places = this.#plan(runs, from, endOffset, bytesMax, atLeastOne);
    if (places.length === 0) return [];
    if (goesOn) this.#readAhead(runs, places[places.length - 1]!);
    const buffers = await this.#cache.load(places);
    const found: Uint8Array[] = [];
    let next = from;
    let room = bytesMax;
    let owesOne = atLeastOne;
    let full = false;
    for (const buffer of buffers) {
      let start = -1;
      let end = 0;
      for (const batch of batchesIn(buffer)) {
        if (batch.lastOffset < next) continue;
        if (batch.baseOffset >= endOffset || (batch.bytes > room && !owesOne)) {
          full = true;
          break;
        }
        owesOne = false;
        room -= batch.bytes;
        next = batch.lastOffset + 1n;
        if (start < 0) start = batch.at;
        end = batch.at + batch.bytes;
      }
      if (start >= 0) found.push(buffer.subarray(start, end));
      if (full) break;
    }
    this.#context.counters.readBytes += found.reduce((sum, piece) => sum + piece.length, 0);
    this.#remember(partition, next);
    return found;
  }

  /** As ColdShard.headers. */
  async *headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array> {
    const runs = this.#index.partition(partition);
    if (runs === undefined) return;
    let next = later(fromOffset, runs.logStartOffset);
    for (;;) {
      // Looked up anew each time: runs come and go while the caller works.
      const first = runs.firstEndingAtOrAbove(next);
      const places = this.#places(runs, first, Math.min(runs.count, first + HEADER_RUNS_AT_ONCE));
      if (places.length === 0) return;
      this.#readAhead(runs, places[places.length - 1]!);
      const before = next;
      for (const buffer of await this.#cache.load(places)) {
        for (const batch of batchesIn(buffer)) {
          if (batch.lastOffset < next) continue;
          next = batch.lastOffset + 1n;
          yield buffer.subarray(batch.at, batch.at + BATCH_HEAD_BYTES);
        }
      }
      const seen = places[places.length - 1]!.run.lastOffset + 1n;
      next = later(next, seen);
      if (next === before) return;
    }
  }

  /** As ColdShard.firstBatchAtOrAfter. */
  async firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): Promise<ColdBatch | undefined> {
    const runs = this.#index.partition(partition);
    if (runs === undefined) return undefined;
    let next = runs.logStartOffset;
    for (;;) {
      let index = runs.firstEndingAtOrAbove(next);
      while (index < runs.count && runs.maxTimestampMs(index) < timestampMs) index++;
      if (index >= runs.count) return undefined;
      const run = runs.run(index);
      const found = (await this.#liveBatches(runs, run)).find((batch) => batch.maxTimestampMs >= timestampMs);
      if (found !== undefined) return found;
      next = run.lastOffset + 1n;
    }
  }

  /** As ColdShard.batchOfMaxTimestamp. */
  async batchOfMaxTimestamp(partition: PartitionKey): Promise<ColdBatch | undefined> {
    const runs = this.#index.partition(partition);
    if (runs === undefined) return undefined;
    let best: ColdBatch | undefined;
    let whole = 0;
    if (runs.count > 0 && runs.baseOffset(0) < runs.logStartOffset) {
      // The log start cuts this one: its header may speak of a batch that is gone.
      whole = 1;
      best = largest(await this.#liveBatches(runs, runs.run(0)));
    }
    let promised: Run | undefined;
    for (let index = whole; index < runs.count; index++) {
      const least = promised?.maxTimestampMs ?? best?.maxTimestampMs ?? NO_TIMESTAMP_MS;
      if (runs.maxTimestampMs(index) > least) promised = runs.run(index);
    }
    return promised === undefined ? best : (largest(await this.#liveBatches(runs, promised)) ?? best);
  }

  /** As ColdShard.bytesBetween. */
  async bytesBetween(partition: PartitionKey, fromOffset: bigint, endOffset: bigint): Promise<number> {
    const runs = this.#index.partition(partition);
    if (runs === undefined) return 0;
    let next = later(fromOffset, runs.logStartOffset);
    let bytes = 0;
    for (let index = runs.firstEndingAtOrAbove(next); index < runs.count; index = runs.firstEndingAtOrAbove(next)) {
      const run = runs.run(index);
      if (run.baseOffset >= endOffset) break;
      if (run.baseOffset >= next && run.lastOffset < endOffset) bytes += run.rawBytes;
      else {
        const [buffer] = await this.#cache.load([this.#place(run)]);
        for (const batch of batchesIn(buffer!)) {
          if (batch.lastOffset >= next && batch.baseOffset < endOffset) bytes += batch.bytes;
        }
      }
      next = run.lastOffset + 1n;
    }
    return bytes;
  }

  /** The runs to fetch for a read. */
  #plan(runs: PartitionRuns, from: bigint, endOffset: bigint, bytesMax: number, atLeastOne: boolean): RunPlace[] {
    const first = runs.firstEndingAtOrAbove(from);
    let planned = 0;
    let end = first;
    while (end < runs.count && runs.baseOffset(end) < endOffset) {
      if (planned >= bytesMax && !(atLeastOne && end === first)) break;
      // Behind a gap begins another read, so that whoever misses something there can tell.
      if (end > first && runs.baseOffset(end) > runs.lastOffset(end - 1) + 1n) break;
      // Of the first run a part may be skipped, so that its bytes do not count.
      if (end > first) planned += runs.run(end).rawBytes;
      end++;
    }
    return this.#places(runs, first, end);
  }

  #places(runs: PartitionRuns, from: number, end: number): RunPlace[] {
    const places: RunPlace[] = [];
    for (let index = from; index < Math.min(end, runs.count); index++) places.push(this.#place(runs.run(index)));
    return places;
  }

  #place(run: Run): RunPlace {
    return { run, chunk: this.#index.chunk(run.chunk) };
  }

  #readAhead(runs: PartitionRuns, last: RunPlace): void {
    const first = runs.firstEndingAtOrAbove(last.run.lastOffset + 1n);
    let end = first;
    for (let bytes = 0; end < runs.count && bytes < this.#context.limits.readAheadBytes; end++)
      bytes += runs.run(end).rawBytes;
    this.#cache.ahead(this.#places(runs, first, end));
  }

  #remember(partition: PartitionKey, end: bigint): void {
    this.#ends.delete(partition);
    this.#ends.set(partition, end);
    if (this.#ends.size > READERS_MAX) this.#ends.delete(this.#ends.keys().next().value!);
  }

  /** The run's batches at or above the log start. */
  async #liveBatches(runs: PartitionRuns, run: Run): Promise<ColdBatch[]> {
    const [buffer] = await this.#cache.load([this.#place(run)]);
    return [...batchesIn(buffer!)]
      .filter((batch) => batch.lastOffset >= runs.logStartOffset)
      .map(({ at, baseOffset }) => ({ baseOffset, maxTimestampMs: maxTimestampAt(buffer!, at) }));
  }
}

/** The batches that lie in a row in a run. */
function* batchesIn(buffer: Buffer): Generator<BatchPlace> {
  for (let at = 0; at < buffer.length; ) {
    const batch = batchAt(buffer, at);
    // The run's CRC is right: it was given so.
    if (batch === undefined) throw new StorageFault('corrupt', `a run holds no whole batch at byte ${at}`);
    yield batch;
    at += batch.bytes;
  }
}

function largest(batches: readonly ColdBatch[]): ColdBatch | undefined {
  let best: ColdBatch | undefined;
  for (const batch of batches) {
    if (batch.maxTimestampMs > (best?.maxTimestampMs ?? NO_TIMESTAMP_MS)) best = batch;
  }
  return best;
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
