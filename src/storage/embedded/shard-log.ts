// One opening of a shard in the embedded store.

import { InvariantBroken } from '../../actors/runtime/errors.ts';
import type { LogDescription, LogEntry, PartitionKey, ShardLog } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { Draft, Drafter } from './draft.ts';
import { faultOf } from './faults.ts';
import type { LogReader } from './log-reader.ts';
import { PartitionLog } from './partition-log.ts';
import type { Shard } from './volume.ts';

const EMPTY = new PartitionLog(0, '' as PartitionKey, 0);

export interface ShardLogParts {
  readonly shard: Shard;
  readonly epoch: number;
  readonly queue: CommitQueue;
  readonly drafter: Drafter;
  readonly reader: LogReader;
  /** Whether the store is still open. */
  readonly isOpen: () => boolean;
}

export class EmbeddedShardLog implements ShardLog {
  readonly shard: number;
  readonly epoch: number;
  private readonly parts: ShardLogParts;
  private inFlight: Promise<void> | undefined;
  private closed = false;
  private landed: () => void = () => {};
  private failed: (error: unknown) => void = () => {};
  private readonly enter = (): void => this.requireCurrent();

  constructor(parts: ShardLogParts) {
    this.parts = parts;
    this.shard = parts.shard.number;
    this.epoch = parts.epoch;
  }

  append(entries: readonly LogEntry[]): Promise<void> {
    if (this.inFlight !== undefined) {
      return Promise.reject(new InvariantBroken(`shard ${this.shard}: an append is in flight already`));
    }
    const { shard, queue, drafter } = this.parts;
    let draft: Draft;
    try {
      this.requireCurrent();
      if (entries.length === 0) return Promise.resolve();
      draft = drafter.draft(shard, entries);
    } catch (error) {
      const known = error instanceof InvariantBroken || error instanceof StorageFault;
      return Promise.reject(known ? error : faultOf(error, 'making a segment file'));
    }
    const appended = new Promise<void>((resolve, reject) => {
      this.landed = (): void => {
        this.inFlight = undefined;
        resolve();
      };
      this.failed = (error): void => {
        this.inFlight = undefined;
        reject(error);
      };
    });
    this.inFlight = appended;
    queue.submit({ draft, enter: this.enter, resolve: this.landed, reject: this.failed });
    return appended;
  }

  async describe(partition: PartitionKey): Promise<LogDescription> {
    return this.parts.reader.describe(this.log(partition));
  }

  async read(
    partition: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]> {
    return this.parts.reader.read(this.log(partition), fromOffset, endOffset, bytesMax, atLeastOne);
  }

  async *headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array> {
    yield* this.parts.reader.headers(this.log(partition), fromOffset, () => this.requireCurrent());
  }

  async firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): Promise<bigint | undefined> {
    return this.parts.reader.firstBatchAtOrAfter(this.log(partition), timestampMs);
  }

  async batchOfMaxTimestamp(partition: PartitionKey): Promise<bigint | undefined> {
    return this.parts.reader.batchOfMaxTimestamp(this.log(partition));
  }

  async offsetToKeep(partition: PartitionKey, bytes: number): Promise<bigint> {
    return this.parts.reader.offsetToKeep(this.log(partition), bytes);
  }

  async sizes(): Promise<ReadonlyMap<PartitionKey, number>> {
    this.requireCurrent();
    return new Map([...this.parts.shard.partitions].map(([key, log]) => [key, log.bytes]));
  }

  async close(): Promise<void> {
    await this.inFlight?.catch(() => {});
    this.closed = true;
  }

  private log(partition: PartitionKey): PartitionLog {
    this.requireCurrent();
    return this.parts.shard.partitions.get(partition) ?? EMPTY;
  }

  private requireCurrent(): void {
    if (!this.parts.isOpen()) throw new StorageFault('unavailable', 'the store is closed');
    if (this.closed) throw new StorageFault('fenced', `shard ${this.shard}: this handle was closed`);
    if (this.parts.shard.epoch !== this.epoch) {
      throw new StorageFault('fenced', `shard ${this.shard}: epoch ${this.epoch} has a later owner`);
    }
  }
}
