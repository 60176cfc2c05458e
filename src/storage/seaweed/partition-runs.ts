// The runs of one partition that lie in the filer, in offset order: columns of numbers, about 50 bytes a run, since there
// is one for every 2 MiB that the cluster keeps.
//
// First offsets, last offsets and positions increase from run to run. Runs may overlap (a new owner of the shard cuts its
// runs elsewhere than the old one did): a run that another holds whole is not kept. Of two copies of the same run every owner
// keeps the same one, so that two owners, one of them not knowing that it is none any more, can never delete each other's
// copy: what anybody deletes is held by a run that nobody deletes for being held.
//
// Within one log positions grow with the offsets. Where they do not, the run with the lower position is of an earlier log of
// this name, and is not kept.

import type { PartitionKey } from '../../actors/shard/ports.ts';
import { runHeaderBytes } from './run-format.ts';

export interface Run {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly maxTimestampMs: bigint;
  readonly position: bigint;
  readonly rawBytes: number;
  /** Number of the chunk in the shard's index, and where in it header and payload lie. */
  readonly chunk: number;
  readonly at: number;
  readonly bytes: number;
}

const ROWS_FIRST = 4;
const ROW_BYTES = 48;

export class PartitionRuns {
  readonly key: PartitionKey;
  /** Runs wholly below are not kept. */
  logStartOffset = 0n;
  /** Runs of an earlier log of this name, up to this position of the journal, are not kept. */
  removedUpTo = -1n;
  readonly headerBytes: number;
  #count = 0;
  #base = new BigInt64Array(ROWS_FIRST);
  #last = new BigInt64Array(ROWS_FIRST);
  #maxTimestamp = new BigInt64Array(ROWS_FIRST);
  #position = new BigInt64Array(ROWS_FIRST);
  #rawBytes = new Uint32Array(ROWS_FIRST);
  #chunk = new Uint32Array(ROWS_FIRST);
  #at = new Uint32Array(ROWS_FIRST);
  #bytes = new Uint32Array(ROWS_FIRST);

  readonly #prefers: (kept: number, other: number) => boolean;

  /** @param prefers whether of two copies of one run the one in the first chunk is to be kept; every owner agrees on it */
  constructor(key: PartitionKey, prefers: (chunk: number, other: number) => boolean) {
    this.key = key;
    this.#prefers = prefers;
    this.headerBytes = runHeaderBytes(key);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes that the columns take. */
  get memoryBytes(): number {
    return this.#base.length * ROW_BYTES;
  }

  run(index: number): Run {
    if (index < 0 || index >= this.#count) throw new RangeError(`run ${index} of ${this.#count}`);
    return {
      baseOffset: this.#base[index]!,
      lastOffset: this.#last[index]!,
      maxTimestampMs: this.#maxTimestamp[index]!,
      position: this.#position[index]!,
      rawBytes: this.#rawBytes[index]!,
      chunk: this.#chunk[index]!,
      at: this.#at[index]!,
      bytes: this.#bytes[index]!,
    };
  }

  baseOffset(index: number): bigint {
    return this.#base[index]!;
  }

  lastOffset(index: number): bigint {
    return this.#last[index]!;
  }

  maxTimestampMs(index: number): bigint {
    return this.#maxTimestamp[index]!;
  }

  /** The largest position of the journal that a run has; -1n without any. */
  lastPosition(): bigint {
    let last = -1n;
    for (let index = 0; index < this.#count; index++) if (this.#position[index]! > last) last = this.#position[index]!;
    return last;
  }

  /** The first run that ends at or above `offset`: the one that holds it, or else the next; `count` when there is none. */
  firstEndingAtOrAbove(offset: bigint): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#last[middle]! >= offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Whether stored runs hold every offset from `baseOffset` to `lastOffset`, without a gap between two of them. */
  covers(baseOffset: bigint, lastOffset: bigint): boolean {
    let index = this.firstEndingAtOrAbove(baseOffset);
    let next = baseOffset;
    for (; index < this.#count && this.#base[index]! <= next; index++) {
      if (this.#last[index]! >= lastOffset) return true;
      next = this.#last[index]! + 1n;
    }
    return false;
  }

  /**
   * The offset behind the runs that lie in a row from `offset` on; `offset` itself when none holds it.
   * A gap between two runs ends the row, one within a run does not.
   */
  endOfRow(offset: bigint): bigint {
    let next = offset;
    for (let index = this.firstEndingAtOrAbove(offset); index < this.#count; index++) {
      if (this.#base[index]! > next) break;
      next = this.#last[index]! + 1n;
    }
    return next;
  }

  /**
   * Takes a run in. @returns the chunks that have lost a run by it: those of the runs it takes the place of, or its own
   * when it is not kept (dead already, of an earlier log, or held by another).
   */
  add(run: Run): number[] {
    const { baseOffset, lastOffset, position } = run;
    if (lastOffset < this.logStartOffset || position <= this.removedUpTo) return [run.chunk];
    // Runs that end at or above its end: those with lower positions are of an earlier log.
    const above = this.firstEndingAtOrAbove(lastOffset);
    const isSameEnd = above < this.#count && this.#last[above] === lastOffset;
    const below = isSameEnd ? above : above - 1;
    if (below >= 0 && this.#position[below]! > position) return [run.chunk];
    let end = above;
    while (end < this.#count && this.#position[end]! < position) end++;
    if (end < this.#count && this.#base[end]! <= baseOffset) {
      const isSame = this.#base[end] === baseOffset && this.#last[end] === lastOffset;
      if (!isSame || this.#prefers(this.#chunk[end]!, run.chunk)) return [run.chunk];
    }
    // What it holds itself: of those that begin at or above its beginning, all that end at or below its end.
    while (end < this.#count && this.#last[end]! <= lastOffset) end++;
    let first = above;
    while (first > 0 && this.#base[first - 1]! >= baseOffset) first--;
    const replaced = Array.from(this.#chunk.subarray(first, end));
    this.#replace(first, end, run);
    return replaced;
  }

  /** Forgets the runs that are wholly below `offset`. @returns the chunks they lie in, one for each. */
  moveLogStart(offset: bigint): number[] {
    if (offset <= this.logStartOffset) return [];
    this.logStartOffset = offset;
    return this.#drop(this.firstEndingAtOrAbove(offset));
  }

  /** Forgets every run up to a position of the journal. @returns the chunks they lie in, one for each. */
  remove(upToPosition: bigint): number[] {
    if (upToPosition > this.removedUpTo) this.removedUpTo = upToPosition;
    this.logStartOffset = 0n;
    const kept: Run[] = [];
    const dropped: number[] = [];
    for (let index = 0; index < this.#count; index++) {
      if (this.#position[index]! <= this.removedUpTo) dropped.push(this.#chunk[index]!);
      else kept.push(this.run(index));
    }
    this.#count = 0;
    for (const run of kept) this.#replace(this.#count, this.#count, run);
    return dropped;
  }

  #drop(count: number): number[] {
    const dropped = Array.from(this.#chunk.subarray(0, count));
    if (count > 0) this.#shift(count, 0);
    return dropped;
  }

  /** Puts `run` in the place of the rows from `first` up to `end`. */
  #replace(first: number, end: number, run: Run): void {
    this.#shift(end, first + 1);
    this.#base[first] = run.baseOffset;
    this.#last[first] = run.lastOffset;
    this.#maxTimestamp[first] = run.maxTimestampMs;
    this.#position[first] = run.position;
    this.#rawBytes[first] = run.rawBytes;
    this.#chunk[first] = run.chunk;
    this.#at[first] = run.at;
    this.#bytes[first] = run.bytes;
  }

  /** Moves the rows from `from` on to `to`. */
  #shift(from: number, to: number): void {
    const count = this.#count + to - from;
    const size = this.#base.length;
    if (count > size || (count < size / 4 && size > ROWS_FIRST)) {
      this.#resize(Math.max(ROWS_FIRST, count + (count >>> 1)), Math.min(from, to), from, to);
    } else if (from !== to) {
      for (const column of this.#columns()) column.copyWithin(to, from, this.#count);
    }
    this.#count = count;
  }

  #resize(size: number, kept: number, from: number, to: number): void {
    const big = (old: BigInt64Array) => {
      const column = new BigInt64Array(size);
      column.set(old.subarray(0, kept));
      column.set(old.subarray(from, this.#count), to);
      return column;
    };
    const small = (old: Uint32Array) => {
      const column = new Uint32Array(size);
      column.set(old.subarray(0, kept));
      column.set(old.subarray(from, this.#count), to);
      return column;
    };
    this.#base = big(this.#base);
    this.#last = big(this.#last);
    this.#maxTimestamp = big(this.#maxTimestamp);
    this.#position = big(this.#position);
    this.#rawBytes = small(this.#rawBytes);
    this.#chunk = small(this.#chunk);
    this.#at = small(this.#at);
    this.#bytes = small(this.#bytes);
  }

  #columns(): (BigInt64Array | Uint32Array)[] {
    return [
      this.#base,
      this.#last,
      this.#maxTimestamp,
      this.#position,
      this.#rawBytes,
      this.#chunk,
      this.#at,
      this.#bytes,
    ];
  }
}
