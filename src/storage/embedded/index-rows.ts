// Keys and values of the LMDB tables. All integers are big-endian, so that keys sort by partition and offset.

import type { PartitionKey } from '../../actors/shard/ports.ts';
import { PartitionLog, Run, SegmentFile, type Span } from './partition-log.ts';

const RUN_BYTES = 40;
/** Above every offset: the end of a partition's key range. */
export const OFFSET_MAX = (1n << 63n) - 1n;

export interface StoredMetadata {
  readonly revision: number;
  readonly value: Buffer;
}

export function idKey(id: number): Buffer {
  const key = Buffer.allocUnsafe(4);
  key.writeUInt32BE(id, 0);
  return key;
}

export function rowKey(id: number, offset: bigint): Buffer {
  const key = Buffer.allocUnsafe(12);
  key.writeUInt32BE(id, 0);
  key.writeBigInt64BE(offset, 4);
  return key;
}

export function encodeRun(run: Run): Buffer {
  const value = Buffer.allocUnsafe(RUN_BYTES);
  value.writeBigInt64BE(run.lastOffset, 0);
  value.writeBigInt64BE(run.maxTimestampMs, 8);
  value.writeUInt32BE(run.bytes, 16);
  value.writeUInt32BE(run.batches, 20);
  value.writeUIntBE(run.bytesBefore, 24, 6);
  value.writeUInt32BE(run.file, 30);
  value.writeUIntBE(run.position, 34, 6);
  return value;
}

export function decodeRun(key: Buffer, value: Buffer): Run {
  const run = new Run(
    key.readBigInt64BE(4),
    value.readBigInt64BE(0),
    value.readBigInt64BE(8),
    value.readUInt32BE(16),
    value.readUInt32BE(20),
  );
  run.bytesBefore = value.readUIntBE(24, 6);
  run.file = value.readUInt32BE(30);
  run.position = value.readUIntBE(34, 6);
  return run;
}

export function decodeSpan(key: Buffer, value: Buffer): Span {
  return {
    baseOffset: key.readBigInt64BE(4),
    bytesBefore: value.readUIntBE(0, 6),
    maxTimestampMs: value.readBigInt64BE(6),
    runs: value.readUInt32BE(14),
  };
}

export function encodePartition(log: PartitionLog): Buffer {
  const key = Buffer.from(log.key);
  const value = Buffer.allocUnsafe(42 + key.length);
  value.writeUInt32BE(log.shard, 0);
  value.writeBigInt64BE(log.logStartOffset, 4);
  value.writeBigInt64BE(log.nextOffset, 12);
  value.writeUIntBE(log.bytesTotal, 20, 6);
  value.writeUIntBE(log.bytesGone, 26, 6);
  value[32] = log.removed ? 1 : 0;
  value[33] = log.checkpoint === undefined ? 0 : 1;
  value.writeBigInt64BE(log.checkpoint?.offset ?? 0n, 34);
  value.set(key, 42);
  return value;
}

export function decodePartition(id: number, value: Buffer): PartitionLog {
  const log = new PartitionLog(id, value.toString('utf8', 42) as PartitionKey, value.readUInt32BE(0));
  log.logStartOffset = value.readBigInt64BE(4);
  log.nextOffset = value.readBigInt64BE(12);
  log.bytesTotal = value.readUIntBE(20, 6);
  log.bytesGone = value.readUIntBE(26, 6);
  log.removed = value[32] === 1;
  if (value[33] === 1) log.checkpoint = { offset: value.readBigInt64BE(34), bytes: undefined };
  return log;
}

export function decodeMetadata(value: Buffer): StoredMetadata {
  return { revision: value.readUIntBE(0, 6), value: Buffer.from(value.subarray(6)) };
}

export function encodeSpan(span: Span): Buffer {
  const value = Buffer.allocUnsafe(18);
  value.writeUIntBE(span.bytesBefore, 0, 6);
  value.writeBigInt64BE(span.maxTimestampMs, 6);
  value.writeUInt32BE(span.runs, 14);
  return value;
}

export function encodeFile(id: number, segment: SegmentFile): Buffer {
  const value = Buffer.allocUnsafe(18);
  value.writeUInt32BE(id, 0);
  value.writeUIntBE(segment.end, 4, 6);
  value.writeBigInt64BE(segment.lastOffset, 10);
  return value;
}

export function decodeFile(key: Buffer, value: Buffer): { readonly id: number; readonly segment: SegmentFile } {
  const segment = new SegmentFile(key.readUInt32BE(0));
  segment.end = value.readUIntBE(4, 6);
  segment.lastOffset = value.readBigInt64BE(10);
  return { id: value.readUInt32BE(0), segment };
}

export function encodeMetadata(revision: number, bytes: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(6 + bytes.length);
  value.writeUIntBE(revision, 0, 6);
  value.set(bytes, 6);
  return value;
}
