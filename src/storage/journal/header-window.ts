// The 61-byte headers of a partition's newest batches, kept so that a partition's state can be replayed from its last
// checkpoint without reading the batches themselves, which NATS only gives whole and which may be in the cold store.

/** Length of a v2 batch header (Kafka's DefaultRecordBatch.RECORD_BATCH_OVERHEAD). */
export const HEADER_BYTES = 61;
const CHUNK_HEADERS_MIN = 4;
const CHUNK_HEADERS_MAX = 256;
const LAST_OFFSET_DELTA_AT = 23;

interface Chunk {
  bytes: Buffer;
  start: number;
  end: number;
}

/** Offset of the last record of the batch whose header lies at `at`. */
function lastOffsetAt(bytes: Buffer, at: number): bigint {
  return bytes.readBigInt64BE(at) + BigInt(bytes.readInt32BE(at + LAST_OFFSET_DELTA_AT));
}

export class HeaderWindow {
  #chunks: Chunk[] = [];
  #count = 0;
  #fromOffset = 0n;

  /** Every batch of the log at or above this offset has its header here. */
  get fromOffset(): bigint {
    return this.#fromOffset;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds the next batch's header; beyond `countMax` the oldest go. */
  push(header: Uint8Array, countMax: number): void {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || (chunk.end === chunk.bytes.length && chunk.end >= CHUNK_HEADERS_MAX * HEADER_BYTES)) {
      const capacity = this.#chunks.length === 0 ? CHUNK_HEADERS_MIN : CHUNK_HEADERS_MAX;
      chunk = { bytes: Buffer.alloc(capacity * HEADER_BYTES), start: 0, end: 0 };
      this.#chunks.push(chunk);
    } else if (chunk.end === chunk.bytes.length) {
      const larger = Buffer.alloc(Math.min(chunk.bytes.length * 4, CHUNK_HEADERS_MAX * HEADER_BYTES));
      larger.set(chunk.bytes.subarray(0, chunk.end));
      chunk.bytes = larger;
    }
    chunk.bytes.set(header.subarray(0, HEADER_BYTES), chunk.end);
    chunk.end += HEADER_BYTES;
    this.#count++;
    if (this.#count > countMax && this.#chunks.length > 1) {
      const dropped = this.#chunks.shift()!;
      this.#count -= (dropped.end - dropped.start) / HEADER_BYTES;
      this.#fromOffset = lastOffsetAt(dropped.bytes, dropped.end - HEADER_BYTES) + 1n;
    }
  }

  /** Headers of batches that end below `offset` are not needed any more. */
  dropBelow(offset: bigint): void {
    if (offset <= this.#fromOffset) return;
    this.#fromOffset = offset;
    let whole = 0;
    for (const chunk of this.#chunks) {
      while (chunk.start < chunk.end && lastOffsetAt(chunk.bytes, chunk.start) < offset) {
        chunk.start += HEADER_BYTES;
        this.#count--;
      }
      if (chunk.start < chunk.end) break;
      whole++;
    }
    if (whole > 0) this.#chunks.splice(0, whole);
  }

  /** The headers from the batch that holds `offset` (or the next one above it) on, as of the call. */
  from(offset: bigint): Uint8Array[] {
    const found: Uint8Array[] = [];
    for (const { bytes, start, end } of this.#chunks) {
      if (lastOffsetAt(bytes, end - HEADER_BYTES) < offset) continue;
      for (let at = start; at < end; at += HEADER_BYTES) {
        if (found.length === 0 && lastOffsetAt(bytes, at) < offset) continue;
        found.push(bytes.subarray(at, at + HEADER_BYTES));
      }
    }
    return found;
  }

  get encodedBytes(): number {
    return 12 + this.#count * HEADER_BYTES;
  }

  /** i64 from offset, u32 count, headers. */
  encode(into: Buffer, start: number): number {
    let at = into.writeBigInt64LE(this.#fromOffset, start);
    at = into.writeUInt32LE(this.#count, at);
    for (const chunk of this.#chunks) {
      into.set(chunk.bytes.subarray(chunk.start, chunk.end), at);
      at += chunk.end - chunk.start;
    }
    return at;
  }

  /** @throws RangeError when what `encode` wrote is cut */
  static decode(from: Buffer, start: number): { readonly headers: HeaderWindow; readonly end: number } {
    const headers = new HeaderWindow();
    headers.#fromOffset = from.readBigInt64LE(start);
    headers.#count = from.readUInt32LE(start + 8);
    let at = start + 12;
    const end = at + headers.#count * HEADER_BYTES;
    if (end > from.length) throw new RangeError(`headers at ${start} are cut`);
    while (at < end) {
      const length = Math.min(end - at, CHUNK_HEADERS_MAX * HEADER_BYTES);
      headers.#chunks.push({ bytes: Buffer.from(from.subarray(at, at + length)), start: 0, end: length });
      at += length;
    }
    return { headers, end: at };
  }
}
