// Zigzag varints as records use them: 32 bits in at most 5 bytes, 64 bits in at most 10 (Kafka's ByteUtils).
// A reader object keeps the position, so that decoding a field allocates nothing.
import { ErrorCode } from '../errors.ts';
import { RecordsFault } from './records-fault.ts';

const INT32_MAX = 0x7fff_ffffn;
const INT32_MIN = -0x8000_0000n;

/** Bytes that the 32-bit `value` takes as a zigzag varint. */
export function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < 0x1000_0000 ? 4 : 5;
}

/** Writes the 32-bit `value` at `at`. @returns the position behind it. */
export function writeVarint(buffer: Buffer, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let position = at;
  while (zigzag >= 0x80) {
    buffer[position++] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
  }
  buffer[position++] = zigzag;
  return position;
}

/** Bytes that the 64-bit `value` takes as a zigzag varint. */
export function varlongBytes(value: bigint): number {
  if (value >= INT32_MIN && value <= INT32_MAX) return varintBytes(Number(value));
  let zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  let bytes = 1;
  while (zigzag >= 0x80n) {
    zigzag >>= 7n;
    bytes++;
  }
  return bytes;
}

/** Writes the 64-bit `value` at `at`. @returns the position behind it. */
export function writeVarlong(buffer: Buffer, at: number, value: bigint): number {
  if (value >= INT32_MIN && value <= INT32_MAX) return writeVarint(buffer, at, Number(value));
  let zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  let position = at;
  while (zigzag >= 0x80n) {
    buffer[position++] = Number(zigzag & 0x7fn) | 0x80;
    zigzag >>= 7n;
  }
  buffer[position++] = Number(zigzag);
  return position;
}

/** Reads varints and byte runs from `buffer`, never past `end`. @throws RecordsFault INVALID_RECORD at the end. */
export class VarintReader {
  readonly buffer: Buffer;
  position: number;
  end: number;

  constructor(buffer: Buffer, position: number, end: number) {
    this.buffer = buffer;
    this.position = position;
    this.end = end;
  }

  byte(): number {
    if (this.position >= this.end) {
      throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Incorrect declared batch size, premature EOF reached');
    }
    return this.buffer[this.position++] as number;
  }

  /** A 32-bit zigzag varint. */
  varint(): number {
    let byte = this.byte();
    let zigzag = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 28) throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Varint is longer than 5 bytes');
      byte = this.byte();
      zigzag |= (byte & 0x7f) << shift;
    }
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  /** A 64-bit zigzag varint. */
  varlong(): bigint {
    const start = this.position;
    let byte = this.byte();
    let low = byte & 0x7f;
    let shift = 7;
    for (; byte >= 0x80 && shift < 28; shift += 7) {
      byte = this.byte();
      low |= (byte & 0x7f) << shift;
    }
    if (byte < 0x80) return BigInt((low >>> 1) ^ -(low & 1));
    let zigzag = BigInt(low >>> 0);
    for (; byte >= 0x80; shift += 7) {
      if (this.position - start >= 10)
        throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Varlong is longer than 10 bytes');
      byte = this.byte();
      zigzag |= BigInt(byte & 0x7f) << BigInt(shift);
    }
    zigzag = BigInt.asUintN(64, zigzag);
    return (zigzag >> 1n) ^ -(zigzag & 1n);
  }

  /** `count` bytes as a view; null when `count` is negative. */
  bytes(count: number): Buffer | null {
    if (count < 0) return null;
    const start = this.position;
    if (count > this.end - start) {
      throw new RecordsFault(
        ErrorCode.INVALID_RECORD,
        `Invalid record size: a field of ${count} bytes where ${this.end - start} remain`,
      );
    }
    this.position = start + count;
    return this.buffer.subarray(start, start + count);
  }
}
