// Whether a partition's records in a Produce request may be appended, and as what. The order of checks and the error
// codes are Kafka's: ProduceRequest.validateRecords, then UnifiedLog.analyzeAndValidateRecords, then LogValidator.
//
//   split ─▶ version's rules ─▶ header, size, CRC ─▶ walk records ─▶ as it came, timestamps and CRC patched if need be
//                                      │                   └───────▶ another codec, or offsets out of order: rebuilt
//                                      └─ magic 0, 1 ─▶ legacy.ts ─▶ one v2 batch
//
// An error of any record fails the batch. Base offset and leader epoch are the partition's to patch.
import { ErrorCode } from '../errors.ts';
import {
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  type BatchHeader,
  batchAttribute,
  batchCrcValid,
  batchField,
  NO_PRODUCER_ID,
  NO_TIMESTAMP_MS,
  patchTimestamps,
  readBatchHeader,
} from './batch.ts';
import { compressBehindHeader, writeBatchHeader } from './batch-builder.ts';
import { type CompressionType, compressionIdOf, DECOMPRESSED_BYTES_MAX, decompress } from './compression.ts';
import { convertMessageSet, type TopicRules, targetCompression } from './legacy.ts';
import { type RecordWalk, renumberRecords, visitRecords, walkRecords } from './record-walk.ts';
import { type RecordError, RecordsFault } from './records-fault.ts';
import { RecordJudge, timestampAccepted } from './timestamp-rules.ts';

/** What a topic and the request's version ask of produced records. */
export interface ProduceRules extends TopicRules {
  /** Version of the Produce request: from 3 on exactly one batch of magic 2, zstd from 7 on. */
  readonly apiVersion: number;
}

export type ProduceVerdict =
  | {
      readonly ok: true;
      /** Whole v2 batches ready for `patchBatch`: one, or none when an old request brought nothing. */
      readonly batches: Buffer[];
      /** The batch is not the one that came, but rebuilt from it. */
      readonly converted: boolean;
    }
  | {
      readonly ok: false;
      readonly errorCode: ErrorCode;
      readonly errorMessage: string;
      readonly recordErrors?: readonly RecordError[];
    };

/**
 * Validates the records that a Produce request has for one partition. `records` may be changed in place: timestamp type,
 * max timestamp and CRC. Never throws for what a client can send.
 */
export function validateProduced(records: Buffer, rules: ProduceRules): ProduceVerdict {
  try {
    return validate(records, rules);
  } catch (fault) {
    if (!(fault instanceof RecordsFault)) throw fault;
    const { errorCode, message, recordErrors } = fault;
    return recordErrors.length === 0
      ? { ok: false, errorCode, errorMessage: message }
      : { ok: false, errorCode, errorMessage: message, recordErrors };
  }
}

/** Crc, magic, attributes, key length, value length: the least that any format's entry takes behind its prefix. */
const ENTRY_BYTES_MIN = 14;
const PREFIX_TO_MAGIC_BYTES = 17;

/**
 * Splits entries of any magic (a v2 batch, or one message of the old formats). A cut tail is dropped without a word, as
 * Kafka's ByteBufferLogInputStream does: old producers may send one.
 */
function splitEntries(records: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  let at = 0;
  while (records.length - at >= BATCH_PREFIX_BYTES) {
    const bytes = records.readInt32BE(at + batchField.length);
    if (bytes < ENTRY_BYTES_MIN) {
      throw new RecordsFault(
        ErrorCode.CORRUPT_MESSAGE,
        `Record size ${bytes} is less than the minimum record overhead (${ENTRY_BYTES_MIN})`,
      );
    }
    if (records.length - at < PREFIX_TO_MAGIC_BYTES) break;
    const magic = records.readInt8(at + batchField.magic);
    if (magic < 0 || magic > 2) {
      throw new RecordsFault(ErrorCode.CORRUPT_MESSAGE, `Invalid magic found in record: ${magic}`);
    }
    const end = at + BATCH_PREFIX_BYTES + bytes;
    if (end > records.length) break;
    entries.push(records.subarray(at, end));
    at = end;
  }
  return entries;
}

function magicOf(entry: Buffer): number {
  return entry.readInt8(batchField.magic);
}

function invalid(message: string): RecordsFault {
  return new RecordsFault(ErrorCode.INVALID_RECORD, message);
}

function validate(records: Buffer, rules: ProduceRules): ProduceVerdict {
  const entries = splitEntries(records);
  const [first] = entries;
  if (rules.apiVersion >= 3) checkVersionRules(entries, rules.apiVersion);
  if (first === undefined) return { ok: true, batches: [], converted: false };
  const magic = magicOf(first);
  if (entries.some((entry) => magicOf(entry) !== magic)) {
    throw invalid("Batch magic is not the same as the first batch's magic byte");
  }
  if (magic < 2) {
    const batch = convertMessageSet(entries, rules);
    checkSize(batch, rules.maxMessageBytes);
    return { ok: true, batches: [batch], converted: true };
  }
  for (const entry of entries) checkEntry(entry, rules);
  if (entries.length > 1) throw invalid('Compressed outer record has more than one batch');
  const header = readBatchHeader(first);
  checkHeader(header);
  return acceptBatch(first, header, rules);
}

/** ProduceRequest.validateRecords. */
function checkVersionRules(entries: readonly Buffer[], apiVersion: number): void {
  const asked = `Produce requests with version ${apiVersion}`;
  const [first] = entries;
  if (first === undefined) throw invalid(`${asked} must have at least one record batch per partition`);
  if (magicOf(first) !== 2) throw invalid(`${asked} are only allowed to contain record batches with magic version 2`);
  if (apiVersion < 7 && first.length >= BATCH_HEADER_BYTES && readBatchHeader(first).compression === 'zstd') {
    throw new RecordsFault(
      ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
      `${asked} are not allowed to use ZStandard compression`,
    );
  }
  if (entries.length > 1) throw invalid(`${asked} are only allowed to contain exactly one record batch per partition`);
}

function checkSize(batch: Buffer, maxMessageBytes: number): void {
  if (batch.length <= maxMessageBytes) return;
  throw new RecordsFault(
    ErrorCode.MESSAGE_TOO_LARGE,
    `The record batch size is ${batch.length} bytes which exceeds the maximum configured value of ${maxMessageBytes}.`,
  );
}

/** UnifiedLog.analyzeAndValidateRecords. */
function checkEntry(entry: Buffer, rules: ProduceRules): void {
  const baseOffset = entry.readBigInt64BE(0);
  if (baseOffset !== 0n) throw invalid(`The baseOffset of the record batch should be 0, but it is ${baseOffset}`);
  checkSize(entry, rules.maxMessageBytes);
  if (!batchCrcValid(entry)) {
    throw new RecordsFault(
      ErrorCode.CORRUPT_MESSAGE,
      entry.length < BATCH_HEADER_BYTES
        ? `Record batch is corrupt: ${entry.length} bytes are less than a header`
        : `Record is corrupt (stored crc = ${entry.readUInt32BE(batchField.crc)})`,
    );
  }
}

/** LogValidator.validateBatch. */
function checkHeader({ lastOffsetDelta, recordCount, isControl, producerId, baseSequence }: BatchHeader): void {
  if (lastOffsetDelta < 0) throw invalid(`Batch has an invalid offset range: [0, ${lastOffsetDelta}]`);
  if (recordCount <= 0) throw invalid(`Invalid reported count for record batch: ${recordCount}`);
  if (lastOffsetDelta + 1 !== recordCount) {
    throw invalid(`Inconsistent batch offset range [0, ${lastOffsetDelta}] and count of records ${recordCount}`);
  }
  if (isControl) throw invalid('Clients are not allowed to write control records');
  if (producerId > NO_PRODUCER_ID && baseSequence < 0) {
    throw invalid(`Invalid sequence number ${baseSequence} in record batch with producerId ${producerId}`);
  }
}

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

function acceptBatch(batch: Buffer, header: BatchHeader, rules: ProduceRules): ProduceVerdict {
  const target = targetCompression(header.compression, rules);
  const payload = decompress(
    header.compression,
    batch.subarray(BATCH_HEADER_BYTES),
    rules.decompressedBytesMax ?? DECOMPRESSED_BYTES_MAX,
  );
  const walk: RecordWalk = {
    timestampDeltaMin: 0,
    timestampDeltaMax: 0,
    wideDeltas: false,
    offsetsInOrder: true,
    nullKeys: 0,
  };
  const fault = walkRecords(payload, 0, header.recordCount, walk);
  if (fault !== undefined) throw invalid(fault);
  const createTimeMaxMs = judgeRecords(header, payload, walk, rules);
  const maxTimestampMs = rules.timestampType === 'LogAppendTime' ? rules.nowMs : createTimeMaxMs;
  if (target === header.compression && walk.offsetsInOrder) {
    patchTimestamps(batch, rules.timestampType, maxTimestampMs);
    return { ok: true, batches: [batch], converted: false };
  }
  // Some old clients leave offset deltas out; LogValidator numbers them anew, too.
  const ordered = walk.offsetsInOrder ? payload : renumberRecords(payload, header.recordCount);
  const rebuilt = recompress(header, ordered, target, maxTimestampMs, rules);
  checkSize(rebuilt, rules.maxMessageBytes);
  return { ok: true, batches: [rebuilt], converted: true };
}

/**
 * Judges the records' keys and timestamps: all at once by the walk's extremes, one by one if these could break a rule.
 * @returns the max timestamp of the records, NO_TIMESTAMP_MS at least
 */
function judgeRecords(header: BatchHeader, payload: Buffer, walk: RecordWalk, rules: ProduceRules): bigint {
  if (!walk.wideDeltas && !(rules.compacted && walk.nullKeys > 0) && header.timestampType === 'CreateTime') {
    const minMs = header.baseTimestampMs + BigInt(walk.timestampDeltaMin);
    const maxMs = header.baseTimestampMs + BigInt(walk.timestampDeltaMax);
    const exact = minMs >= MIN_INT64 && maxMs <= MAX_INT64;
    const accepted =
      rules.timestampType === 'LogAppendTime' || (timestampAccepted(minMs, rules) && timestampAccepted(maxMs, rules));
    if (exact && accepted) return maxMs > NO_TIMESTAMP_MS ? maxMs : NO_TIMESTAMP_MS;
  }
  const judge = new RecordJudge(rules, header.timestampType);
  const appendTime = header.timestampType === 'LogAppendTime';
  let maxMs = NO_TIMESTAMP_MS;
  visitRecords(payload, header.recordCount, (index, hasKey, timestampDelta) => {
    const timestampMs = appendTime ? header.maxTimestampMs : BigInt.asIntN(64, header.baseTimestampMs + timestampDelta);
    judge.record(index, hasKey, timestampMs);
    if (timestampMs > maxMs) maxMs = timestampMs;
    return !judge.full;
  });
  judge.settle();
  return maxMs;
}

/** The same payload with another codec; producer, sequence and transaction stay. */
function recompress(
  header: BatchHeader,
  payload: Buffer,
  target: CompressionType,
  maxTimestampMs: bigint,
  rules: ProduceRules,
): Buffer {
  const { compressionLevel } = rules;
  const batch = compressBehindHeader(payload, {
    compression: target,
    ...(compressionLevel === undefined ? {} : { compressionLevel }),
  });
  const flags = rules.timestampType === 'LogAppendTime' ? batchAttribute.logAppendTime : 0;
  const kept = header.attributes & batchAttribute.transactional;
  writeBatchHeader(batch, { ...header, attributes: compressionIdOf(target) | flags | kept, maxTimestampMs });
  return batch;
}
