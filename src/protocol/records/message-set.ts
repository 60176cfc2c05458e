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

/** One message of a wrapper, with the bytes that its CRC covers. */
export interface InnerMessage {
  readonly entry: Buffer;
  readonly message: LegacyMessage;
}

/**
 * The messages of an uncompressed set, one after the other; one cut at the end is dropped
 * (AbstractLegacyRecordBatch.DataLogInputStream). Offsets are those written in them.
 * @throws RecordsFault when it meets bytes that are no message
 */
export function* iterateSet(set: Buffer): Generator<InnerMessage, void, undefined> {
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
    if (end > set.length) return;
    const entry = set.subarray(at, end);
    yield { entry, message: readMessage(entry) };
    at = end;
  }
}

/**
 * Hands over the messages that a compressed one wraps, one after the other, so that a set of millions of tiny ones takes
 * no more memory than its bytes. Their offsets are as written: in v1 relative to the first one's (KIP-31).
 * @throws RecordsFault INVALID_RECORD for a set that Kafka refuses
 */
export function unwrap(wrapper: LegacyMessage, bytesMax: number, take: (inner: InnerMessage) => void): void {
  if (wrapper.compression === 'zstd') {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, `Message format v${wrapper.magic} does not know zstd`);
  }
  if (wrapper.value === null) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Found invalid compressed record set with null value');
  }
  const set = decompress(wrapper.compression, wrapper.value, bytesMax, { magic: wrapper.magic });
  const appendTimeMs = wrapper.timestampType === 'LogAppendTime' ? wrapper.timestampMs : undefined;
  let lastOffset: bigint | undefined;
  for (const { entry, message } of iterateSet(set)) {
    lastOffset = message.offset;
    const timestampMs = message.magic === 0 ? message.timestampMs : (appendTimeMs ?? message.timestampMs);
    take({ entry, message: { ...message, timestampMs } });
  }
  if (lastOffset === undefined) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Found invalid compressed record set with no inner records');
  }
  // The wrapper has the last one's offset; some versions of librdkafka leave it 0 (KAFKA-5236).
  if (wrapper.magic > 0 && wrapper.offset !== 0n && wrapper.offset < lastOffset) {
    throw new RecordsFault(
      ErrorCode.INVALID_RECORD,
      `Found invalid wrapper offset in compressed v1 message set: ${wrapper.offset} is less than ${lastOffset}`,
    );
  }
}

/** What a message is written from; `timestampMs` counts in v1 only. */
export type MessageInput = Pick<LegacyMessage, 'offset' | 'timestampMs' | 'key' | 'value'>;

function messageBytes(magic: LegacyMagic, { key, value }: MessageInput): number {
  return (magic === 0 ? TIMESTAMP_AT : TIMESTAMP_AT + 8) + 8 + (key?.length ?? 0) + (value?.length ?? 0);
}

function writeMessage(
  entry: Buffer,
  magic: LegacyMagic,
  { offset, timestampMs, key, value }: MessageInput,
  timestampType: TimestampType,
  compression: CompressionType,
): void {
  entry.writeBigInt64BE(offset, 0);
  entry.writeInt32BE(entry.length - BATCH_PREFIX_BYTES, 8);
  entry[MAGIC_AT] = magic;
  entry[ATTRIBUTES_AT] =
    compressionIdOf(compression) | (magic > 0 && timestampType === 'LogAppendTime' ? LOG_APPEND_TIME : 0);
  if (magic > 0) entry.writeBigInt64BE(timestampMs, TIMESTAMP_AT);
  const keyAt = magic === 0 ? TIMESTAMP_AT : TIMESTAMP_AT + 8;
  entry.writeInt32BE(key?.length ?? -1, keyAt);
  key?.copy(entry, keyAt + 4);
  const valueAt = keyAt + 4 + (key?.length ?? 0);
  entry.writeInt32BE(value?.length ?? -1, valueAt);
  value?.copy(entry, valueAt + 4);
  entry.writeUInt32BE(crc32(entry.subarray(MAGIC_AT)), CRC_AT);
}

/** Writes one message. */
export function encodeMessage(
  magic: LegacyMagic,
  message: MessageInput,
  timestampType: TimestampType,
  compression: CompressionType = 'none',
): Buffer {
  const entry = Buffer.allocUnsafe(messageBytes(magic, message));
  writeMessage(entry, magic, message, timestampType, compression);
  return entry;
}

/** Builds a message set message by message, as MemoryRecordsBuilder does: plain ones, or one that wraps them all. */
export class MessageSetBuilder {
  readonly #magic: LegacyMagic;
  readonly #timestampType: TimestampType;
  readonly #compression: CompressionType;
  #buffer: Buffer;
  #at = 0;
  #baseOffset = -1n;
  #lastOffset = -1n;
  #maxTimestampMs = NO_TIMESTAMP_MS;

  /** @param setBytes what the messages will take, roughly */
  constructor(magic: LegacyMagic, timestampType: TimestampType, compression: CompressionType, setBytes: number) {
    this.#magic = magic;
    this.#timestampType = timestampType;
    this.#compression = compression;
    this.#buffer = Buffer.allocUnsafe(setBytes);
  }

  /** Bytes of the messages so far, uncompressed. */
  get bytes(): number {
    return this.#at;
  }

  /** Adds a message with its absolute offset. */
  append(message: MessageInput): void {
    if (this.#at === 0) this.#baseOffset = message.offset;
    this.#lastOffset = message.offset;
    if (message.timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = message.timestampMs;
    const end = this.#at + messageBytes(this.#magic, message);
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.#at);
      this.#buffer = larger;
    }
    const relative = this.#magic > 0 && this.#compression !== 'none';
    const offset = relative ? message.offset - this.#baseOffset : message.offset;
    const { timestampMs, key, value } = message;
    const entry = this.#buffer.subarray(this.#at, end);
    writeMessage(entry, this.#magic, { offset, timestampMs, key, value }, this.#timestampType, 'none');
    this.#at = end;
  }

  /** The set; a wrapper has the last message's offset and the highest timestamp. */
  finish(): Buffer {
    const set = this.#buffer.subarray(0, this.#at);
    if (this.#compression === 'none') return set;
    const wrapper = {
      offset: this.#lastOffset,
      timestampMs: this.#maxTimestampMs,
      key: null,
      value: compress(this.#compression, set, undefined, { magic: this.#magic }),
    };
    return encodeMessage(this.#magic, wrapper, this.#timestampType, this.#compression);
  }
}

/** Writes messages as a set. */
export function encodeMessageSet(
  magic: LegacyMagic,
  messages: readonly MessageInput[],
  timestampType: TimestampType,
  compression: CompressionType,
): Buffer {
  const builder = new MessageSetBuilder(magic, timestampType, compression, 1024);
  for (const message of messages) builder.append(message);
  return builder.finish();
}
