// The cold store as the journal sees it: runs of committed batches go in and are told when they are proven to be stored; what
// was stored is read back by any later owner of the shard, from an empty disk too.

import type { PartitionKey } from '../../actors/shard/ports.ts';

/** Whole batches of one partition in offset order, all of them committed. */
export interface ColdRun {
  readonly partition: PartitionKey;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly maxTimestampMs: bigint;
  /**
   * The journal's sequence that holds the run's last batch. Within one log it depends on that batch alone and grows with the
   * offsets; that of a log that begins again under the same name is above all of the old one's, which is how the old one's
   * runs are told apart from those of the new.
   */
  readonly position: bigint;
  /** The batches, in pieces of whole batches. Not changed by anybody once handed over. */
  readonly pieces: readonly Uint8Array[];
}

/** A batch as a search by timestamp finds it. */
export interface ColdBatch {
  readonly baseOffset: bigint;
  readonly maxTimestampMs: bigint;
}

/** What of a partition lies in the cold store, as far as is known to be proven. */
export interface ColdRange {
  /** Base offset of the first run. */
  readonly startOffset: bigint;
  /** One above the last offset. Between the two there may be gaps, see `endOfRow`. */
  readonly endOffset: bigint;
}

/** The cold part of a shard that this node owns. Calls reject with StorageFault `unavailable` while the filer is away. */
export interface ColdShard {
  /**
   * Moves a run. Runs of a partition are given in order.
   * @returns settles when the run is proven to be stored; rejects only when the shard is closed before.
   */
  move(run: ColdRun): Promise<void>;
  /** Resolves when there is room for another run: what is not proven stays in memory to be sent again. */
  room(): Promise<void>;
  /** Has everything moved so far written and proven now instead of in some seconds. @throws StorageFault after `timeoutMs` */
  drain(timeoutMs: number): Promise<void>;

  range(partition: PartitionKey): ColdRange | undefined;
  partitions(): Iterable<PartitionKey>;
  /** The offset behind the runs that lie in a row, without a gap, from `offset` on; `offset` itself when none holds it. */
  endOfRow(partition: PartitionKey, offset: bigint): bigint;
  /** Looks through the log files again: what an earlier owner has written late is found then. */
  refresh(): Promise<void>;

  /**
   * As ShardLog.read, of what lies here: whole batches in offset order without duplicates, whoever wrote them how often. A
   * gap between two runs ends it; who begins in a gap gets what lies behind it.
   */
  read(
    partition: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]>;
  /** As ShardLog.headers, of what lies here. */
  headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array>;
  /** The first batch at or above the log start, in offset order, whose largest timestamp is >= `timestampMs`. */
  firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): Promise<ColdBatch | undefined>;
  /** The first batch that holds the largest timestamp at or above the log start. */
  batchOfMaxTimestamp(partition: PartitionKey): Promise<ColdBatch | undefined>;
  /** Bytes of the batches that end at or above `fromOffset` and begin below `endOffset`, each counted once. */
  bytesBetween(partition: PartitionKey, fromOffset: bigint, endOffset: bigint): Promise<number>;

  /** Nothing below `offset` is read any more; files without anything else are deleted in time. Never moves down. */
  setLogStart(partition: PartitionKey, offset: bigint): void;
  /** The partition's log up to `position` of the journal is gone. */
  remove(partition: PartitionKey, position: bigint): void;
  /**
   * Says which partitions there are, with their log starts; all others are gone. Nothing is deleted before this is called,
   * once the journal has been replayed.
   */
  adopt(live: ReadonlyMap<PartitionKey, bigint>): void;

  /** Lets the shard go: what is not proven rejects with `unavailable`. */
  close(): Promise<void>;
}

export interface ColdStoreStatus {
  /** Runs given and not proven yet, and their bytes. */
  readonly backlogRuns: number;
  readonly backlogBytes: number;
  /** Age of the oldest of them, ms; 0 without any. */
  readonly backlogAgeMs: number;
  readonly movedRuns: number;
  readonly movedBytes: number;
  /** Runs that a broker has acknowledged, which proves nothing. */
  readonly ackedRuns: number;
  /** Runs that were sent again because a stream broke or no proof came. */
  readonly resentRuns: number;
  /** Wall-clock ms of the last acknowledgement and the last proof; undefined before the first. */
  readonly lastAckMs: number | undefined;
  readonly lastProofMs: number | undefined;
  /** What last went wrong and when; undefined again after the next proof, or when the filer answers and nothing is to move. */
  readonly lastFault: { readonly message: string; readonly atMs: number } | undefined;
  /** Bytes that readers were given, and how many runs they had to wait for. */
  readonly readBytes: number;
  readonly fetchedRuns: number;
  /** Chunks of log files that were looked through for runs. */
  readonly scannedChunks: number;
  readonly indexBytes: number;
  readonly cacheBytes: number;
  readonly deletedFiles: number;
  /** Chunks that could not be made out; their files stay. */
  readonly unreadableChunks: number;
}

export interface ColdStore {
  /**
   * Opens the cold part of a shard that this node owns from `epoch` on; resolves when what lies there is known.
   * @throws StorageFault `unavailable`
   */
  openShard(shard: number, epoch: number): Promise<ColdShard>;
  status(): ColdStoreStatus;
  close(): Promise<void>;
}
