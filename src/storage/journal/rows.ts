// Where the batches of one partition lie in the journal: a row a batch, in offset order, in typed arrays of blocks (40
// bytes a batch), so that millions of batches stay cheap and are written and read as memory copies.

const BLOCK_ROWS_MIN = 8;
const BLOCK_ROWS_MAX = 512;

/** Columns of up to 512 rows, of which [start, end) are there. */
class Block {
  start = 0;
  end = 0;
  /** Of the rows that are there. */
  bytes = 0;
  /** At least the largest of the rows that are there. */
  maxTimestampMs = -1n;
  base: BigInt64Array;
  last: BigInt64Array;
  time: BigInt64Array;
  sequence: Float64Array;
  position: Uint32Array;
  length: Uint32Array;

  constructor(capacity: number) {
    this.base = new BigInt64Array(capacity);
    this.last = new BigInt64Array(capacity);
    this.time = new BigInt64Array(capacity);
    this.sequence = new Float64Array(capacity);
    this.position = new Uint32Array(capacity);
    this.length = new Uint32Array(capacity);
  }

  get capacity(): number {
    return this.base.length;
  }

  /** A block of another capacity with the rows that are there. */
  resized(capacity: number): Block {
    const other = new Block(capacity);
    for (const column of COLUMNS) {
      (other[column] as Float64Array).set((this[column] as Float64Array).subarray(this.start, this.end));
    }
    other.end = this.end - this.start;
    other.bytes = this.bytes;
    other.maxTimestampMs = this.maxTimestampMs;
    return other;
  }
}

const COLUMNS = ['base', 'last', 'time', 'sequence', 'position', 'length'] as const;
const ROW_BYTES = 8 + 8 + 8 + 8 + 4 + 4;

export interface Row {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly maxTimestampMs: bigint;
  /** The message, and where in it the batch lies. */
  readonly sequence: number;
  readonly position: number;
  readonly length: number;
}

export class Rows {
  #blocks: Block[] = [];
  #bytes = 0;
  #count = 0;

  /** Bytes of all batches. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Base offset of the first batch; undefined when there is none. */
  get firstOffset(): bigint | undefined {
    const block = this.#blocks[0];
    return block?.base[block.start];
  }

  /** Adds the next batch. */
  push(row: Row): void {
    let block = this.#blocks.at(-1);
    if (block === undefined || (block.end === block.capacity && block.capacity >= BLOCK_ROWS_MAX)) {
      block = new Block(this.#blocks.length === 0 ? BLOCK_ROWS_MIN : BLOCK_ROWS_MAX);
      this.#blocks.push(block);
    } else if (block.end === block.capacity) {
      const doubled = Math.min(block.capacity * 2, BLOCK_ROWS_MAX);
      block = block.resized(block.end - block.start > block.capacity >> 1 ? doubled : block.capacity);
      this.#blocks[this.#blocks.length - 1] = block;
    }
    const at = block.end++;
    block.base[at] = row.baseOffset;
    block.last[at] = row.lastOffset;
    block.time[at] = row.maxTimestampMs;
    block.sequence[at] = row.sequence;
    block.position[at] = row.position;
    block.length[at] = row.length;
    block.bytes += row.length;
    if (row.maxTimestampMs > block.maxTimestampMs) block.maxTimestampMs = row.maxTimestampMs;
    this.#bytes += row.length;
    this.#count++;
  }

  /** Drops the batches that end below `offset`, telling the message of each. @returns bytes of the batches */
  dropBelow(offset: bigint, dropped: (sequence: number) => void): number {
    const before = this.#bytes;
    let whole = 0;
    for (const block of this.#blocks) {
      while (block.start < block.end && block.last[block.start]! < offset) {
        const at = block.start++;
        block.bytes -= block.length[at]!;
        this.#bytes -= block.length[at]!;
        this.#count--;
        dropped(block.sequence[at]!);
      }
      if (block.start < block.end) break;
      whole++;
    }
    if (whole > 0) this.#blocks.splice(0, whole);
    return before - this.#bytes;
  }

  /** The rows from the batch that holds `offset` (or the next one above it) on, in order. */
  *from(offset: bigint): IterableIterator<Row> {
    let [blockIndex, at] = this.#find(offset);
    for (; blockIndex < this.#blocks.length; blockIndex++) {
      const block = this.#blocks[blockIndex]!;
      for (at = Math.max(at, block.start); at < block.end; at++) yield rowOf(block, at);
      at = 0;
    }
  }

  /** Base offset of the first batch whose largest timestamp is at or after `timestampMs`. */
  firstAtOrAfter(timestampMs: bigint): bigint | undefined {
    for (const block of this.#blocks) {
      if (block.maxTimestampMs < timestampMs) continue;
      for (let at = block.start; at < block.end; at++) if (block.time[at]! >= timestampMs) return block.base[at];
    }
    return undefined;
  }

  /** The first batch that holds the largest timestamp; undefined when no batch has one. */
  ofMaxTimestamp(): { readonly baseOffset: bigint; readonly timestampMs: bigint } | undefined {
    let best: { baseOffset: bigint; timestampMs: bigint } | undefined;
    for (const block of this.#blocks) {
      if (block.maxTimestampMs <= (best?.timestampMs ?? -1n)) continue;
      for (let at = block.start; at < block.end; at++) {
        const timestampMs = block.time[at]!;
        if (timestampMs > (best?.timestampMs ?? -1n)) best = { baseOffset: block.base[at]!, timestampMs };
      }
    }
    return best;
  }

  /** Base offset of the last batch such that it and those after it have at least `bytes`; undefined: all are fewer. */
  boundaryToKeep(bytes: number): bigint | undefined {
    let kept = 0;
    for (let index = this.#blocks.length - 1; index >= 0; index--) {
      const block = this.#blocks[index]!;
      if (kept + block.bytes < bytes) {
        kept += block.bytes;
        continue;
      }
      for (let at = block.end - 1; at >= block.start; at--) {
        kept += block.length[at]!;
        if (kept >= bytes) return block.base[at];
      }
    }
    return undefined;
  }

  /** Bytes that `encode` takes. */
  get encodedBytes(): number {
    return this.#blocks.reduce((sum, block) => sum + 4 + (block.end - block.start) * ROW_BYTES, 4);
  }

  /** The rows as bytes: count of blocks, then by block its count of rows and its columns, little-endian. */
  encode(into: Buffer, start: number): number {
    let at = into.writeUInt32LE(this.#blocks.length, start);
    for (const block of this.#blocks) {
      at = into.writeUInt32LE(block.end - block.start, at);
      for (const column of COLUMNS) {
        const values = block[column].subarray(block.start, block.end);
        into.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
        at += values.byteLength;
      }
    }
    return at;
  }

  /** What `encode` wrote. @returns the rows and where they end. @throws RangeError when they are cut */
  static decode(from: Buffer, start: number): { readonly rows: Rows; readonly end: number } {
    const rows = new Rows();
    const blocks = from.readUInt32LE(start);
    let at = start + 4;
    for (let index = 0; index < blocks; index++) {
      const count = from.readUInt32LE(at);
      at += 4;
      if (at + count * ROW_BYTES > from.length) throw new RangeError(`rows at ${at} are cut`);
      const block = new Block(Math.max(count, BLOCK_ROWS_MIN));
      block.end = count;
      for (const column of COLUMNS) {
        const values = block[column].subarray(0, count);
        new Uint8Array(values.buffer, 0, values.byteLength).set(from.subarray(at, at + values.byteLength));
        at += values.byteLength;
      }
      for (let row = 0; row < count; row++) {
        block.bytes += block.length[row]!;
        if (block.time[row]! > block.maxTimestampMs) block.maxTimestampMs = block.time[row]!;
      }
      if (count === 0) continue;
      rows.#blocks.push(block);
      rows.#bytes += block.bytes;
      rows.#count += count;
    }
    return { rows, end: at };
  }

  /** The first row whose last offset is at or above `offset`, as block and place in it. */
  #find(offset: bigint): [block: number, at: number] {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = this.#blocks[middle]!;
      if (block.last[block.end - 1]! < offset) low = middle + 1;
      else high = middle;
    }
    const block = this.#blocks[low];
    if (block === undefined) return [low, 0];
    let from = block.start;
    let to = block.end;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (block.last[middle]! < offset) from = middle + 1;
      else to = middle;
    }
    return [low, from];
  }
}

function rowOf(block: Block, at: number): Row {
  return {
    baseOffset: block.base[at]!,
    lastOffset: block.last[at]!,
    maxTimestampMs: block.time[at]!,
    sequence: block.sequence[at]!,
    position: block.position[at]!,
    length: block.length[at]!,
  };
}
