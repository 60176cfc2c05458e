// One shard in the cold store, as its owner on this node sees it: mover, index, reader and sweeper of the shard together, and
// the regular work of pages, sweeps and looking again.

import type { TimerHandle } from '../../actors/runtime/ports.ts';
import { type PartitionKey, StorageFault } from '../../actors/shard/ports.ts';
import { ColdReader } from './cold-reader.ts';
import type { ColdBatch, ColdRange, ColdRun, ColdShard } from './cold-store.ts';
import type { SeaweedContext } from './context.ts';
import type { FilerEvent } from './filer.ts';
import type { RunCache } from './run-cache.ts';
import { ShardFiles } from './shard-files.ts';
import { ShardIndex } from './shard-index.ts';
import { ShardMover } from './shard-mover.ts';
import { Sweeper } from './sweeper.ts';

export interface SeaweedShardEvents {
  /** Runs were proven: there may be room again, for every shard. */
  readonly proven: () => void;
  readonly closed: () => void;
}

export class SeaweedShard implements ColdShard {
  readonly #context: SeaweedContext;
  readonly #shard: number;
  readonly #epoch: number;
  readonly #index = new ShardIndex();
  readonly #files: ShardFiles;
  readonly #reader: ColdReader;
  readonly #sweeper: Sweeper;
  readonly #events: SeaweedShardEvents;
  #mover: ShardMover | undefined;
  #adopted = false;
  #closed = false;
  #rounds: TimerHandle | undefined;
  #waiting: (() => void)[] = [];

  constructor(context: SeaweedContext, cache: RunCache, shard: number, epoch: number, events: SeaweedShardEvents) {
    this.#context = context;
    this.#shard = shard;
    this.#epoch = epoch;
    this.#events = events;
    this.#files = new ShardFiles(context, shard, this.#index, () => this.#mover?.settleProven());
    this.#reader = new ColdReader(context, this.#index, cache);
    this.#sweeper = new Sweeper(context, this.#index, () => this.#files.missed());
  }

  /** Learns what lies in the filer. @throws StorageFault `unavailable` */
  async load(): Promise<void> {
    await this.#files.refresh();
    this.#mover = new ShardMover(this.#context, this.#index, this.#files, this.#shard, this.#epoch, () =>
      this.#events.proven(),
    );
    this.#nextRound();
  }

  get backlogRuns(): number {
    return this.#mover?.runs ?? 0;
  }

  get oldestGivenMs(): number | undefined {
    return this.#mover?.oldestGivenMs;
  }

  get indexBytes(): number {
    let bytes = 0;
    for (const runs of this.#index.partitions()) bytes += runs.memoryBytes;
    return bytes;
  }

  onEvent(event: FilerEvent): void {
    void this.#files.onEvent(event);
  }

  /** Changes in the filer may have been missed. */
  missed(): void {
    this.#files.missed();
  }

  move(run: ColdRun): Promise<void> {
    const { limits } = this.#context;
    const bytes = run.pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (run.pieces.length === 0 || bytes > limits.batchBytesMax)
      throw new RangeError(`a run of ${bytes} bytes: at most ${limits.batchBytesMax}, and at least a batch`);
    return this.#open().move(run);
  }

  room(): Promise<void> {
    if (this.#hasRoom()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  drain(timeoutMs: number): Promise<void> {
    return this.#open().drain(timeoutMs);
  }

  range(partition: PartitionKey): ColdRange | undefined {
    const runs = this.#index.partition(partition);
    if (runs === undefined || runs.count === 0) return undefined;
    return { startOffset: runs.baseOffset(0), endOffset: runs.lastOffset(runs.count - 1) + 1n };
  }

  *partitions(): Iterable<PartitionKey> {
    for (const runs of this.#index.partitions()) if (runs.count > 0) yield runs.key;
  }

  endOfRow(partition: PartitionKey, offset: bigint): bigint {
    return this.#index.partition(partition)?.endOfRow(offset) ?? offset;
  }

  refresh(): Promise<void> {
    return this.#files.refresh();
  }

  read(
    partition: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]> {
    return this.#reader.read(partition, fromOffset, endOffset, bytesMax, atLeastOne);
  }

  headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array> {
    return this.#reader.headers(partition, fromOffset);
  }

  firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): Promise<ColdBatch | undefined> {
    return this.#reader.firstBatchAtOrAfter(partition, timestampMs);
  }

  batchOfMaxTimestamp(partition: PartitionKey): Promise<ColdBatch | undefined> {
    return this.#reader.batchOfMaxTimestamp(partition);
  }

  bytesBetween(partition: PartitionKey, fromOffset: bigint, endOffset: bigint): Promise<number> {
    return this.#reader.bytesBetween(partition, fromOffset, endOffset);
  }

  setLogStart(partition: PartitionKey, offset: bigint): void {
    this.#index.lose(this.#index.partitionToChange(partition).moveLogStart(offset));
  }

  remove(partition: PartitionKey, position: bigint): void {
    this.#index.lose(this.#index.partitionToChange(partition).remove(position));
  }

  adopt(live: ReadonlyMap<PartitionKey, bigint>): void {
    for (const [partition, logStartOffset] of live) this.setLogStart(partition, logStartOffset);
    // Up to what is known of them: a partition that comes to life later has positions above.
    for (const runs of [...this.#index.partitions()])
      if (!live.has(runs.key)) this.remove(runs.key, runs.lastPosition());
    this.#adopted = true;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#rounds !== undefined) this.#context.clock.clearTimer(this.#rounds);
    this.#mover?.close();
    this.onRoom();
    await this.#files.close();
    this.#events.closed();
  }

  /** Deletes what is dead and writes index pages, now. For tests; it happens by itself every few seconds. */
  async round(): Promise<void> {
    if (this.#files.isBehind) {
      await this.#files.refresh();
      this.#context.counters.reachable();
    }
    if (this.#adopted) await this.#sweeper.sweep(this.#mover?.openTopic);
    await this.#files.writePages(this.#mover?.openTopic);
  }

  #open(): ShardMover {
    if (this.#mover === undefined || this.#closed)
      throw new StorageFault('unavailable', `shard ${this.#shard} is not open in the cold store`);
    return this.#mover;
  }

  #hasRoom(): boolean {
    const { limits, counters } = this.#context;
    const ownBytes = this.#mover?.bytes ?? 0;
    if (this.#closed || ownBytes === 0) return true;
    return ownBytes < limits.unprovenShardBytesMax && counters.unprovenBytes < limits.unprovenBytesMax;
  }

  /** Lets those go on who wait for room, if there is. */
  onRoom(): void {
    if (!this.#hasRoom()) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  #nextRound(): void {
    if (this.#closed) return;
    this.#rounds = this.#context.clock.setTimer(this.#context.limits.sweepIntervalMs, () => {
      this.round()
        .catch((error: unknown) => {
          if (!(error instanceof StorageFault)) throw error;
          this.#context.counters.fault(error, this.#context.clock.nowMs());
        })
        .finally(() => this.#nextRound());
    });
  }
}
