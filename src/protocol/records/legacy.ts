// The bridge between the old message formats and batches. Logs hold batches only: what Produce versions below 3 bring is
// converted when it comes in, and what Fetch versions below 4 ask for when it goes out.
import { ErrorCode } from '../errors.ts';
import { readBatchHeader } from './batch.ts';
import { type CompressionType, compressionTypes, DECOMPRESSED_BYTES_MAX } from './compression.ts';
import {
  encodeMessageSet,
  type InnerMessage,
  type LegacyMagic,
  type LegacyMessage,
  messageCrcValid,
  readMessage,
  unwrap,
} from './message-set.ts';
import { encodeBatch, iterateRecords, type LogRecord } from './record.ts';
import { RecordsFault } from './records-fault.ts';
import { RecordJudge, type RecordRules } from './timestamp-rules.ts';

export interface ConversionRules extends RecordRules {
  readonly maxMessageBytes: number;
  readonly compressionType: 'producer' | 'uncompressed' | Exclude<CompressionType, 'none'>;
  readonly compressionLevel?: number;
  readonly decompressedBytesMax?: number;
}

function checkEntry(entry: Buffer, { maxMessageBytes }: ConversionRules): void {
  if (entry.length > maxMessageBytes) {
    throw new RecordsFault(
      ErrorCode.MESSAGE_TOO_LARGE,
      `The message size is ${entry.length} bytes which exceeds the maximum configured value of ${maxMessageBytes}.`,
    );
  }
  if (!messageCrcValid(entry)) throw new RecordsFault(ErrorCode.CORRUPT_MESSAGE, 'Record is corrupt (crc)');
}

/** Checks the messages of one wrapper as LogValidator.validateRecord does. */
function judgeInner(wrapper: LegacyMessage, inner: readonly InnerMessage[], rules: ConversionRules): void {
  const judge = new RecordJudge(rules, wrapper.timestampType);
  inner.forEach(({ entry, message }, index) => {
    if (message.compression !== 'none') {
      throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Inner messages must not be compressed');
    }
    if (message.magic !== wrapper.magic) {
      judge.reject(index, `Record's magic ${message.magic} does not match outer magic ${wrapper.magic}`);
      return;
    }
    if (!messageCrcValid(entry)) {
      throw new RecordsFault(ErrorCode.CORRUPT_MESSAGE, `Record ${index} of a compressed set is corrupt (crc)`);
    }
    judge.record(index, message.key !== null, message.timestampMs);
  });
  judge.settle();
}

/** Each plain message counts as a batch of its own, so its index in an error is 0. */
function judgePlain(message: LegacyMessage, rules: ConversionRules): void {
  const judge = new RecordJudge(rules, message.timestampType);
  judge.record(0, message.key !== null, message.timestampMs);
  judge.settle();
}

/**
 * Validates a produced message set and makes one v2 batch of it, base offset 0 (LogValidator's conversion).
 * @param entries whole messages, all of magic 0 or all of magic 1; at least one. Only a single one may be compressed.
 * @throws RecordsFault as the set deserves
 */
export function convertMessageSet(entries: readonly Buffer[], rules: ConversionRules): Buffer {
  let source: CompressionType = 'none';
  for (const entry of entries) {
    checkEntry(entry, rules);
    // Of several codecs Kafka takes the last; any at all allows no second entry.
    const codec = compressionTypes[(entry[17] as number) & 0x07];
    if (codec === undefined) {
      throw new RecordsFault(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, 'Unknown compression type id');
    }
    if (codec !== 'none') source = codec;
  }
  if (source !== 'none' && entries.length > 1) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Compressed outer record has more than one batch');
  }
  const messages: LegacyMessage[] = [];
  for (const entry of entries) {
    const message = readMessage(entry);
    if (source === 'none') {
      judgePlain(message, rules);
      messages.push(message);
    } else {
      const inner = unwrap(message, rules.decompressedBytesMax ?? DECOMPRESSED_BYTES_MAX);
      judgeInner(message, inner, rules);
      for (const each of inner) messages.push(each.message);
    }
  }
  const { compressionType, compressionLevel, timestampType, nowMs } = rules;
  return encodeBatch({
    baseOffset: 0n,
    records: messages,
    compression:
      compressionType === 'producer' ? source : compressionType === 'uncompressed' ? 'none' : compressionType,
    ...(compressionLevel === undefined ? {} : { compressionLevel }),
    timestampType,
    ...(timestampType === 'LogAppendTime' ? { logAppendTimeMs: nowMs } : {}),
  });
}

/** A message set, or the error that a Fetch response carries instead. */
export type DownConversion =
  | { readonly records: Buffer }
  | { readonly errorCode: ErrorCode; readonly errorMessage: string };

/**
 * The batches as a message set of an old format, for Fetch versions 0 and 1 (magic 0), 2 and 3 (magic 1). Control batches
 * are left out, headers are dropped, the codec stays (Kafka's RecordsUtil.downConvert).
 * @param batches whole v2 batches in offset order
 * @param fromOffset records of an uncompressed batch before it are left out: some versions of librdkafka rely on that
 * @param bytesMax conversion stops before the batch that would exceed it; the first is converted in any case
 * @returns UNSUPPORTED_COMPRESSION_TYPE when the first batch to convert is of zstd; before a later one the result ends
 * @throws RecordsFault when a batch is no batch
 */
export function downConvert(
  batches: readonly Buffer[],
  magic: LegacyMagic,
  fromOffset: bigint,
  bytesMax: number,
): DownConversion {
  const parts: Buffer[] = [];
  let total = 0;
  for (const batch of batches) {
    const header = readBatchHeader(batch);
    if (header.isControl) continue;
    if (header.compression === 'zstd') {
      if (total > 0) break;
      return {
        errorCode: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
        errorMessage: 'Down-conversion of zstandard-compressed batches is not supported',
      };
    }
    const records: LogRecord[] = [];
    for (const record of iterateRecords(batch)) {
      if (header.compression !== 'none' || record.offset >= fromOffset) records.push(record);
    }
    if (records.length === 0) continue;
    const part = encodeMessageSet(
      magic,
      records,
      header.timestampType,
      header.compression,
      wrapperTime(records, header),
    );
    if (total > 0 && total + part.length > bytesMax) break;
    parts.push(part);
    total += part.length;
  }
  return { records: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, total) };
}

function wrapperTime(
  records: readonly LogRecord[],
  { timestampType, maxTimestampMs }: { readonly timestampType: string; readonly maxTimestampMs: bigint },
): bigint {
  if (timestampType === 'LogAppendTime') return maxTimestampMs;
  let max = -1n;
  for (const { timestampMs } of records) if (timestampMs > max) max = timestampMs;
  return max;
}
