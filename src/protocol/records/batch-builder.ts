// Builds a v2 batch record by record, in one growing buffer: however many records there are, none is kept.
import {
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  type BatchHeader,
  batchAttribute,
  batchField,
  computeBatchCrc,
  NO_PRODUCER_ID,
  NO_TIMESTAMP_MS,
  type TimestampType,
} from './batch.ts';
import { type CompressionType, compress, compressionIdOf } from './compression.ts';
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** A record to be written; its offset follows from its place. */
export interface RecordInput {
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly RecordHeader[];
}

/** Everything about a batch but its records. */
export interface BatchAttributes {
  readonly baseOffset: bigint;
  /** -1 by default: not known. */
  readonly leaderEpoch?: number;
  /** 'none' by default. */
  readonly compression?: CompressionType;
  readonly compressionLevel?: number;
  /** 'CreateTime' by default. */
  readonly timestampType?: TimestampType;
  /** With 'LogAppendTime' the time of all records; their highest by default. */
  readonly logAppendTimeMs?: bigint;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
}

const NO_HEADERS: readonly RecordHeader[] = [];
/** Body length, attributes, timestamp and offset deltas, and the lengths of key, value and headers. */
const RECORD_OVERHEAD_BYTES = 24;

function sizedBytes(bytes: Buffer | null): number {
  return bytes === null ? 1 : varintBytes(bytes.length) + bytes.length;
}

function writeSized(target: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(target, at, -1);
  const position = writeVarint(target, at, bytes.length);
  return position + bytes.copy(target, position);
}

/** About what the records take, for a builder that then rarely grows. */
export function estimateBytes(records: readonly RecordInput[]): number {
  let bytes = records.length * RECORD_OVERHEAD_BYTES;
  for (const { key, value, headers } of records) {
    bytes += (key?.length ?? 0) + (value?.length ?? 0);
    if (headers !== undefined)
      for (const header of headers) bytes += header.key.length + (header.value?.length ?? 0) + 4;
  }
  return bytes;
}

export class BatchBuilder {
  #buffer: Buffer;
  #at = BATCH_HEADER_BYTES;
  #recordCount = 0;
  #baseTimestampMs = 0n;
  #maxTimestampMs = NO_TIMESTAMP_MS;

  /** @param payloadBytes what the records will take, roughly */
  constructor(payloadBytes: number) {
    this.#buffer = Buffer.allocUnsafe(BATCH_HEADER_BYTES + payloadBytes);
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, BATCH_HEADER_BYTES, BATCH_HEADER_BYTES, this.#at);
    this.#buffer = larger;
  }

  /** Adds a record; its offset is the next one. */
  append({ timestampMs, key, value, headers = NO_HEADERS }: RecordInput): void {
    if (this.#recordCount === 0) this.#baseTimestampMs = timestampMs;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    const timestampDelta = timestampMs - this.#baseTimestampMs;
    let bodyBytes = 1 + varlongBytes(timestampDelta) + varintBytes(this.#recordCount) + varintBytes(headers.length);
    bodyBytes += sizedBytes(key) + sizedBytes(value);
    for (const header of headers) {
      const keyBytes = Buffer.byteLength(header.key);
      bodyBytes += varintBytes(keyBytes) + keyBytes + sizedBytes(header.value);
    }
    this.#reserve(varintBytes(bodyBytes) + bodyBytes);
    const target = this.#buffer;
    let at = writeVarint(target, this.#at, bodyBytes);
    target[at++] = 0;
    at = writeVarlong(target, at, timestampDelta);
    at = writeVarint(target, at, this.#recordCount++);
    at = writeSized(target, at, key);
    at = writeSized(target, at, value);
    at = writeVarint(target, at, headers.length);
    for (const header of headers) {
      at = writeVarint(target, at, Buffer.byteLength(header.key));
      at += target.write(header.key, at);
      at = writeSized(target, at, header.value);
    }
    this.#at = at;
  }

  /** The whole batch, CRC included. The base timestamp is the first record's, as Kafka's builder has it. */
  finish(attributes: BatchAttributes): Buffer {
    if (this.#recordCount === 0) throw new RangeError('A record batch holds at least one record');
    const { compression = 'none', timestampType = 'CreateTime' } = attributes;
    const plain = this.#buffer.subarray(0, this.#at);
    const batch = compression === 'none' ? plain : compressBehindHeader(plain.subarray(BATCH_HEADER_BYTES), attributes);
    writeBatchHeader(batch, {
      baseOffset: attributes.baseOffset,
      leaderEpoch: attributes.leaderEpoch ?? -1,
      attributes:
        compressionIdOf(compression) |
        (timestampType === 'LogAppendTime' ? batchAttribute.logAppendTime : 0) |
        (attributes.isTransactional === true ? batchAttribute.transactional : 0) |
        (attributes.isControl === true ? batchAttribute.control : 0),
      lastOffsetDelta: this.#recordCount - 1,
      baseTimestampMs: this.#baseTimestampMs,
      maxTimestampMs:
        timestampType === 'LogAppendTime' ? (attributes.logAppendTimeMs ?? this.#maxTimestampMs) : this.#maxTimestampMs,
      producerId: attributes.producerId ?? NO_PRODUCER_ID,
      producerEpoch: attributes.producerEpoch ?? -1,
      baseSequence: attributes.baseSequence ?? -1,
      recordCount: this.#recordCount,
    });
    return batch;
  }
}

/** Compresses a payload into a buffer that has room for the header in front of it. */
export function compressBehindHeader(
  payload: Buffer,
  { compression = 'none', compressionLevel }: Pick<BatchAttributes, 'compression' | 'compressionLevel'>,
): Buffer {
  const compressed = compress(compression, payload, compressionLevel);
  const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + compressed.length);
  compressed.copy(batch, BATCH_HEADER_BYTES);
  return batch;
}

/** The fields of a header that do not follow from others. */
export type HeaderFields = Pick<
  BatchHeader,
  | 'baseOffset'
  | 'leaderEpoch'
  | 'attributes'
  | 'lastOffsetDelta'
  | 'baseTimestampMs'
  | 'maxTimestampMs'
  | 'producerId'
  | 'producerEpoch'
  | 'baseSequence'
  | 'recordCount'
>;

/** Fills in the header of `batch`, whose payload is in place already; length, magic and CRC follow from it. */
export function writeBatchHeader(batch: Buffer, header: HeaderFields): void {
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
