// The partition's writer: assigns offsets, keeps idempotent producers honest, moves the high watermark as commits become
// durable and wakes the fetches that wait for it. It never reads records; LogReader does.
//
//   append ─▶ judge sequence ─▶ patch offset, epoch ─▶ record ─▶ group commit ─▶ high watermark ─▶ reply, waiters

import { ErrorCode } from '../../protocol/errors.ts';
import { lastOffsetOf, patchBatch, readBatchHeader } from '../../protocol/records/batch.ts';
import { encodeBatch, type RecordHeader } from '../../protocol/records/record.ts';
import type { ActorDefinition, ReplyTo, Turn } from '../runtime/define.ts';
import { PARKED } from '../runtime/define.ts';
import type { PartitionKey } from '../shard/ports.ts';
import { checkLeaderEpoch, endOfEpoch } from './epochs.ts';
import { judgeSequence } from './producers.ts';
import type { AppendReply, AppendRequest, PartitionProtocol } from './protocol.ts';
import type { RefusedBatches } from './refused-batches.ts';
import { applyRecord, type PartitionRecord, type PartitionState } from './state.ts';

/** Soft state: what a restart forgets. */
export interface PartitionSoft {
  readonly key: PartitionKey;
  /** One above the last durable record. */
  highWatermark: bigint;
  /** The log start that is durable. */
  logStartOffset: bigint;
  readonly waiters: Map<number, { readonly replyTo: ReplyTo<boolean>; readonly highWatermark: bigint }>;
}

export interface PartitionLimits {
  readonly mailboxMessagesMax: number;
  readonly passivateAfterMs: number;
  /** Batches after which the derived state is saved, which bounds what a load replays. */
  readonly checkpointBatches: number;
}

/** What a partition tells the node beside its replies. */
export interface PartitionEvents {
  /** A batch has become durable. */
  onCommitted(key: PartitionKey, baseOffset: bigint, nextOffset: bigint, bytes: Uint8Array): void;
}

/** State with the key it belongs to, as the binding loads it. */
export interface LoadedPartition extends PartitionState {
  readonly key: PartitionKey;
}

type PartitionTurn = Turn<PartitionProtocol, PartitionRecord>;
export type PartitionDefinition = ActorDefinition<PartitionProtocol, LoadedPartition, PartitionSoft, PartitionRecord>;

/** @param refused what the node has refused of producers */
export function definePartition(
  limits: PartitionLimits,
  events: PartitionEvents,
  refused: RefusedBatches,
): PartitionDefinition {
  function recordBatch(state: LoadedPartition, turn: PartitionTurn, batch: Buffer): void {
    patchBatch(batch, state.nextOffset, state.leaderEpoch);
    const header = readBatchHeader(batch);
    turn.record({
      kind: 'appended',
      header,
      entry: {
        kind: 'batch',
        partition: state.key,
        baseOffset: header.baseOffset,
        lastOffset: lastOffsetOf(header),
        maxTimestampMs: header.maxTimestampMs,
        bytes: batch,
        trace: turn.trace,
      },
    });
    if (state.batchesSinceCheckpoint >= limits.checkpointBatches) turn.record({ kind: 'checkpointed' });
  }

  return {
    kind: 'partition',
    mailboxMessagesMax: limits.mailboxMessagesMax,
    passivateAfterMs: limits.passivateAfterMs,
    apply: applyRecord,
    soft: (state) => ({
      key: state.key,
      highWatermark: state.nextOffset,
      logStartOffset: state.logStartOffset,
      waiters: new Map(),
    }),
    unordered: new Set(['position', 'epochEnd', 'awaitAdvance', 'cancelAwait', 'wakeAll']),
    // Of a producer with an id a batch is known again.
    repeatable: (kind, message) => kind !== 'append' || (message as AppendRequest).header.producerId >= 0n,

    handlers: {
      append(state, { batch, header, logAppendTimeMs }, turn) {
        const reply = (errorCode: number, baseOffset: bigint, errorMessage?: string): AppendReply => ({
          errorCode,
          ...(errorMessage === undefined ? {} : { errorMessage }),
          baseOffset,
          logStartOffset: state.logStartOffset,
          logAppendTimeMs: errorCode === ErrorCode.NONE ? logAppendTimeMs : -1n,
        });
        if (header.isTransactional) {
          return reply(ErrorCode.INVALID_TXN_STATE, -1n, 'the producer has no transaction open on this partition');
        }
        if (header.producerId >= 0n) {
          const verdict = judgeSequence(state.producers, header);
          if (verdict.kind === 'duplicate') return reply(ErrorCode.NONE, verdict.baseOffset);
          if (verdict.kind === 'refused') return reply(verdict.errorCode, -1n, verdict.errorMessage);
          if (!state.producers.has(header.producerId) && refused.precede(state.key, header)) {
            const message = `producer ${header.producerId} begins with sequence ${header.baseSequence}, an earlier batch was refused`;
            return reply(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1n, message);
          }
          refused.taken(state.key, header);
        }
        const baseOffset = state.nextOffset;
        recordBatch(state, turn, batch);
        return reply(ErrorCode.NONE, baseOffset);
      },

      appendRecords(state, { records }, turn) {
        const baseOffset = state.nextOffset;
        recordBatch(
          state,
          turn,
          encodeBatch({ baseOffset, records: records.map((record) => ({ ...record, headers: traceHeaders(turn) })) }),
        );
        return { baseOffset, nextOffset: state.nextOffset };
      },

      position(state, { fetchOffset, currentLeaderEpoch, lastFetchedEpoch }, _turn, soft) {
        const position = {
          leaderEpoch: state.leaderEpoch,
          logStartOffset: soft.logStartOffset,
          highWatermark: soft.highWatermark,
          lastStableOffset: soft.highWatermark,
          logStartEpoch: state.epochs[0]?.epoch ?? -1,
          lastEpoch: state.epochs.at(-1)?.epoch ?? -1,
        };
        const epochError = checkLeaderEpoch(currentLeaderEpoch, state.leaderEpoch);
        if (epochError !== ErrorCode.NONE) return { ...position, errorCode: epochError };
        if (lastFetchedEpoch >= 0) {
          const end = endOfEpoch(state.epochs, lastFetchedEpoch, state.leaderEpoch, soft.highWatermark);
          if (end.epoch >= 0 && (end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset)) {
            return { ...position, errorCode: ErrorCode.NONE, divergingEpoch: end };
          }
        }
        const inRange = fetchOffset >= soft.logStartOffset && fetchOffset <= soft.highWatermark;
        return { ...position, errorCode: inRange ? ErrorCode.NONE : ErrorCode.OFFSET_OUT_OF_RANGE };
      },

      awaitAdvance(_state, { highWatermark, waiter }, turn, soft) {
        if (soft.highWatermark > highWatermark) return true;
        soft.waiters.set(waiter, { replyTo: turn.replyTo as ReplyTo<boolean>, highWatermark });
        return PARKED;
      },

      cancelAwait(_state, { waiter }, turn, soft) {
        const waiting = soft.waiters.get(waiter);
        if (waiting === undefined) return false;
        soft.waiters.delete(waiter);
        turn.reply(waiting.replyTo, false);
        return true;
      },

      wakeAll(_state, _message, turn, soft) {
        const count = soft.waiters.size;
        for (const { replyTo } of soft.waiters.values()) turn.reply(replyTo, true);
        soft.waiters.clear();
        return count;
      },

      deleteRecords(state, { beforeOffset }, turn, soft) {
        const offset = beforeOffset === -1n ? soft.highWatermark : beforeOffset;
        if (offset < 0n || offset > soft.highWatermark) {
          return { errorCode: ErrorCode.OFFSET_OUT_OF_RANGE, logStartOffset: -1n };
        }
        if (offset > state.logStartOffset) {
          turn.record({ kind: 'logStartMoved', offset });
          // The headers of what is deleted told of its producers, whose repeats must still be known after a restart.
          turn.record({ kind: 'checkpointed' });
        }
        return { errorCode: ErrorCode.NONE, logStartOffset: state.logStartOffset };
      },

      epochEnd(state, { leaderEpoch, currentLeaderEpoch }, _turn, soft) {
        const errorCode = checkLeaderEpoch(currentLeaderEpoch, state.leaderEpoch);
        if (errorCode !== ErrorCode.NONE) return { errorCode, leaderEpoch: -1, endOffset: -1n };
        const end = endOfEpoch(state.epochs, leaderEpoch, state.leaderEpoch, soft.highWatermark);
        return { errorCode, leaderEpoch: end.epoch, endOffset: end.endOffset };
      },

      checkpoint(state, { producerIdleMs }, turn) {
        const oldest = BigInt(turn.nowMs - producerIdleMs);
        const idle = [...state.producers].filter(([, producer]) => producer.lastTimestampMs < oldest).map(([id]) => id);
        if (idle.length > 0) turn.record({ kind: 'producersExpired', producerIds: idle });
        if (idle.length === 0 && state.batchesSinceCheckpoint === 0) return false;
        turn.record({ kind: 'checkpointed' });
        return true;
      },

      describeProducers: (state) =>
        [...state.producers].map(([producerId, producer]) => ({
          producerId,
          producerEpoch: producer.epoch,
          lastSequence: producer.batches.at(-1)?.lastSequence ?? -1,
          lastTimestampMs: producer.lastTimestampMs,
        })),
    },

    committed(_state, records, turn, soft) {
      for (const record of records) {
        if (record.kind === 'logStartMoved' && record.offset > soft.logStartOffset) soft.logStartOffset = record.offset;
        if (record.kind !== 'appended' || record.entry === undefined) continue;
        const { baseOffset, lastOffset, bytes } = record.entry;
        soft.highWatermark = lastOffset + 1n;
        events.onCommitted(soft.key, baseOffset, lastOffset + 1n, bytes);
      }
      for (const [waiter, waiting] of soft.waiters) {
        if (soft.highWatermark <= waiting.highWatermark) continue;
        soft.waiters.delete(waiter);
        turn.reply(waiting.replyTo, true);
      }
    },
  };
}

/** Headers of a record that the broker makes itself: where it came from, if that is traced. */
function traceHeaders({ trace }: PartitionTurn): RecordHeader[] {
  return trace === undefined ? [] : [{ key: 'traceparent', value: Buffer.from(trace.traceparent) }];
}
