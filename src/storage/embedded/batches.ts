// The few fields of a v2 batch header that a store looks at, and the walk over batches that lie in a row.
// https://kafka.apache.org/documentation/#recordbatch

import { crc32c } from '@node-rs/crc32';

export const BATCH_HEAD_BYTES = 61;
const LENGTH_AT = 8;
const LENGTH_OVERHEAD_BYTES = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
const CHECKED_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const MAX_TIMESTAMP_AT = 35;

/** A batch in a buffer. */
export interface BatchPlace {
  readonly at: number;
  readonly bytes: number;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
}

/** The batch that begins at `at`, or undefined when none does or it does not end within the buffer. */
export function batchAt(buffer: Buffer, at: number): BatchPlace | undefined {
  if (at + BATCH_HEAD_BYTES > buffer.length || buffer[at + MAGIC_AT] !== 2) return undefined;
  const bytes = LENGTH_OVERHEAD_BYTES + buffer.readInt32BE(at + LENGTH_AT);
  if (bytes < BATCH_HEAD_BYTES || at + bytes > buffer.length) return undefined;
  const baseOffset = buffer.readBigInt64BE(at);
  const lastOffset = baseOffset + BigInt(buffer.readInt32BE(at + LAST_OFFSET_DELTA_AT));
  return { at, bytes, baseOffset, lastOffset };
}

/** Largest timestamp of the batch at `at`, as its header says; -1n when it has none. */
export function maxTimestampAt(buffer: Buffer, at: number): bigint {
  return buffer.readBigInt64BE(at + MAX_TIMESTAMP_AT);
}

/** Whether the batch's CRC-32C is right. */
export function intactBatch(buffer: Buffer, place: BatchPlace): boolean {
  const checked = buffer.subarray(place.at + CHECKED_AT, place.at + place.bytes);
  return crc32c(checked) === buffer.readUInt32BE(place.at + CRC_AT);
}
