// Reads Kafka's wire types out of one frame. It trusts no length and no count: each is held against the bytes that are
// left before anything is read or allocated. Byte fields are views of the frame, never copies.
//
// Faults carry no field name here (that would cost every read); compiled decoders add it on the way out.

import { ProtocolError } from '../protocol-error.ts';

/** Longest string either encoding can carry, in bytes (an int16 length; Kafka holds compact strings to it as well). */
export const stringBytesMax = 0x7fff;

const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA';
const emptyBuffer = Buffer.alloc(0);

/**
 * Most array elements in one message, over all its arrays. The bytes behind a count bound it too, but an element of two
 * bytes becomes an object of fifty or more: without this a frame of 100 MB could ask for gigabytes.
 */
export const elementsMax = 1_000_000;

// A BigInt64 read from a DataView costs a third of Buffer's own; making a view for each frame would eat that up, so
// eight bytes are moved to a view that is there already.
const scratch = new Uint8Array(8);
const scratchView = new DataView(scratch.buffer);

export class WireReader {
  private buffer: Buffer = emptyBuffer;
  private end = 0;
  private elements = 0;
  /** Next byte to read. */
  position = 0;

  /** Starts on `buffer` at `offset`; the frame ends where the buffer does. */
  open(buffer: Buffer, offset: number): void {
    this.buffer = buffer;
    this.end = buffer.length;
    this.elements = 0;
    this.position = offset;
  }

  /** Forgets the frame, so that an idle reader keeps none alive. */
  close(): void {
    this.buffer = emptyBuffer;
    this.end = 0;
    this.position = 0;
  }

  private take(byteCount: number): number {
    const start = this.position;
    if (byteCount > this.end - start) throw this.tooShort(byteCount);
    this.position = start + byteCount;
    return start;
  }

  private tooShort(byteCount: number): ProtocolError {
    return new ProtocolError('', `needs ${byteCount} bytes, ${this.end - this.position} are left`);
  }

  bool(): boolean {
    return this.buffer[this.take(1)] !== 0;
  }

  int8(): number {
    return (this.buffer[this.take(1)]! << 24) >> 24;
  }

  int16(): number {
    const at = this.take(2);
    const bytes = this.buffer;
    return (((bytes[at]! << 8) | bytes[at + 1]!) << 16) >> 16;
  }

  uint16(): number {
    const at = this.take(2);
    const bytes = this.buffer;
    return (bytes[at]! << 8) | bytes[at + 1]!;
  }

  int32(): number {
    const at = this.take(4);
    const bytes = this.buffer;
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }

  uint32(): number {
    return this.int32() >>> 0;
  }

  int64(): bigint {
    const at = this.take(8);
    const bytes = this.buffer;
    scratch[0] = bytes[at]!;
    scratch[1] = bytes[at + 1]!;
    scratch[2] = bytes[at + 2]!;
    scratch[3] = bytes[at + 3]!;
    scratch[4] = bytes[at + 4]!;
    scratch[5] = bytes[at + 5]!;
    scratch[6] = bytes[at + 6]!;
    scratch[7] = bytes[at + 7]!;
    return scratchView.getBigInt64(0);
  }

  float64(): number {
    return this.buffer.readDoubleBE(this.take(8));
  }

  /** A uuid as Kafka prints it: 22 characters of base64url. */
  uuid(): string {
    const at = this.take(16);
    const bytes = this.buffer;
    let any = 0;
    for (let i = 0; i < 16; i++) any |= bytes[at + i]!;
    return any === 0 ? zeroUuid : bytes.toString('base64url', at, at + 16);
  }

  /** An unsigned LEB128 varint of at most 32 bits. */
  unsignedVarint(): number {
    const bytes = this.buffer;
    let at = this.position;
    if (at < this.end) {
      const first = bytes[at]!;
      if (first < 0x80) {
        this.position = at + 1;
        return first;
      }
    }
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= this.end) throw this.tooShort(at - this.position + 1);
      const byte = bytes[at++]!;
      if (shift === 28 && byte > 0x0f) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        this.position = at;
        return value;
      }
    }
    throw new ProtocolError('', 'varint is longer than 32 bits');
  }

  private text(byteCount: number): string {
    if (byteCount === 0) return '';
    const at = this.take(byteCount);
    return this.buffer.toString('utf8', at, at + byteCount);
  }

  private view(byteCount: number): Buffer {
    if (byteCount === 0) return emptyBuffer;
    const at = this.take(byteCount);
    return this.buffer.subarray(at, at + byteCount);
  }

  // Any negative length is null, as in Kafka's generated readers.

  stringOrNull(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.text(length);
  }

  string(): string {
    const length = this.int16();
    if (length < 0) throw isNull();
    return this.text(length);
  }

  compactStringOrNull(): string | null {
    const length = this.unsignedVarint() - 1;
    if (length > stringBytesMax) throw new ProtocolError('', `string of ${length} bytes, ${stringBytesMax} at most`);
    return length < 0 ? null : this.text(length);
  }

  compactString(): string {
    const value = this.compactStringOrNull();
    if (value === null) throw isNull();
    return value;
  }

  bytesOrNull(): Buffer | null {
    const length = this.int32();
    return length < 0 ? null : this.view(length);
  }

  bytes(): Buffer {
    const length = this.int32();
    if (length < 0) throw isNull();
    return this.view(length);
  }

  compactBytesOrNull(): Buffer | null {
    const length = this.unsignedVarint() - 1;
    return length < 0 ? null : this.view(length);
  }

  compactBytes(): Buffer {
    const length = this.unsignedVarint() - 1;
    if (length < 0) throw isNull();
    return this.view(length);
  }

  /** Number of elements, -1 for a null array. `elementBytesMin`: no element of this type is shorter on the wire. */
  count(elementBytesMin: number): number {
    const count = this.int32();
    return count < 0 ? -1 : this.checkCount(count, elementBytesMin);
  }

  compactCount(elementBytesMin: number): number {
    const count = this.unsignedVarint() - 1;
    return count < 0 ? -1 : this.checkCount(count, elementBytesMin);
  }

  private checkCount(count: number, elementBytesMin: number): number {
    if (count * elementBytesMin > this.end - this.position) {
      throw new ProtocolError('', `array of ${count} elements, but only ${this.end - this.position} bytes are left`);
    }
    this.elements += count;
    if (this.elements > elementsMax)
      throw new ProtocolError('', `more than ${elementsMax} array elements in a message`);
    return count;
  }

  /** Where a tagged field of `byteCount` bytes ends. */
  tagEnd(byteCount: number): number {
    if (byteCount > this.end - this.position) throw this.tooShort(byteCount);
    return this.position + byteCount;
  }

  skip(byteCount: number): void {
    this.take(byteCount);
  }

  /** Skips a whole section of tagged fields, none of them known (KIP-482). */
  skipTags(): void {
    for (let left = this.unsignedVarint(); left > 0; left--) {
      this.unsignedVarint();
      this.skip(this.unsignedVarint());
    }
  }
}

/** The fault of a null where the version has none. */
export function isNull(): ProtocolError {
  return new ProtocolError('', 'is null, which this version does not allow');
}
