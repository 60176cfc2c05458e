// The messages that a partition's writer understands.

import type { BatchHeader } from '../../protocol/records/batch.ts';

export interface AppendRequest {
  /** One validated v2 batch (validateProduced); the actor patches its base offset and leader epoch in place. */
  readonly batch: Buffer;
  /** The batch's header, already read. */
  readonly header: BatchHeader;
  /** Time of append with LogAppendTime, else -1n. */
  readonly logAppendTimeMs: bigint;
}

export interface AppendReply {
  readonly errorCode: number;
  readonly errorMessage?: string;
  /** -1n on an error. */
  readonly baseOffset: bigint;
  readonly logStartOffset: bigint;
  readonly logAppendTimeMs: bigint;
}

export interface CoordinatorRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: bigint;
}

export interface PositionRequest {
  readonly fetchOffset: bigint;
  /** -1: not given (KIP-320). */
  readonly currentLeaderEpoch: number;
  /** -1: not given (KIP-595). */
  readonly lastFetchedEpoch: number;
}

/** Where a log stands; committed facts only. */
export interface Position {
  readonly errorCode: number;
  readonly leaderEpoch: number;
  readonly logStartOffset: bigint;
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  /** Epoch of the record at the log start; -1 in an empty log. */
  readonly logStartEpoch: number;
  /** Epoch of the last record; -1 when there has been none. */
  readonly lastEpoch: number;
  /** Present when the log diverges from what the fetcher has (KIP-595). */
  readonly divergingEpoch?: { readonly epoch: number; readonly endOffset: bigint };
}

export interface EpochEnd {
  readonly errorCode: number;
  readonly leaderEpoch: number;
  readonly endOffset: bigint;
}

/** A producer with state in a partition (DescribeProducers). */
export interface ProducerDescription {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestampMs: bigint;
}

type Nothing = Record<never, never>;

export interface PartitionProtocol {
  append(message: AppendRequest): AppendReply;
  /** Appends the records of a coordinator that lives in this partition's shard, as one batch. */
  appendRecords(message: { readonly records: readonly CoordinatorRecord[] }): {
    readonly baseOffset: bigint;
    readonly nextOffset: bigint;
  };
  position(message: PositionRequest): Position;
  /**
   * Parks until the high watermark passes `highWatermark` or `cancelAwait` names the waiter. A waiter's number is unique
   * on the asking node.
   */
  awaitAdvance(message: { readonly highWatermark: bigint; readonly waiter: number }): boolean;
  cancelAwait(message: { readonly waiter: number }): boolean;
  /** Has everybody who waits look again: the node stops. @returns how many there were */
  wakeAll(message: Nothing): number;
  /** Moves the log start up (DeleteRecords, retention, coordinator snapshots); -1n means to the high watermark. */
  deleteRecords(message: { readonly beforeOffset: bigint }): {
    readonly errorCode: number;
    readonly logStartOffset: bigint;
  };
  /** OffsetForLeaderEpoch (KIP-101, KIP-279). */
  epochEnd(message: { readonly leaderEpoch: number; readonly currentLeaderEpoch: number }): EpochEnd;
  /** Saves the derived state, so that the next load replays from here; forgets producers idle for `producerIdleMs`. */
  checkpoint(message: { readonly producerIdleMs: number }): boolean;
  describeProducers(message: Nothing): readonly ProducerDescription[];
}
