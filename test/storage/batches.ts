// Record batches for the storage tests: a true v2 header (the fields a store looks at) and a body told by its seed.

import { crc32c } from '@node-rs/crc32';
import type { BatchEntry, PartitionKey } from '../../src/actors/shard/ports.ts';

export interface BatchShape {
  readonly records?: number;
  readonly timestampMs?: bigint;
  /** Size of the whole batch; at least 61. */
  readonly bytes?: number;
  readonly seed?: number;
}

/** A batch whose body is a function of `seed`, so that any torn or mixed-up byte shows. */
export function batch(partition: PartitionKey, baseOffset: bigint, shape: BatchShape = {}): BatchEntry {
  const records = shape.records ?? 1;
  const timestampMs = shape.timestampMs ?? 1000n + baseOffset;
  const bytes = Buffer.alloc(shape.bytes ?? 100);
  let state = (shape.seed ?? Number(baseOffset & 0xffffn)) * 2654435761 + 1;
  for (let index = 61; index < bytes.length; index++) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    bytes[index] = state >>> 16;
  }
  bytes.writeBigInt64BE(baseOffset, 0);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt8(2, 16);
  bytes.writeInt32BE(records - 1, 23);
  bytes.writeBigInt64BE(timestampMs, 27);
  bytes.writeBigInt64BE(timestampMs, 35);
  bytes.writeInt32BE(records, 57);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  const lastOffset = baseOffset + BigInt(records - 1);
  return { kind: 'batch', partition, baseOffset, lastOffset, maxTimestampMs: timestampMs, bytes };
}

/** The batches that lie in a row in `buffers`, as their base offsets. */
export function baseOffsets(buffers: readonly Uint8Array[]): bigint[] {
  return splitBatches(buffers).map((bytes) => bytes.readBigInt64BE(0));
}

/** The batches that lie in a row in `buffers`. @throws Error when the last one is cut. */
export function splitBatches(buffers: readonly Uint8Array[]): Buffer[] {
  const found: Buffer[] = [];
  for (const buffer of buffers) {
    const all = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length);
    for (let at = 0; at < all.length; ) {
      const length = 12 + all.readInt32BE(at + 8);
      if (at + length > all.length) throw new Error(`batch at ${at} is cut: ${length} of ${all.length - at} bytes`);
      found.push(all.subarray(at, at + length));
      at += length;
    }
  }
  return found;
}
