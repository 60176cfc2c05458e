// Writes Kafka's wire types. A message is written once, front to back, into a slab that many messages share; long byte
// fields are not copied but take their place between two pieces of the slab, so the result is a list of chunks.
// What was handed out is never written again.

import { EncodeError } from '../protocol-error.ts';
import { stringBytesMax } from './reader.ts';

/** Byte fields from this size on become a chunk of their own; below it a copy is cheaper than one more chunk. */
export const spliceBytesMin = 512;

const slabBytes = 64 * 1024;
// One byte of length is enough for a compact string whose UTF-8 form stays below 127 bytes.
const shortStringCharsMax = 42;
// Character by character beats the call into the UTF-8 encoder up to about here.
const inlineStringCharsMax = 20;

const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA';

export class WireWriter {
  private slab: Buffer = Buffer.allocUnsafeSlow(slabBytes);
  private view = new DataView(this.slab.buffer);
  private limit = slabBytes;
  /** First byte of the piece being written. */
  private start = 0;
  private position = 0;
  private chunks: Uint8Array[] = [];
  private chunkBytes = 0;
  private openTags = 0;

  /** Bytes written since the message was begun. */
  get length(): number {
    return this.chunkBytes + this.position - this.start;
  }

  /** Drops whatever an aborted message left. */
  begin(): void {
    this.start = this.position;
    this.openTags = 0;
    if (this.chunkBytes > 0) {
      this.chunks = [];
      this.chunkBytes = 0;
    }
  }

  /** The message's chunks, to be sent in order. Ends the message. */
  finish(): Uint8Array[] {
    this.cut();
    const chunks = this.chunks;
    this.chunks = [];
    this.chunkBytes = 0;
    // One that grew for a large message goes with it: small ones after it would keep all of it alive.
    if (this.limit > slabBytes) this.use(Buffer.allocUnsafeSlow(slabBytes), 0);
    return chunks;
  }

  /** Overwrites four bytes at the very beginning of the message (a frame's size). */
  patchStart(value: number): void {
    const first = this.chunks[0];
    if (first === undefined) {
      this.slab.writeInt32BE(value, this.start);
    } else {
      (first as Buffer).writeInt32BE(value, 0);
    }
  }

  private cut(): void {
    if (this.position === this.start) return;
    const piece = this.slab.subarray(this.start, this.position);
    this.chunks.push(piece);
    this.chunkBytes += piece.length;
    this.start = this.position;
  }

  private grow(byteCount: number): void {
    const written = this.position - this.start;
    const next = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * (written + byteCount)));
    this.slab.copy(next, 0, this.start, this.position);
    this.use(next, written);
  }

  /** Goes on in `slab`, of which `written` bytes are the message's already. */
  private use(slab: Buffer, written: number): void {
    this.slab = slab;
    this.view = new DataView(slab.buffer);
    this.limit = slab.length;
    this.start = 0;
    this.position = written;
  }

  private room(byteCount: number): number {
    if (byteCount > this.limit - this.position) this.grow(byteCount);
    const at = this.position;
    this.position = at + byteCount;
    return at;
  }

  bool(value: boolean): void {
    this.slab[this.room(1)] = value ? 1 : 0;
  }

  int8(value: number): void {
    if ((value << 24) >> 24 !== value) throw outOfRange('int8', value);
    this.slab[this.room(1)] = value;
  }

  int16(value: number): void {
    if ((value << 16) >> 16 !== value) throw outOfRange('int16', value);
    const at = this.room(2);
    this.slab[at] = value >> 8;
    this.slab[at + 1] = value;
  }

  uint16(value: number): void {
    if ((value & 0xffff) !== value) throw outOfRange('uint16', value);
    const at = this.room(2);
    this.slab[at] = value >> 8;
    this.slab[at + 1] = value;
  }

  int32(value: number): void {
    if ((value | 0) !== value) throw outOfRange('int32', value);
    const at = this.room(4);
    const bytes = this.slab;
    bytes[at] = value >> 24;
    bytes[at + 1] = value >> 16;
    bytes[at + 2] = value >> 8;
    bytes[at + 3] = value;
  }

  uint32(value: number): void {
    if (value >>> 0 !== value) throw outOfRange('uint32', value);
    this.int32(value | 0);
  }

  int64(value: bigint): void {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) throw outOfRange('int64', value);
    const at = this.room(8);
    this.view.setBigInt64(at, value);
  }

  float64(value: number): void {
    const at = this.room(8);
    this.view.setFloat64(at, value);
  }

  uuid(value: string): void {
    const at = this.room(16);
    if (value === zeroUuid) {
      this.slab.fill(0, at, at + 16);
      return;
    }
    if (value.length !== 22 || this.slab.write(value, at, 16, 'base64url') !== 16) throw outOfRange('uuid', value);
  }

  unsignedVarint(value: number): void {
    let at = this.room(1);
    if (value < 0x80) {
      this.slab[at] = value;
      return;
    }
    this.room(4);
    at = this.position - 5;
    let rest = value;
    while (rest >= 0x80) {
      this.slab[at++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.slab[at++] = rest;
    this.position = at;
  }

  /** Writes short ASCII at `at`. @returns false, with nothing to be relied on written, for anything else. */
  private ascii(value: string, at: number): boolean {
    const bytes = this.slab;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[at + i] = code;
    }
    return true;
  }

  /** Writes `value` at `at`, where three bytes a character are free. @returns its length in bytes. */
  private textAt(value: string, at: number): number {
    const length = value.length;
    return length <= inlineStringCharsMax && this.ascii(value, at) ? length : this.slab.write(value, at, 'utf8');
  }

  string(value: string): void {
    const at = this.room(2 + 3 * value.length);
    const byteCount = this.textAt(value, at + 2);
    if (byteCount > stringBytesMax) throw tooLong(byteCount);
    this.slab[at] = byteCount >> 8;
    this.slab[at + 1] = byteCount;
    this.position = at + 2 + byteCount;
  }

  stringOrNull(value: string | null): void {
    if (value === null) this.int16(-1);
    else this.string(value);
  }

  compactString(value: string): void {
    if (value.length <= shortStringCharsMax) {
      const at = this.room(1 + 3 * value.length);
      const byteCount = this.textAt(value, at + 1);
      this.slab[at] = byteCount + 1;
      this.position = at + 1 + byteCount;
      return;
    }
    const byteCount = Buffer.byteLength(value, 'utf8');
    if (byteCount > stringBytesMax) throw tooLong(byteCount);
    this.unsignedVarint(byteCount + 1);
    const at = this.room(byteCount);
    this.slab.write(value, at, byteCount, 'utf8');
  }

  compactStringOrNull(value: string | null): void {
    if (value === null) this.unsignedVarint(0);
    else this.compactString(value);
  }

  /** Bytes without a length before them: copied if short, a chunk of their own if not. */
  raw(bytes: Uint8Array): void {
    const byteCount = bytes.length;
    if (byteCount < spliceBytesMin || this.openTags > 0) {
      const at = this.room(byteCount);
      this.slab.set(bytes, at);
      return;
    }
    this.cut();
    this.chunks.push(bytes);
    this.chunkBytes += byteCount;
  }

  bytes(value: Uint8Array): void {
    this.int32(value.length);
    this.raw(value);
  }

  bytesOrNull(value: Uint8Array | null): void {
    if (value === null) this.int32(-1);
    else this.bytes(value);
  }

  compactBytes(value: Uint8Array): void {
    this.unsignedVarint(value.length + 1);
    this.raw(value);
  }

  compactBytesOrNull(value: Uint8Array | null): void {
    if (value === null) this.unsignedVarint(0);
    else this.compactBytes(value);
  }

  /** Records may come in pieces: they are one field on the wire. */
  records(value: Uint8Array | readonly Uint8Array[]): void {
    if (value instanceof Uint8Array) {
      this.bytes(value);
      return;
    }
    this.int32(bytesOf(value));
    for (const piece of value) this.raw(piece);
  }

  recordsOrNull(value: Uint8Array | readonly Uint8Array[] | null): void {
    if (value === null) this.int32(-1);
    else this.records(value);
  }

  compactRecords(value: Uint8Array | readonly Uint8Array[]): void {
    if (value instanceof Uint8Array) {
      this.compactBytes(value);
      return;
    }
    this.unsignedVarint(bytesOf(value) + 1);
    for (const piece of value) this.raw(piece);
  }

  compactRecordsOrNull(value: Uint8Array | readonly Uint8Array[] | null): void {
    if (value === null) this.unsignedVarint(0);
    else this.compactRecords(value);
  }

  /**
   * Opens a tagged field (KIP-482), whose size goes before a content that is not known yet: one byte is kept for it.
   * Nothing is spliced until it is closed, so the content stays in one piece and can be moved.
   * @returns what `endTag` wants.
   */
  beginTag(tag: number): number {
    this.unsignedVarint(tag);
    this.room(1);
    this.openTags++;
    return this.position - this.start;
  }

  endTag(begun: number): void {
    this.openTags--;
    const byteCount = this.position - this.start - begun;
    const sizeBytes = byteCount < 0x80 ? 1 : Math.ceil((32 - Math.clz32(byteCount)) / 7);
    if (sizeBytes > 1) {
      this.room(sizeBytes - 1);
      const contentAt = this.start + begun;
      this.slab.copyWithin(contentAt + sizeBytes - 1, contentAt, contentAt + byteCount);
    }
    let at = this.start + begun - 1;
    let rest = byteCount;
    for (; rest >= 0x80; rest >>>= 7) this.slab[at++] = (rest & 0x7f) | 0x80;
    this.slab[at] = rest;
  }

  count(value: number): void {
    this.int32(value);
  }

  compactCount(value: number): void {
    this.unsignedVarint(value + 1);
  }
}

function bytesOf(pieces: readonly Uint8Array[]): number {
  let total = 0;
  for (const piece of pieces) total += piece.length;
  return total;
}

function outOfRange(type: string, value: unknown): EncodeError {
  return new EncodeError('', `${String(value)} is no ${type}`);
}

function tooLong(byteCount: number): EncodeError {
  return new EncodeError('', `string of ${byteCount} bytes, ${stringBytesMax} at most`);
}
