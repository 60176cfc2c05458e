// The bridge between the old message formats and batches. Logs hold batches only: what Produce versions below 3 bring is
// converted when it comes in, and what Fetch versions below 4 ask for when it goes out.
import { ErrorCode } from '../errors.ts';
import { readBatchHeader } from './batch.ts';
import { BatchBuilder } from './batch-builder.ts';
import { type CompressionType, compressionTypes, DECOMPRESSED_BYTES_MAX } from './compression.ts';
import {
  type InnerMessage,
  type LegacyMagic,
  type LegacyMessage,
  MessageSetBuilder,
  messageCrcValid,
  readMessage,
  unwrap,
} from './message-set.ts';
import { iterateRecords } from './record.ts';
import { RecordsFault } from './records-fault.ts';
import { RecordJudge, type RecordRules } from './timestamp-rules.ts';

/** What a topic asks of produced records, whichever format they come in. */
export interface TopicRules extends RecordRules {
  /** `max.message.bytes`: of a whole batch as it is stored. */
  readonly maxMessageBytes: number;
  /** The topic's `compression.type`; 'producer' keeps what came. */
  readonly compressionType: 'producer' | 'uncompressed' | Exclude<CompressionType, 'none'>;
  /** `compression.<codec>.level` of that codec (KIP-390). */
  readonly compressionLevel?: number;
  /** Most bytes that one batch may decompress to; DECOMPRESSED_BYTES_MAX by default. */
  readonly decompressedBytesMax?: number;
}

/** The codec that the topic stores a batch with (BrokerCompressionType.targetCompression). */
export function targetCompression(
  source: CompressionType,
  { compressionType }: Pick<TopicRules, 'compressionType'>,
): CompressionType {
  if (compressionType === 'producer') return source;
  return compressionType === 'uncompressed' ? 'none' : compressionType;
}

function checkEntry(entry: Buffer, { maxMessageBytes }: TopicRules): void {
  if (entry.length > maxMessageBytes) {
    throw new RecordsFault(
      ErrorCode.MESSAGE_TOO_LARGE,
      `The message size is ${entry.length} bytes which exceeds the maximum configured value of ${maxMessageBytes}.`,
    );
  }
  if (!messageCrcValid(entry)) throw new RecordsFault(ErrorCode.CORRUPT_MESSAGE, 'Record is corrupt (crc)');
}

/** Checks a message of a wrapper as LogValidator.validateRecord does. @returns whether it may be appended */
function judgeInner(
  judge: RecordJudge,
  wrapper: LegacyMessage,
  { entry, message }: InnerMessage,
  index: number,
): boolean {
  if (message.compression !== 'none') {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Inner messages must not be compressed');
  }
  if (message.magic !== wrapper.magic) {
    judge.reject(index, `Record's magic ${message.magic} does not match outer magic ${wrapper.magic}`);
    return false;
  }
  if (!messageCrcValid(entry)) {
    throw new RecordsFault(ErrorCode.CORRUPT_MESSAGE, `Record ${index} of a compressed set is corrupt (crc)`);
  }
  return judge.record(index, message.key !== null, message.timestampMs);
}

/**
 * Validates a produced message set and makes one v2 batch of it, base offset 0 (LogValidator's conversion).
 * @param entries whole messages, all of magic 0 or all of magic 1; at least one. Only a single one may be compressed.
 * @throws RecordsFault as the set deserves
 */
export function convertMessageSet(entries: readonly Buffer[], rules: TopicRules): Buffer {
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
  const builder = new BatchBuilder(entries.reduce((sum, entry) => sum + entry.length, 0));
  for (const entry of entries) {
    const message = readMessage(entry);
    // Each plain message counts as a batch of its own, so its index in an error is 0.
    const judge = new RecordJudge(rules, message.timestampType);
    if (source === 'none') {
      if (judge.record(0, message.key !== null, message.timestampMs)) builder.append(message);
    } else {
      let index = 0;
      unwrap(message, rules.decompressedBytesMax ?? DECOMPRESSED_BYTES_MAX, (inner) => {
        if (judgeInner(judge, message, inner, index++)) builder.append(inner.message);
      });
    }
    judge.settle();
  }
  const { compressionLevel, timestampType, nowMs } = rules;
  return builder.finish({
    baseOffset: 0n,
    compression: targetCompression(source, rules),
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
    const set = new MessageSetBuilder(magic, header.timestampType, header.compression, batch.length * 2);
    for (const record of iterateRecords(batch)) {
      if (header.compression === 'none' && record.offset < fromOffset) continue;
      set.append(record);
      // Old messages are larger than records: a batch of millions of tiny ones has no form that a client could take.
      if (set.bytes > 2 * DECOMPRESSED_BYTES_MAX) {
        return { errorCode: ErrorCode.MESSAGE_TOO_LARGE, errorMessage: 'Batch is too large in the old format' };
      }
    }
    if (set.bytes === 0) continue;
    const part = set.finish();
    if (total > 0 && total + part.length > bytesMax) break;
    parts.push(part);
    total += part.length;
  }
  return { records: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, total) };
}
