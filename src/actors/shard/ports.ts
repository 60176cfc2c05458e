// The storage ports: what the actors need of a store, whichever it is (memory, embedded LMDB, JetStream with SeaweedMQ).
//
// A shard is the one unit of ownership, fencing and commit. A node opens a shard, which fences every earlier owner, and
// then appends to it in groups; a group lands whole or not at all. Inside a shard lie the logs of several partitions.

import type { Health, StorageFigures, TraceContext } from '../../events.ts';

/** `<topic id as Kafka prints it (22 characters base64url)>-<partition index>`: names a partition's log for ever. */
export type PartitionKey = string & { readonly __partitionKey: unique symbol };

/** The key of partition `index` of the topic with id `topicId`. */
export function partitionKey(topicId: string, index: number): PartitionKey {
  return `${topicId}-${index}` as PartitionKey;
}

/** A whole record batch (magic 2) with its final offsets and leader epoch patched in, stored byte for byte. */
export interface BatchEntry {
  readonly kind: 'batch';
  readonly partition: PartitionKey;
  readonly baseOffset: bigint;
  /** Offset of the batch's last record; the next batch of the partition starts above it. */
  readonly lastOffset: bigint;
  /** Largest record timestamp of the batch, ms since 1970; -1n when it has none. */
  readonly maxTimestampMs: bigint;
  /** The batch. Not changed by anybody once handed over. */
  readonly bytes: Uint8Array;
  /** Of the request that brought it, if sampled: for spans of what becomes of it later. Not stored. */
  readonly trace?: TraceContext;
}

/** Derived state of a partition (producers, epochs, …) as of `offset`: a later replay starts there. Replaces the former. */
export interface CheckpointEntry {
  readonly kind: 'checkpoint';
  readonly partition: PartitionKey;
  /** State covers every record below this offset. */
  readonly offset: bigint;
  readonly bytes: Uint8Array;
}

/** Records below `offset` are gone from now on (retention, DeleteRecords); their space is freed in time. */
export interface LogStartEntry {
  readonly kind: 'logStart';
  readonly partition: PartitionKey;
  readonly offset: bigint;
}

/** The partition's whole log is gone (its topic was deleted). */
export interface RemovalEntry {
  readonly kind: 'removal';
  readonly partition: PartitionKey;
}

export type LogEntry = BatchEntry | CheckpointEntry | LogStartEntry | RemovalEntry;

/** What a store knows of one partition's log. */
export interface LogDescription {
  readonly logStartOffset: bigint;
  /** Offset the next batch will get: one above the last stored record, or the log start of an emptied log. */
  readonly nextOffset: bigint;
  /** Bytes of record batches at or above the log start. */
  readonly bytes: number;
  readonly checkpoint?: { readonly offset: bigint; readonly bytes: Uint8Array };
}

/** An opened shard. Only the latest opener may append; every call of an earlier one rejects with `fenced`. */
export interface ShardLog {
  readonly shard: number;
  /** This opening's epoch: Kafka's leader epoch of every partition in the shard. Larger than every earlier one. */
  readonly epoch: number;

  /**
   * Commits a group: durable, by the configured level, when the promise resolves; entries take effect in order.
   * The caller keeps one append in flight a shard.
   * @throws StorageFault `fenced` | `full` | `unavailable`: nothing was committed. `outcome-unknown`: it may have been;
   *   the shard must be opened again before it is used.
   */
  append(entries: readonly LogEntry[]): Promise<void>;

  /** The partition's log as committed; an unknown partition is an empty log from 0. */
  describe(partition: PartitionKey): Promise<LogDescription>;

  /**
   * Whole batches in offset order, the first being the one that holds `fromOffset` or else the next one above it.
   * Stops before `bytesMax` is passed, but returns at least one batch if `atLeastOne`, and none that starts at or above
   * `endOffset`. Each buffer holds one or more whole batches. Empty: nothing there.
   */
  read(
    partition: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]>;

  /** The first 61 bytes (the v2 batch header) of every batch from the one holding `fromOffset` on, in order. */
  headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array>;

  /** Base offset of the first batch at or above the log start whose largest timestamp is >= `timestampMs`, if any. */
  firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): Promise<bigint | undefined>;

  /** Base offset of the batch that holds the largest timestamp (the first such), if the log has any. */
  batchOfMaxTimestamp(partition: PartitionKey): Promise<bigint | undefined>;

  /** The largest batch boundary such that at least `bytes` of batches remain at or above it (retention by size). */
  offsetToKeep(partition: PartitionKey, bytes: number): Promise<bigint>;

  /** Bytes by partition, of every partition that has a log in this shard. */
  sizes(): Promise<ReadonlyMap<PartitionKey, number>>;

  /** Lets the shard go; the handle is of no use after that. Waits for the append in flight. */
  close(): Promise<void>;
}

/** How a store and what it rests on fare. */
export interface StorageStatus {
  /** By part, e.g. `journal`, `seaweedmq`. */
  readonly parts: Readonly<Record<string, Health>>;
  readonly figures: StorageFigures;
}

export interface ShardStorage {
  /** Takes the shard for `node`, fencing every earlier owner. @throws StorageFault */
  openShard(shard: number, node: number): Promise<ShardLog>;
  /** Volume figures for DescribeLogDirs (KIP-827): -1 where the store cannot know. */
  volume(): Promise<{ readonly path: string; readonly totalBytes: number; readonly usableBytes: number }>;
  /** How it fares, from memory: for /readyz and /metrics. Absent: nothing to tell. */
  status?(): StorageStatus;
  /**
   * Takes back the memory of buffers that ShardLog.read gave and that nobody looks at any more, each at most once; others
   * are passed over. Absent, or not called: the garbage collector does it.
   */
  reclaim?(buffers: readonly Uint8Array[]): void;
  close(): Promise<void>;
}

export interface MetadataValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** Grows with every change of the key; never 0. */
  readonly revision: number;
}

/** Small, rarely written truth: the view, topics, configs, id blocks. Changed only by compare-and-set. */
export interface MetadataStore {
  get(key: string): Promise<MetadataValue | undefined>;
  /** All values whose key starts with `prefix`, in key order. */
  list(prefix: string): Promise<MetadataValue[]>;
  /**
   * Sets `key` if its revision is still `expectedRevision` (0: it does not exist). Durable when it resolves.
   * @returns the new revision, or undefined when another change came first.
   * @throws StorageFault `unavailable` | `full` | `outcome-unknown`
   */
  put(key: string, value: Uint8Array, expectedRevision: number): Promise<number | undefined>;
  /** Deletes `key` if its revision is still the expected one. @returns whether it did. */
  delete(key: string, expectedRevision: number): Promise<boolean>;
  /**
   * Calls `onChange` for each change of a key with this prefix, in order, from the call on (undefined value: deleted).
   * A change that this process makes is told before its own put or delete resolves.
   * @returns stops the watch.
   */
  watch(prefix: string, onChange: (key: string, value: MetadataValue | undefined) => void): () => void;
  close(): Promise<void>;
}

export type StorageFaultCode = 'fenced' | 'full' | 'unavailable' | 'outcome-unknown' | 'corrupt';

/** An operating fault of a store. */
export class StorageFault extends Error {
  readonly code: StorageFaultCode;
  readonly retriable: boolean;

  constructor(code: StorageFaultCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StorageFault';
    this.code = code;
    this.retriable = code !== 'corrupt';
  }
}
