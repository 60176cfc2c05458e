// Idempotent producers (KIP-98): per producer id its epoch and the last five batches, by which a repeated batch is
// answered with the offset it has and a gap is refused. Source of the rules: Kafka's ProducerStateManager and
// ProducerAppendInfo.

import { ErrorCode } from '../../protocol/errors.ts';
import type { BatchHeader } from '../../protocol/records/batch.ts';

/** Batches remembered per producer: a client may have up to five requests in flight. */
export const BATCHES_REMEMBERED = 5;

export interface ProducerBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: bigint;
}

export interface ProducerState {
  epoch: number;
  /** Largest timestamp of the last batch, ms; decides when an idle producer is forgotten. */
  lastTimestampMs: bigint;
  /** Oldest first, at most five. */
  batches: ProducerBatch[];
}

export type SequenceVerdict =
  | { readonly kind: 'append' }
  | { readonly kind: 'duplicate'; readonly baseOffset: bigint }
  | { readonly kind: 'refused'; readonly errorCode: number; readonly errorMessage: string };

const APPEND: SequenceVerdict = { kind: 'append' };
const SEQUENCE_MODULUS = 2 ** 31;

/** Sequence number `count` after `sequence`; wraps from 2^31 - 1 to 0. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCE_MODULUS;
}

/** Decides whether a producer's batch is the next one, one already appended, or out of order. */
export function judgeSequence(producers: ReadonlyMap<bigint, ProducerState>, header: BatchHeader): SequenceVerdict {
  const producer = producers.get(header.producerId);
  // A producer of which nothing is known may start anywhere: its earlier records may have been deleted (KIP-360).
  if (producer === undefined) return APPEND;
  if (header.producerEpoch < producer.epoch) {
    return refused(
      ErrorCode.INVALID_PRODUCER_EPOCH,
      `producer ${header.producerId} has epoch ${producer.epoch}, the batch is of epoch ${header.producerEpoch}`,
    );
  }
  if (header.producerEpoch > producer.epoch) {
    if (header.baseSequence === 0) return APPEND;
    return refused(
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
      `epoch ${header.producerEpoch} of producer ${header.producerId} starts at sequence ${header.baseSequence}, not 0`,
    );
  }
  const lastSequence = sequenceAfter(header.baseSequence, header.lastOffsetDelta);
  const same = producer.batches.find(
    (batch) => batch.firstSequence === header.baseSequence && batch.lastSequence === lastSequence,
  );
  if (same !== undefined) return { kind: 'duplicate', baseOffset: same.baseOffset };
  const last = producer.batches.at(-1);
  if (last === undefined || header.baseSequence === sequenceAfter(last.lastSequence, 1)) return APPEND;
  return refused(
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    `producer ${header.producerId} sends sequence ${header.baseSequence} after ${last.lastSequence}`,
  );
}

/** Folds an appended batch into the producers' state. */
export function applyToProducer(producers: Map<bigint, ProducerState>, header: BatchHeader): void {
  const batch: ProducerBatch = {
    firstSequence: header.baseSequence,
    lastSequence: sequenceAfter(header.baseSequence, header.lastOffsetDelta),
    baseOffset: header.baseOffset,
  };
  const producer = producers.get(header.producerId);
  if (producer === undefined || producer.epoch !== header.producerEpoch) {
    producers.set(header.producerId, {
      epoch: header.producerEpoch,
      lastTimestampMs: header.maxTimestampMs,
      batches: [batch],
    });
    return;
  }
  producer.lastTimestampMs = header.maxTimestampMs;
  producer.batches.push(batch);
  if (producer.batches.length > BATCHES_REMEMBERED) producer.batches.shift();
}

function refused(errorCode: number, errorMessage: string): SequenceVerdict {
  return { kind: 'refused', errorCode, errorMessage };
}
