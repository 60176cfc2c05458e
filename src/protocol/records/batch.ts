// The header of a record batch, format v2 (KIP-98): where each field lies, and the few that a broker changes.
//
//   0 baseOffset i64 │ 8 length i32 │ 12 leaderEpoch i32 │ 16 magic i8 │ 17 crc u32 │ 21 attributes i16 │
//   23 lastOffsetDelta i32 │ 27 baseTimestamp i64 │ 35 maxTimestamp i64 │ 43 producerId i64 │ 51 producerEpoch i16 │
//   53 baseSequence i32 │ 57 recordCount i32 │ 61 records
//
// The CRC32C covers everything from the attributes on, so base offset and leader epoch are patched without touching it.
// Records are never decoded here.
import { crc32c } from '@node-rs/crc32';
import { ErrorCode } from '../errors.ts';
import { type CompressionType, compressionTypeOf } from './compression.ts';
import { RecordsFault } from './records-fault.ts';

/** Bytes from the base offset up to the first record. */
export const BATCH_HEADER_BYTES = 61;
/** Base offset and length, which the length field does not count (Kafka's LOG_OVERHEAD). */
export const BATCH_PREFIX_BYTES = 12;
/** No producer: neither idempotent nor transactional. */
export const NO_PRODUCER_ID = -1n;
/** A record without a timestamp. */
export const NO_TIMESTAMP_MS = -1n;

export const batchField = {
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

/** Bits of the attributes field; the lowest three are the codec. */
export const batchAttribute = {
  codecMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const;

export type TimestampType = 'CreateTime' | 'LogAppendTime';

export interface BatchHeader {
  readonly baseOffset: bigint;
  /** The whole batch, the 12-byte prefix included. */
  readonly batchBytes: number;
  readonly leaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly compression: CompressionType;
  readonly timestampType: TimestampType;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  /** Set by compaction; the base timestamp is then the delete horizon (KIP-534). */
  readonly hasDeleteHorizon: boolean;
  readonly lastOffsetDelta: number;
  readonly baseTimestampMs: bigint;
  readonly maxTimestampMs: bigint;
  /** -1n without one. */
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** -1 without one. */
  readonly baseSequence: number;
  readonly recordCount: number;
}

/**
 * Reads the header of the v2 batch that starts at `at`; the records behind it need not be there.
 * @throws RecordsFault CORRUPT_MESSAGE when the header is cut, is not of magic 2 or states a size below a header's;
 *   UNSUPPORTED_COMPRESSION_TYPE for a codec id that has no codec.
 */
export function readBatchHeader(buffer: Buffer, at = 0): BatchHeader {
  if (buffer.length - at < BATCH_HEADER_BYTES) {
    throw new RecordsFault(ErrorCode.CORRUPT_MESSAGE, `Record batch is cut: ${buffer.length - at} bytes of a header`);
  }
  const magic = buffer.readInt8(at + batchField.magic);
  if (magic !== 2) throw new RecordsFault(ErrorCode.CORRUPT_MESSAGE, `Record batch has magic ${magic}, not 2`);
  const batchBytes = BATCH_PREFIX_BYTES + buffer.readInt32BE(at + batchField.length);
  if (batchBytes < BATCH_HEADER_BYTES) {
    throw new RecordsFault(
      ErrorCode.CORRUPT_MESSAGE,
      `Record batch is corrupt: its size ${batchBytes} is below the ${BATCH_HEADER_BYTES} bytes of a header`,
    );
  }
  const attributes = buffer.readInt16BE(at + batchField.attributes);
  return {
    baseOffset: buffer.readBigInt64BE(at),
    batchBytes,
    leaderEpoch: buffer.readInt32BE(at + batchField.leaderEpoch),
    magic,
    crc: buffer.readUInt32BE(at + batchField.crc),
    attributes,
    compression: compressionTypeOf(attributes & batchAttribute.codecMask),
    timestampType: (attributes & batchAttribute.logAppendTime) === 0 ? 'CreateTime' : 'LogAppendTime',
    isTransactional: (attributes & batchAttribute.transactional) !== 0,
    isControl: (attributes & batchAttribute.control) !== 0,
    hasDeleteHorizon: (attributes & batchAttribute.deleteHorizon) !== 0,
    lastOffsetDelta: buffer.readInt32BE(at + batchField.lastOffsetDelta),
    baseTimestampMs: buffer.readBigInt64BE(at + batchField.baseTimestamp),
    maxTimestampMs: buffer.readBigInt64BE(at + batchField.maxTimestamp),
    producerId: buffer.readBigInt64BE(at + batchField.producerId),
    producerEpoch: buffer.readInt16BE(at + batchField.producerEpoch),
    baseSequence: buffer.readInt32BE(at + batchField.baseSequence),
    recordCount: buffer.readInt32BE(at + batchField.recordCount),
  };
}

/** The offset of the batch's last record; compaction may have removed that record, the offset stays taken. */
export function lastOffsetOf(header: Pick<BatchHeader, 'baseOffset' | 'lastOffsetDelta'>): bigint {
  return header.baseOffset + BigInt(header.lastOffsetDelta);
}

/** One above the last offset in a chunk of whole batches. */
export function endOffsetOf(chunk: Uint8Array): bigint {
  const batches = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  let last = 0;
  for (let at = 0; at < batches.length; at += BATCH_PREFIX_BYTES + batches.readInt32BE(at + batchField.length))
    last = at;
  return batches.readBigInt64BE(last) + BigInt(batches.readInt32BE(last + batchField.lastOffsetDelta)) + 1n;
}

/**
 * The v2 batches of `records`, each a view of it.
 * @param options.allowPartialTail a Fetch response may end in a cut batch, which is then left out
 * @throws RecordsFault CORRUPT_MESSAGE on a size or magic that cannot be, or a cut tail that is not allowed
 */
export function splitBatches(records: Buffer, options: { readonly allowPartialTail?: boolean } = {}): Buffer[] {
  const batches: Buffer[] = [];
  let at = 0;
  while (at < records.length) {
    const remaining = records.length - at;
    const batchBytes =
      remaining < BATCH_PREFIX_BYTES
        ? Number.POSITIVE_INFINITY
        : BATCH_PREFIX_BYTES + records.readInt32BE(at + batchField.length);
    if (batchBytes < BATCH_HEADER_BYTES) {
      throw new RecordsFault(
        ErrorCode.CORRUPT_MESSAGE,
        `Record batch at byte ${at} has an impossible size ${batchBytes}`,
      );
    }
    if (batchBytes > remaining) {
      if (options.allowPartialTail === true) break;
      throw new RecordsFault(ErrorCode.CORRUPT_MESSAGE, `Record batch at byte ${at} is cut: ${remaining} bytes remain`);
    }
    const magic = records.readInt8(at + batchField.magic);
    if (magic !== 2) {
      throw new RecordsFault(ErrorCode.CORRUPT_MESSAGE, `Record batch at byte ${at} has magic ${magic}, not 2`);
    }
    batches.push(records.subarray(at, at + batchBytes));
    at += batchBytes;
  }
  return batches;
}

/** Records in a chunk of whole v2 batches, by their headers. */
export function countRecords(chunk: Uint8Array): number {
  const batches = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  let records = 0;
  for (let at = 0; at + BATCH_HEADER_BYTES <= batches.length; ) {
    records += batches.readInt32BE(at + batchField.recordCount);
    at += BATCH_PREFIX_BYTES + batches.readInt32BE(at + batchField.length);
  }
  return records;
}

/** CRC32C of everything from the attributes on. `batch` is exactly one whole v2 batch. */
export function computeBatchCrc(batch: Buffer): number {
  return crc32c(batch.subarray(batchField.attributes));
}

/** Whether the stored CRC32C matches. `batch` is exactly one whole v2 batch. */
export function batchCrcValid(batch: Buffer): boolean {
  return batch.length >= BATCH_HEADER_BYTES && batch.readUInt32BE(batchField.crc) === computeBatchCrc(batch);
}

/** Sets base offset and leader epoch in place; both lie outside the CRC. */
export function patchBatch(batch: Buffer, baseOffset: bigint, leaderEpoch: number): void {
  batch.writeBigInt64BE(baseOffset, 0);
  batch.writeInt32BE(leaderEpoch, batchField.leaderEpoch);
}

/** Sets timestamp type and max timestamp in place; recomputes the CRC only if one of them changes. */
export function patchTimestamps(batch: Buffer, timestampType: TimestampType, maxTimestampMs: bigint): void {
  const before = batch.readInt16BE(batchField.attributes);
  const after =
    timestampType === 'LogAppendTime' ? before | batchAttribute.logAppendTime : before & ~batchAttribute.logAppendTime;
  if (after === before && batch.readBigInt64BE(batchField.maxTimestamp) === maxTimestampMs) return;
  batch.writeInt16BE(after, batchField.attributes);
  batch.writeBigInt64BE(maxTimestampMs, batchField.maxTimestamp);
  batch.writeUInt32BE(computeBatchCrc(batch), batchField.crc);
}

/** Makes the batch one of LogAppendTime: every record's timestamp is then `timestampMs`. In place, CRC included. */
export function patchLogAppendTime(batch: Buffer, timestampMs: bigint): void {
  patchTimestamps(batch, 'LogAppendTime', timestampMs);
}
