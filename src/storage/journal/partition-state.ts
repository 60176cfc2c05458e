// One partition's log as the journal knows it: offsets, the rows of the batches that are still in the journal, the headers
// above its checkpoint and the checkpoint. Only committed items change it.

import type { LogDescription, PartitionKey } from '../../actors/shard/ports.ts';
import { HeaderWindow } from './header-window.ts';
import type { BatchItem } from './message-format.ts';
import { Rows } from './rows.ts';

const HAS_CHECKPOINT = 1;

export class PartitionState {
  readonly key: PartitionKey;
  /** Sequence of the message that began this log; tells it from an earlier log of the same key that was removed. */
  readonly incarnation: number;
  logStartOffset = 0n;
  nextOffset = 0n;
  /** Everything below it that is not below the log start is in the cold store. */
  movedOffset = 0n;
  /** Bytes of batches there, at or above the log start: exact until the log start moves in among them, then an estimate. */
  coldBytes = 0;
  checkpoint: { readonly offset: bigint; readonly bytes: Uint8Array } | undefined;
  rows = new Rows();
  headers = new HeaderWindow();

  constructor(key: PartitionKey, incarnation: number) {
    this.key = key;
    this.incarnation = incarnation;
  }

  append(item: BatchItem, sequence: number, header: Uint8Array, headersKeptMax: number): void {
    this.rows.push({ ...item, sequence });
    this.headers.push(header, headersKeptMax);
    this.nextOffset = item.lastOffset + 1n;
  }

  keepCheckpoint(offset: bigint, bytes: Uint8Array): void {
    this.checkpoint = { offset, bytes };
    this.headers.dropBelow(offset);
  }

  moveLogStart(offset: bigint, dropped: (sequence: number) => void): void {
    if (offset <= this.logStartOffset) return;
    if (offset >= this.movedOffset) this.coldBytes = 0;
    else {
      const left = Number(this.movedOffset - offset) / Number(this.movedOffset - this.logStartOffset);
      this.coldBytes = Math.round(this.coldBytes * left);
    }
    this.logStartOffset = offset;
    if (offset > this.nextOffset) this.nextOffset = offset;
    this.rows.dropBelow(offset, dropped);
    this.headers.dropBelow(offset);
  }

  /** What lies below `offset` is in the cold store; its headers stay until a checkpoint covers them. */
  moved(offset: bigint, dropped: (sequence: number) => void): void {
    if (offset <= this.movedOffset) return;
    this.movedOffset = offset;
    if (offset > this.nextOffset) this.nextOffset = offset;
    this.coldBytes += this.rows.dropBelow(offset, dropped);
  }

  /** @param coldBytes of batches at or above the log start that are in the cold store only */
  describe(coldBytes: number): LogDescription {
    return {
      logStartOffset: this.logStartOffset,
      nextOffset: this.nextOffset,
      bytes: coldBytes + this.rows.bytes,
      ...(this.checkpoint === undefined ? {} : { checkpoint: this.checkpoint }),
    };
  }

  /** Whether the cold store holds batches of it. */
  get hasCold(): boolean {
    return this.movedOffset > this.logStartOffset;
  }

  get encodedBytes(): number {
    const checkpoint = this.checkpoint === undefined ? 0 : 12 + this.checkpoint.bytes.length;
    return 1 + this.key.length + 6 + 32 + 1 + checkpoint + this.headers.encodedBytes + this.rows.encodedBytes;
  }

  /** u8 + key, u48 incarnation, i64 log start, next, moved, f64 cold bytes, u8 flags, [i64 offset, u32 + state], headers, rows. */
  encode(into: Buffer, start: number): number {
    into[start] = this.key.length;
    let at = start + 1 + into.write(this.key, start + 1, 'latin1');
    at = into.writeUIntLE(this.incarnation, at, 6);
    at = into.writeBigInt64LE(this.logStartOffset, at);
    at = into.writeBigInt64LE(this.nextOffset, at);
    at = into.writeBigInt64LE(this.movedOffset, at);
    at = into.writeDoubleLE(this.coldBytes, at);
    at = into.writeUInt8(this.checkpoint === undefined ? 0 : HAS_CHECKPOINT, at);
    if (this.checkpoint !== undefined) {
      at = into.writeBigInt64LE(this.checkpoint.offset, at);
      at = into.writeUInt32LE(this.checkpoint.bytes.length, at);
      into.set(this.checkpoint.bytes, at);
      at += this.checkpoint.bytes.length;
    }
    return this.rows.encode(into, this.headers.encode(into, at));
  }

  /** @throws RangeError when what `encode` wrote is cut */
  static decode(from: Buffer, start: number): { readonly partition: PartitionState; readonly end: number } {
    let at = start + 1 + from[start]!;
    const key = from.toString('latin1', start + 1, at) as PartitionKey;
    const partition = new PartitionState(key, from.readUIntLE(at, 6));
    partition.logStartOffset = from.readBigInt64LE(at + 6);
    partition.nextOffset = from.readBigInt64LE(at + 14);
    partition.movedOffset = from.readBigInt64LE(at + 22);
    partition.coldBytes = from.readDoubleLE(at + 30);
    const flags = from.readUInt8(at + 38);
    at += 39;
    if ((flags & HAS_CHECKPOINT) !== 0) {
      const end = at + 12 + from.readUInt32LE(at + 8);
      if (end > from.length) throw new RangeError(`the checkpoint of ${key} is cut`);
      partition.checkpoint = { offset: from.readBigInt64LE(at), bytes: Buffer.from(from.subarray(at + 12, end)) };
      at = end;
    }
    const headers = HeaderWindow.decode(from, at);
    partition.headers = headers.headers;
    const rows = Rows.decode(from, headers.end);
    partition.rows = rows.rows;
    return { partition, end: rows.end };
  }
}
