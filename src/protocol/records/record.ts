// Records within a v2 batch (KIP-82, KIP-98): decoding them for those few who look inside (coordinators replaying their
// partitions, down-conversion, offsets by timestamp), and building batches of the broker's own.
import { ErrorCode } from '../errors.ts';
import {
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  type BatchHeader,
  batchAttribute,
  batchField,
  computeBatchCrc,
  NO_PRODUCER_ID,
  NO_TIMESTAMP_MS,
  readBatchHeader,
  type TimestampType,
} from './batch.ts';
import { type CompressionType, compress, compressionIdOf, DECOMPRESSED_BYTES_MAX, decompress } from './compression.ts';
import { RecordsFault } from './records-fault.ts';
import { VarintReader, varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** One record as a consumer sees it. Key, value and header values may be views of the batch. */
export interface LogRecord {
  readonly offset: bigint;
  /** -1n without one; the batch's max timestamp with LogAppendTime. */
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

/** A record to be written; its offset follows from its place. */
export interface RecordInput {
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly RecordHeader[];
}

export interface BatchInput {
  readonly baseOffset: bigint;
  /** -1 by default: not known. */
  readonly leaderEpoch?: number;
  /** At least one. Offsets are consecutive from the base offset. */
  readonly records: readonly RecordInput[];
  /** 'none' by default. */
  readonly compression?: CompressionType;
  readonly compressionLevel?: number;
  /** 'CreateTime' by default. With 'LogAppendTime' the time is `logAppendTimeMs`. */
  readonly timestampType?: TimestampType;
  readonly logAppendTimeMs?: bigint;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
}

const NO_HEADERS: readonly RecordHeader[] = [];

function readHeaders(reader: VarintReader): readonly RecordHeader[] {
  const count = reader.varint();
  if (count === 0) return NO_HEADERS;
  // Each header takes two bytes at least, so a larger count is a lie that must not size anything.
  if (count < 0 || count > reader.end - reader.position) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, `Found invalid number of record headers ${count}`);
  }
  const headers: RecordHeader[] = [];
  for (let index = 0; index < count; index++) {
    const key = reader.bytes(reader.varint());
    if (key === null) throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Invalid negative header key size');
    headers.push({ key: key.toString('utf8'), value: reader.bytes(reader.varint()) });
  }
  return headers;
}

/** Decodes `recordCount` records of the uncompressed `payload`. @throws RecordsFault INVALID_RECORD */
export function* iteratePayload(header: BatchHeader, payload: Buffer): Generator<LogRecord, void, undefined> {
  const reader = new VarintReader(payload, 0, payload.length);
  const appendTimeMs = header.timestampType === 'LogAppendTime' ? header.maxTimestampMs : undefined;
  for (let index = 0; index < header.recordCount; index++) {
    reader.end = payload.length;
    const bodyBytes = reader.varint();
    const bodyEnd = reader.position + bodyBytes;
    if (bodyBytes < 0 || bodyEnd > payload.length) {
      throw new RecordsFault(
        ErrorCode.INVALID_RECORD,
        `Invalid record size: expected ${bodyBytes} bytes in record payload, but only ${payload.length - reader.position} remain`,
      );
    }
    reader.end = bodyEnd;
    reader.byte();
    const timestampDelta = reader.varlong();
    const offsetDelta = reader.varint();
    const key = reader.bytes(reader.varint());
    const value = reader.bytes(reader.varint());
    const headers = readHeaders(reader);
    if (reader.position !== bodyEnd) {
      throw new RecordsFault(
        ErrorCode.INVALID_RECORD,
        `Invalid record size: ${bodyEnd - reader.position} of ${bodyBytes} bytes are left in the record`,
      );
    }
    yield {
      offset: header.baseOffset + BigInt(offsetDelta),
      timestampMs: appendTimeMs ?? BigInt.asIntN(64, header.baseTimestampMs + timestampDelta),
      key,
      value,
      headers,
    };
  }
  if (reader.position !== payload.length) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Incorrect declared batch size, records still remaining in file');
  }
}

/** What the batch holds behind its header, decompressed. `batch` is exactly one whole v2 batch. */
export function batchPayload(batch: Buffer, header: BatchHeader, bytesMax = DECOMPRESSED_BYTES_MAX): Buffer {
  return decompress(header.compression, batch.subarray(BATCH_HEADER_BYTES, header.batchBytes), bytesMax);
}

/**
 * The records of one whole v2 batch, one after the other; decompresses the batch first, decodes as it goes.
 * @throws RecordsFault on bytes that are no batch (the CRC is not looked at)
 */
export function* iterateRecords(
  batch: Buffer,
  bytesMax = DECOMPRESSED_BYTES_MAX,
): Generator<LogRecord, void, undefined> {
  const header = readBatchHeader(batch);
  if (header.batchBytes > batch.length) throw new RecordsFault(ErrorCode.CORRUPT_MESSAGE, 'Record batch is cut');
  if (header.recordCount < 0) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, `Found invalid record count ${header.recordCount}`);
  }
  // Compaction may leave an empty batch whose payload no codec wrote (Kafka's DefaultRecordBatch.writeEmptyHeader).
  if (header.recordCount === 0) return;
  yield* iteratePayload(header, batchPayload(batch, header, bytesMax));
}

/** All records of one whole v2 batch. @throws RecordsFault as `iterateRecords` does */
export function decodeRecords(batch: Buffer, bytesMax = DECOMPRESSED_BYTES_MAX): LogRecord[] {
  return [...iterateRecords(batch, bytesMax)];
}

function lengthBytes(bytes: Buffer | null): number {
  return bytes === null ? 1 : varintBytes(bytes.length) + bytes.length;
}

function bodyBytesOf(record: RecordInput, timestampDelta: bigint, offsetDelta: number, headerKeys: Buffer[]): number {
  const headers = record.headers ?? NO_HEADERS;
  let bytes = 1 + varlongBytes(timestampDelta) + varintBytes(offsetDelta) + varintBytes(headers.length);
  bytes += lengthBytes(record.key) + lengthBytes(record.value);
  for (const { key, value } of headers) {
    const keyBytes = Buffer.from(key, 'utf8');
    headerKeys.push(keyBytes);
    bytes += lengthBytes(keyBytes) + lengthBytes(value);
  }
  return bytes;
}

function writeBytes(target: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(target, at, -1);
  const position = writeVarint(target, at, bytes.length);
  bytes.copy(target, position);
  return position + bytes.length;
}

/** Encodes the records behind `reservedBytes` that the caller fills in. */
function encodePayload(records: readonly RecordInput[], baseTimestampMs: bigint, reservedBytes: number): Buffer {
  const bodies = new Array<number>(records.length);
  const headerKeys: Buffer[] = [];
  let bytes = reservedBytes;
  for (let index = 0; index < records.length; index++) {
    const record = records[index] as RecordInput;
    const body = bodyBytesOf(record, record.timestampMs - baseTimestampMs, index, headerKeys);
    bodies[index] = body;
    bytes += varintBytes(body) + body;
  }
  const target = Buffer.allocUnsafe(bytes);
  let at = reservedBytes;
  let headerKey = 0;
  for (let index = 0; index < records.length; index++) {
    const record = records[index] as RecordInput;
    const headers = record.headers ?? NO_HEADERS;
    at = writeVarint(target, at, bodies[index] as number);
    target[at++] = 0;
    at = writeVarlong(target, at, record.timestampMs - baseTimestampMs);
    at = writeVarint(target, at, index);
    at = writeBytes(target, at, record.key);
    at = writeBytes(target, at, record.value);
    at = writeVarint(target, at, headers.length);
    for (const { value } of headers) {
      at = writeBytes(target, at, headerKeys[headerKey++] as Buffer);
      at = writeBytes(target, at, value);
    }
  }
  return target;
}

/** Builds one v2 batch, CRC included. The base timestamp is the first record's, as Kafka's builder has it. */
export function encodeBatch(input: BatchInput): Buffer {
  const { records, compression = 'none', timestampType = 'CreateTime' } = input;
  if (records.length === 0) throw new RangeError('A record batch holds at least one record');
  const baseTimestampMs = (records[0] as RecordInput).timestampMs;
  let batch: Buffer;
  if (compression === 'none') {
    batch = encodePayload(records, baseTimestampMs, BATCH_HEADER_BYTES);
  } else {
    const compressed = compress(compression, encodePayload(records, baseTimestampMs, 0), input.compressionLevel);
    batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + compressed.length);
    compressed.copy(batch, BATCH_HEADER_BYTES);
  }
  let maxTimestampMs = input.logAppendTimeMs ?? NO_TIMESTAMP_MS;
  if (timestampType === 'CreateTime' || input.logAppendTimeMs === undefined) {
    for (const { timestampMs } of records) if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs;
  }
  writeBatchHeader(batch, {
    baseOffset: input.baseOffset,
    leaderEpoch: input.leaderEpoch ?? -1,
    attributes:
      compressionIdOf(compression) |
      (timestampType === 'LogAppendTime' ? batchAttribute.logAppendTime : 0) |
      (input.isTransactional === true ? batchAttribute.transactional : 0) |
      (input.isControl === true ? batchAttribute.control : 0),
    lastOffsetDelta: records.length - 1,
    baseTimestampMs,
    maxTimestampMs,
    producerId: input.producerId ?? NO_PRODUCER_ID,
    producerEpoch: input.producerEpoch ?? -1,
    baseSequence: input.baseSequence ?? -1,
    recordCount: records.length,
  });
  return batch;
}

/** Fills in the header of `batch`, whose payload is in place already; length, magic and CRC follow from it. */
export function writeBatchHeader(
  batch: Buffer,
  header: Omit<
    BatchHeader,
    | 'batchBytes'
    | 'magic'
    | 'crc'
    | 'compression'
    | 'timestampType'
    | 'isTransactional'
    | 'isControl'
    | 'hasDeleteHorizon'
  >,
): void {
  batch.writeBigInt64BE(header.baseOffset, 0);
  batch.writeInt32BE(batch.length - BATCH_PREFIX_BYTES, batchField.length);
  batch.writeInt32BE(header.leaderEpoch, batchField.leaderEpoch);
  batch[batchField.magic] = 2;
  batch.writeInt16BE(header.attributes, batchField.attributes);
  batch.writeInt32BE(header.lastOffsetDelta, batchField.lastOffsetDelta);
  batch.writeBigInt64BE(header.baseTimestampMs, batchField.baseTimestamp);
  batch.writeBigInt64BE(header.maxTimestampMs, batchField.maxTimestamp);
  batch.writeBigInt64BE(header.producerId, batchField.producerId);
  batch.writeInt16BE(header.producerEpoch, batchField.producerEpoch);
  batch.writeInt32BE(header.baseSequence, batchField.baseSequence);
  batch.writeInt32BE(header.recordCount, batchField.recordCount);
  batch.writeUInt32BE(computeBatchCrc(batch), batchField.crc);
}
