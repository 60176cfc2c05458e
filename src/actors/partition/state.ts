// A partition's durable state: where its log starts and ends, its leader epochs and its idempotent producers. All of it
// is a fold over batch headers and log-start moves, so a restart reads headers from the last checkpoint on, no records.

import type { BatchHeader } from '../../protocol/records/batch.ts';
import { lastOffsetOf } from '../../protocol/records/batch.ts';
import type { BatchEntry } from '../shard/ports.ts';
import { applyToProducer, type ProducerState } from './producers.ts';

export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: bigint;
}

export interface PartitionState {
  /** Epoch of the shard's opening under which this incarnation writes. */
  readonly leaderEpoch: number;
  logStartOffset: bigint;
  /** Offset of the next record to append, uncommitted ones included. */
  nextOffset: bigint;
  /** Ascending; an epoch under which nothing was written has no entry. */
  epochs: EpochStart[];
  readonly producers: Map<bigint, ProducerState>;
  /** Batches applied since the last checkpoint. */
  batchesSinceCheckpoint: number;
}

export type PartitionRecord =
  /** `entry` is absent in replay, where only the header is read. */
  | { readonly kind: 'appended'; readonly header: BatchHeader; readonly entry?: BatchEntry }
  | { readonly kind: 'logStartMoved'; readonly offset: bigint }
  | { readonly kind: 'producersExpired'; readonly producerIds: readonly bigint[] }
  | { readonly kind: 'checkpointed' };

export function emptyState(leaderEpoch: number): PartitionState {
  return {
    leaderEpoch,
    logStartOffset: 0n,
    nextOffset: 0n,
    epochs: [],
    producers: new Map(),
    batchesSinceCheckpoint: 0,
  };
}

export function applyRecord(state: PartitionState, record: PartitionRecord): void {
  switch (record.kind) {
    case 'appended':
      applyAppended(state, record.header);
      break;
    case 'logStartMoved':
      moveLogStart(state, record.offset);
      break;
    case 'producersExpired':
      for (const producerId of record.producerIds) state.producers.delete(producerId);
      break;
    case 'checkpointed':
      state.batchesSinceCheckpoint = 0;
      break;
  }
}

function applyAppended(state: PartitionState, header: BatchHeader): void {
  const lastEpoch = state.epochs.at(-1);
  if (lastEpoch === undefined || header.leaderEpoch > lastEpoch.epoch) {
    state.epochs.push({ epoch: header.leaderEpoch, startOffset: header.baseOffset });
  }
  state.nextOffset = lastOffsetOf(header) + 1n;
  state.batchesSinceCheckpoint++;
  if (header.producerId >= 0n && !header.isControl) applyToProducer(state.producers, header);
}

function moveLogStart(state: PartitionState, offset: bigint): void {
  if (offset <= state.logStartOffset) return;
  state.logStartOffset = offset;
  if (offset > state.nextOffset) state.nextOffset = offset;
  // Kafka keeps the epoch that covers the log start, with its start moved up (LeaderEpochFileCache.truncateFromStart).
  const covering = state.epochs.filter(({ startOffset }) => startOffset <= offset).at(-1);
  const later = state.epochs.filter(({ startOffset }) => startOffset > offset);
  state.epochs = covering === undefined ? later : [{ epoch: covering.epoch, startOffset: offset }, ...later];
}

interface StoredState {
  readonly version: 1;
  readonly epochs: readonly [number, string][];
  readonly producers: readonly [
    id: string,
    epoch: number,
    lastTimestampMs: string,
    batches: readonly [firstSequence: number, lastSequence: number, baseOffset: string][],
  ][];
}

/** The checkpoint's bytes: JSON, with 64-bit integers as decimal strings. */
export function encodeCheckpoint(state: PartitionState): Buffer {
  const stored: StoredState = {
    version: 1,
    epochs: state.epochs.map(({ epoch, startOffset }) => [epoch, String(startOffset)]),
    producers: [...state.producers].map(([id, producer]) => [
      String(id),
      producer.epoch,
      String(producer.lastTimestampMs),
      producer.batches.map((batch) => [batch.firstSequence, batch.lastSequence, String(batch.baseOffset)]),
    ]),
  };
  return Buffer.from(JSON.stringify(stored));
}

/** Restores into `state` what `encodeCheckpoint` saved. @throws Error when the version is unknown */
export function restoreCheckpoint(state: PartitionState, bytes: Uint8Array): void {
  const stored = JSON.parse(Buffer.from(bytes).toString()) as StoredState;
  if (stored.version !== 1) throw new Error(`partition checkpoint of unknown version ${stored.version}`);
  state.epochs = stored.epochs.map(([epoch, startOffset]) => ({ epoch, startOffset: BigInt(startOffset) }));
  for (const [id, epoch, lastTimestampMs, batches] of stored.producers) {
    state.producers.set(BigInt(id), {
      epoch,
      lastTimestampMs: BigInt(lastTimestampMs),
      batches: batches.map(([firstSequence, lastSequence, baseOffset]) => ({
        firstSequence,
        lastSequence,
        baseOffset: BigInt(baseOffset),
      })),
    });
  }
}
