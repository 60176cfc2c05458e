// The messages that a partition's writer understands.

import type { TopicConfigValues } from '../admin/topic-configs.ts';

export interface AppendRequest {
  /** One validated v2 batch (validateProduced); the actor patches its base offset and leader epoch in place. */
  readonly batch: Buffer;
  /** CurrentLeaderEpoch the client believes in; -1: it does not say. */
  readonly leaderEpoch?: number;
}

export interface AppendReply {
  readonly errorCode: number;
  readonly errorMessage?: string;
  readonly baseOffset: bigint;
  readonly logStartOffset: bigint;
  /** Time of append with LogAppendTime, else -1n. */
  readonly logAppendTimeMs: bigint;
}

export interface PositionRequest {
  readonly fetchOffset: bigint;
  /** -1: not given. KIP-320. */
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
}

/** Where a log stands, committed facts only. */
export interface Position {
  readonly errorCode: number;
  readonly leaderEpoch: number;
  readonly logStartOffset: bigint;
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  /** KIP-595 truncation answer, when the fetcher's last epoch diverges. */
  readonly divergingEpoch?: { readonly epoch: number; readonly endOffset: bigint };
}

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

export interface PartitionProtocol {
  append(message: AppendRequest): AppendReply;
  /** Appends records of a coordinator (groups, transactions) that lives in the same shard, as one batch. */
  appendRecords(message: {
    readonly records: readonly { readonly key: Buffer | null; readonly value: Buffer | null; readonly timestampMs: bigint }[];
  }): { readonly baseOffset: bigint; readonly nextOffset: bigint };
  position(message: PositionRequest): Position;
  /** Parks until the high watermark is above `highWatermark`, the log start or leadership changes, or `waitMs` is over. */
  awaitAdvance(message: { readonly highWatermark: bigint; readonly waitMs: number; readonly waiter: number }): boolean;
  /** Ends a parked awaitAdvance early. */
  cancelAwait(message: { readonly waiter: number }): void;
  /** Moves the log start up (DeleteRecords, retention, coordinator snapshots); -1n means to the high watermark. */
  deleteRecords(message: { readonly beforeOffset: bigint }): { readonly errorCode: number; readonly logStartOffset: bigint };
  /** Applies retention.ms and retention.bytes at the given facts (gathered from the store by the caller). */
  endOffsetForEpoch(message: { readonly leaderEpoch: number; readonly currentLeaderEpoch: number }): {
    readonly errorCode: number;
    readonly leaderEpoch: number;
    readonly endOffset: bigint;
  };
  /** Writes a checkpoint of the derived state, if there is anything new to save. */
  checkpoint(message: Record<never, never>): void;
  /** Producers with state in this partition (DescribeProducers). */
  describeProducers(message: Record<never, never>): readonly ProducerDescription[];
}

export interface ProducerDescription {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestampMs: bigint;
  readonly currentTransactionFirstOffset: bigint;
  readonly coordinatorEpoch: number;
}

export type { TopicConfigValues };
