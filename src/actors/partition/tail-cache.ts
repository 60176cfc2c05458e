// The tail of the logs in memory: the batches committed last, over all partitions of the node up to a bound in bytes,
// the oldest leaving first. Consumers that keep up never touch the store.

import type { PartitionKey } from '../shard/ports.ts';

interface CachedBatch {
  readonly key: PartitionKey;
  readonly baseOffset: bigint;
  readonly nextOffset: bigint;
  readonly bytes: Uint8Array;
}

/** Batches below this size are copied out of the chunk that they lie in. */
const COPIED_BELOW_BYTES = 32 * 1024;

/** Batches of one partition without a gap, oldest first, from `head` on. */
interface Tail {
  batches: CachedBatch[];
  head: number;
}

export class TailCache {
  readonly #bytesMax: number;
  readonly #tails = new Map<PartitionKey, Tail>();
  #queue: CachedBatch[] = [];
  #queueHead = 0;
  #bytes = 0;

  /** @param bytesMax bytes of batches kept at the most. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a batch that has just become durable. */
  add(key: PartitionKey, baseOffset: bigint, nextOffset: bigint, bytes: Uint8Array): void {
    let tail = this.#tails.get(key);
    if (tail === undefined) {
      tail = { batches: [], head: 0 };
      this.#tails.set(key, tail);
    }
    const last = tail.batches.at(-1);
    if (last !== undefined && last.nextOffset !== baseOffset) {
      this.drop(key);
      this.add(key, baseOffset, nextOffset, bytes);
      return;
    }
    // A small batch is a view of the chunk that it arrived in: keeping the view would keep the chunk. Large ones share a
    // frame with others that are cached with them and leave with them, so a view keeps little else.
    const copied = bytes.length < COPIED_BELOW_BYTES && bytes.length * 2 < bytes.buffer.byteLength;
    const kept = copied ? Uint8Array.prototype.slice.call(bytes) : bytes;
    const batch: CachedBatch = { key, baseOffset, nextOffset, bytes: kept };
    tail.batches.push(batch);
    this.#queue.push(batch);
    this.#bytes += kept.length;
    this.#evict();
  }

  /** Forgets a partition (deleted, reopened). */
  drop(key: PartitionKey): void {
    const tail = this.#tails.get(key);
    if (tail === undefined) return;
    for (let i = tail.head; i < tail.batches.length; i++) this.#bytes -= (tail.batches[i] as CachedBatch).bytes.length;
    this.#tails.delete(key);
    this.#queue = this.#queue.slice(this.#queueHead).filter((batch) => batch.key !== key);
    this.#queueHead = 0;
  }

  /** Forgets every partition that passes `matches`. */
  dropAll(matches: (key: PartitionKey) => boolean): void {
    for (const key of [...this.#tails.keys()]) if (matches(key)) this.drop(key);
  }

  /** Whether a read from this offset would be served. */
  has(key: PartitionKey, offset: bigint): boolean {
    const tail = this.#tails.get(key);
    const first = tail?.batches[tail.head];
    return first !== undefined && offset >= first.baseOffset;
  }

  /**
   * Like ShardLog.read, from memory.
   * @returns undefined when the batch that holds `fromOffset` is not here, be it older or newer than what is.
   */
  read(
    key: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Uint8Array[] | undefined {
    const tail = this.#tails.get(key);
    if (tail === undefined) return undefined;
    const first = tail.batches[tail.head];
    if (first === undefined || fromOffset < first.baseOffset) return undefined;
    const from = indexOf(tail, fromOffset);
    // Batches that landed after their writer had crashed are in the store only.
    if (from === tail.batches.length) return undefined;
    const result: Uint8Array[] = [];
    let bytes = 0;
    for (let i = from; i < tail.batches.length; i++) {
      const batch = tail.batches[i] as CachedBatch;
      if (batch.baseOffset >= endOffset) break;
      if (bytes + batch.bytes.length > bytesMax && !(atLeastOne && result.length === 0)) break;
      result.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    return result;
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax && this.#queueHead < this.#queue.length) {
      const oldest = this.#queue[this.#queueHead] as CachedBatch;
      this.#queue[this.#queueHead++] = EVICTED;
      const tail = this.#tails.get(oldest.key);
      if (tail === undefined || tail.batches[tail.head] !== oldest) continue;
      tail.head++;
      this.#bytes -= oldest.bytes.length;
      if (tail.head === tail.batches.length) this.#tails.delete(oldest.key);
      else if (tail.head > 64 && tail.head * 2 > tail.batches.length) {
        tail.batches = tail.batches.slice(tail.head);
        tail.head = 0;
      } else tail.batches[tail.head - 1] = EVICTED;
    }
    if (this.#queueHead > 1024 && this.#queueHead * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
  }
}

const EVICTED: CachedBatch = { key: '' as PartitionKey, baseOffset: -1n, nextOffset: -1n, bytes: new Uint8Array(0) };

/** Index of the batch that holds `offset`, or of the first above it. */
function indexOf(tail: Tail, offset: bigint): number {
  let low = tail.head;
  let high = tail.batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((tail.batches[middle] as CachedBatch).nextOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
