// Records within a v2 batch (KIP-82, KIP-98): decoding them for those few who look inside (coordinators replaying their
// partitions, down-conversion, offsets by timestamp), and building batches of the broker's own.
import { ErrorCode } from '../errors.ts';
import { BATCH_HEADER_BYTES, type BatchHeader, readBatchHeader } from './batch.ts';
import {
  type BatchAttributes,
  BatchBuilder,
  estimateBytes,
  type RecordHeader,
  type RecordInput,
} from './batch-builder.ts';
import { DECOMPRESSED_BYTES_MAX, decompress } from './compression.ts';
import { RecordsFault } from './records-fault.ts';
import { VarintReader } from './varint.ts';

export type { RecordHeader, RecordInput } from './batch-builder.ts';

/** One record as a consumer sees it. Key, value and header values may be views of the batch. */
export interface LogRecord {
  readonly offset: bigint;
  /** -1n without one; the batch's max timestamp with LogAppendTime. */
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

export interface BatchInput extends BatchAttributes {
  /** At least one. */
  readonly records: readonly RecordInput[];
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

/** Builds one v2 batch, CRC included; offsets are consecutive from the base offset. */
export function encodeBatch(input: BatchInput): Buffer {
  const builder = new BatchBuilder(estimateBytes(input.records));
  for (const record of input.records) builder.append(record);
  return builder.finish(input);
}
