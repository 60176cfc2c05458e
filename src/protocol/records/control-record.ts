// Control records: what a transaction coordinator writes at the end of a transaction (KIP-98). The key says which kind,
// the value carries the coordinator's epoch (org.apache.kafka.common.record: ControlRecordType, EndTransactionMarker).
import { ErrorCode } from '../errors.ts';
import { encodeBatch, type LogRecord, type RecordInput } from './record.ts';
import { RecordsFault } from './records-fault.ts';

const KEY_BYTES = 4;
const VALUE_BYTES = 6;
/** Types of control records; those not listed belong to KRaft and to later versions. */
const typeIds = { abort: 0, commit: 1 } as const;

export type EndTransactionType = keyof typeof typeIds;

export interface EndTransactionMarker {
  readonly type: EndTransactionType;
  readonly coordinatorEpoch: number;
}

/** Key and value of a marker, both in version 0. */
export function encodeEndTransactionMarker(marker: EndTransactionMarker): { key: Buffer; value: Buffer } {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeInt16BE(typeIds[marker.type], 2);
  const value = Buffer.alloc(VALUE_BYTES);
  value.writeInt32BE(marker.coordinatorEpoch, 2);
  return { key, value };
}

/**
 * The marker in a record of a control batch; undefined for control records of other types, which readers skip.
 * @throws RecordsFault INVALID_RECORD when key or value are too short or of a negative version
 */
export function decodeEndTransactionMarker(record: Pick<LogRecord, 'key' | 'value'>): EndTransactionMarker | undefined {
  const { key, value } = record;
  if (key === null || key.length < KEY_BYTES || key.readInt16BE(0) < 0) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Invalid key of a control record');
  }
  const typeId = key.readInt16BE(2);
  if (typeId !== typeIds.abort && typeId !== typeIds.commit) return undefined;
  if (value === null || value.length < VALUE_BYTES || value.readInt16BE(0) < 0) {
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Invalid value of an end transaction marker');
  }
  return { type: typeId === typeIds.commit ? 'commit' : 'abort', coordinatorEpoch: value.readInt32BE(2) };
}

export interface MarkerBatchInput extends EndTransactionMarker {
  readonly baseOffset: bigint;
  readonly leaderEpoch?: number;
  readonly timestampMs: bigint;
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** The control batch that ends a producer's transaction in one partition; it has no sequence number. */
export function encodeMarkerBatch(input: MarkerBatchInput): Buffer {
  const record: RecordInput = { ...encodeEndTransactionMarker(input), timestampMs: input.timestampMs };
  return encodeBatch({
    baseOffset: input.baseOffset,
    ...(input.leaderEpoch === undefined ? {} : { leaderEpoch: input.leaderEpoch }),
    records: [record],
    producerId: input.producerId,
    producerEpoch: input.producerEpoch,
    isTransactional: true,
    isControl: true,
  });
}
