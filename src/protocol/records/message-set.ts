// The message formats before batches, v0 and v1 (KIP-31, KIP-32): single messages, of which one may wrap a compressed set
// of others. Reading and writing only; what to do with them is legacy.ts's.
//
//   0 offset i64 │ 8 size i32 │ 12 crc u32 │ 16 magic i8 │ 17 attributes i8 │ v1: 18 timestamp i64 │ key │ value
//
// Key and value each follow a length of 32 bits, -1 for null. The CRC32 covers everything from the magic on.
import { crc32 } from '@node-rs/crc32';
import { ErrorCode } from '../errors.ts';
import { BATCH_PREFIX_BYTES, NO_TIMESTAMP_MS, type TimestampType } from './batch.ts';
import { type CompressionType, compress, compressionIdOf, compressionTypeOf, decompress } from './compression.ts';
import { RecordsFault } from './records-fault.ts';

const CRC_AT = 12;
const MAGIC_AT = 16;
const ATTRIBUTES_AT = 17;
const TIMESTAMP_AT = 18;
const CODEC_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
/** The least that a message takes behind offset and size, in either format. */
const MESSAGE_BYTES_MIN = 14;

/** The magics of the old formats. */
export type LegacyMagic = 0 | 1;

export interface LegacyMessage {
  readonly offset: bigint;
  readonly magic: number;
  readonly compression: CompressionType;
  /** Of v1; in v0 undefined. */
  readonly timestampType: TimestampType | undefined;
  /** -1n in v0. */
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** Whether the stored CRC32 matches. `entry` is one whole message with its offset and size. */
export function messageCrcValid(entry: Buffer): boolean {
  return entry.readUInt32BE(CRC_AT) === crc32(entry.subarray(MAGIC_AT));
}

function readSized(entry: Buffer, at: number): Buffer | null {
  if (entry.length - at < 4) throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Message ends before its key and value');
  const bytes = entry.readInt32BE(at);
  if (bytes < 0) return null;
  if (bytes > entry.length - at - 4) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, `Message has a field of ${bytes} bytes beyond its end`);
  }
  return entry.subarray(at + 4, at + 4 + bytes);
}

/** Reads one whole message of magic 0 or 1. @throws RecordsFault INVALID_RECORD when its fields do not fit in it */
export function readMessage(entry: Buffer): LegacyMessage {
  const magic = entry.readInt8(MAGIC_AT);
  const attributes = entry.readInt8(ATTRIBUTES_AT);
  if (magic > 0 && entry.length < TIMESTAMP_AT + 8) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Message ends before its timestamp');
  }
  const keyAt = magic === 0 ? TIMESTAMP_AT : TIMESTAMP_AT + 8;
  const key = readSized(entry, keyAt);
  return {
    offset: entry.readBigInt64BE(0),
    magic,
    compression: compressionTypeOf(attributes & CODEC_MASK),
    timestampType: magic === 0 ? undefined : (attributes & LOG_APPEND_TIME) === 0 ? 'CreateTime' : 'LogAppendTime',
    timestampMs: magic === 0 ? NO_TIMESTAMP_MS : entry.readBigInt64BE(TIMESTAMP_AT),
    key,
    value: readSized(entry, keyAt + 4 + (key?.length ?? 0)),
  };
}

/** The entries of a wrapper's set; one cut at the end is dropped (AbstractLegacyRecordBatch.DataLogInputStream). */
function splitInner(set: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  let at = 0;
  while (set.length - at >= BATCH_PREFIX_BYTES) {
    const bytes = set.readInt32BE(at + 8);
    if (bytes < MESSAGE_BYTES_MIN) {
      throw new RecordsFault(
        ErrorCode.CORRUPT_MESSAGE,
        `Record size ${bytes} is less than the minimum record overhead (${MESSAGE_BYTES_MIN})`,
      );
    }
    const end = at + BATCH_PREFIX_BYTES + bytes;
    if (end > set.length) break;
    entries.push(set.subarray(at, end));
    at = end;
  }
  return entries;
}

/** One message of a wrapper, with the bytes that its CRC covers. */
export interface InnerMessage {
  readonly entry: Buffer;
  readonly message: LegacyMessage;
}

/**
 * The messages that a compressed one wraps, with absolute offsets: those of v1 are relative to the first, and the
 * wrapper has the last one's (KIP-31); those of v0 are absolute as they stand.
 * @throws RecordsFault INVALID_RECORD for a set that Kafka refuses
 */
export function unwrap(wrapper: LegacyMessage, bytesMax: number): InnerMessage[] {
  if (wrapper.compression === 'zstd') {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, `Message format v${wrapper.magic} does not know zstd`);
  }
  if (wrapper.value === null) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Found invalid compressed record set with null value');
  }
  const set = decompress(wrapper.compression, wrapper.value, bytesMax, { magic: wrapper.magic });
  const inner = splitInner(set).map((entry) => ({ entry, message: readMessage(entry) }));
  const last = inner[inner.length - 1]?.message;
  if (last === undefined) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Found invalid compressed record set with no inner records');
  }
  if (wrapper.magic === 0) return inner;
  // Some versions of librdkafka leave the wrapper's offset 0 (KAFKA-5236).
  if (wrapper.offset !== 0n && wrapper.offset < last.offset) {
    throw new RecordsFault(
      ErrorCode.INVALID_RECORD,
      `Found invalid wrapper offset in compressed v1 message set: ${wrapper.offset} is less than ${last.offset}`,
    );
  }
  const baseOffset = wrapper.offset === 0n ? 0n : wrapper.offset - last.offset;
  const appendTimeMs = wrapper.timestampType === 'LogAppendTime' ? wrapper.timestampMs : undefined;
  return inner.map(({ entry, message }) => ({
    entry,
    message: {
      ...message,
      offset: baseOffset + message.offset,
      timestampMs: message.magic === 0 ? message.timestampMs : (appendTimeMs ?? message.timestampMs),
    },
  }));
}

/** Writes one message. `timestampType` and `timestampMs` count in v1 only. */
export function encodeMessage(
  magic: LegacyMagic,
  message: Pick<LegacyMessage, 'offset' | 'timestampMs' | 'key' | 'value'>,
  timestampType: TimestampType,
  compression: CompressionType = 'none',
): Buffer {
  const { key, value } = message;
  const keyAt = magic === 0 ? TIMESTAMP_AT : TIMESTAMP_AT + 8;
  const entry = Buffer.allocUnsafe(keyAt + 8 + (key?.length ?? 0) + (value?.length ?? 0));
  entry.writeBigInt64BE(message.offset, 0);
  entry.writeInt32BE(entry.length - BATCH_PREFIX_BYTES, 8);
  entry[MAGIC_AT] = magic;
  entry[ATTRIBUTES_AT] =
    compressionIdOf(compression) | (magic > 0 && timestampType === 'LogAppendTime' ? LOG_APPEND_TIME : 0);
  if (magic > 0) entry.writeBigInt64BE(message.timestampMs, TIMESTAMP_AT);
  entry.writeInt32BE(key?.length ?? -1, keyAt);
  key?.copy(entry, keyAt + 4);
  const valueAt = keyAt + 4 + (key?.length ?? 0);
  entry.writeInt32BE(value?.length ?? -1, valueAt);
  value?.copy(entry, valueAt + 4);
  entry.writeUInt32BE(crc32(entry.subarray(MAGIC_AT)), CRC_AT);
  return entry;
}

/**
 * Writes messages as a set: one after the other, or wrapped in a compressed one (MemoryRecordsBuilder).
 * @param messages with absolute offsets; at least one
 * @param wrapperTimestampMs the wrapper's timestamp, in v1
 */
export function encodeMessageSet(
  magic: LegacyMagic,
  messages: readonly Pick<LegacyMessage, 'offset' | 'timestampMs' | 'key' | 'value'>[],
  timestampType: TimestampType,
  compression: CompressionType,
  wrapperTimestampMs: bigint,
): Buffer {
  const baseOffset = magic > 0 && compression !== 'none' ? (messages[0]?.offset ?? 0n) : 0n;
  const set = Buffer.concat(
    messages.map((message) => encodeMessage(magic, { ...message, offset: message.offset - baseOffset }, timestampType)),
  );
  if (compression === 'none') return set;
  const wrapper = {
    offset: messages[messages.length - 1]?.offset ?? 0n,
    timestampMs: wrapperTimestampMs,
    key: null,
    value: compress(compression, set, undefined, { magic }),
  };
  return encodeMessage(magic, wrapper, timestampType, compression);
}
