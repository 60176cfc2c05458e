// One opening of a shard on a memory disk. Owns its epoch and decides, at the moment an operation takes effect, whether
// it is still the latest opening.

import { InvariantBroken } from '../../actors/runtime/errors.ts';
import type { LogDescription, LogEntry, PartitionKey, ShardLog } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import { type MemoryStoreContext, writeUnder } from '../memory.ts';
import { MemoryPartitionLog } from './partition-log.ts';

const EMPTY = new MemoryPartitionLog();

export class MemoryShardLog implements ShardLog {
  readonly shard: number;
  readonly epoch: number;
  private readonly node: number;
  private readonly context: MemoryStoreContext;
  private readonly opening: number;
  private inFlight: Promise<unknown> = Promise.resolve();
  private appending = false;
  private closed = false;

  constructor(options: { context: MemoryStoreContext; shard: number; node: number; epoch: number; opening: number }) {
    this.context = options.context;
    this.shard = options.shard;
    this.node = options.node;
    this.epoch = options.epoch;
    this.opening = options.opening;
  }

  append(entries: readonly LogEntry[]): Promise<void> {
    if (this.appending)
      return Promise.reject(new InvariantBroken(`shard ${this.shard}: an append is in flight already`));
    const outcome = this.context.faults.beforeAppend?.(this.shard, entries, this.node) ?? 'ok';
    this.appending = true;
    const appended = this.context.complete('append', true, () => {
      this.requireCurrent();
      writeUnder(outcome, () => this.context.disk.apply(this.shard, entries));
    });
    const landed = (): void => {
      this.appending = false;
    };
    this.inFlight = appended.then(landed, landed);
    return appended;
  }

  describe(partition: PartitionKey): Promise<LogDescription> {
    return this.ask((log) => log.describe(), partition);
  }

  read(
    partition: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]> {
    return this.ask(
      (log) => log.read(fromOffset, endOffset, bytesMax, atLeastOne).map((batch) => this.context.lent.lend(batch)),
      partition,
    );
  }

  async *headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array> {
    yield* await this.ask((log) => log.headers(fromOffset), partition);
  }

  firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): Promise<bigint | undefined> {
    return this.ask((log) => log.firstBatchAtOrAfter(timestampMs), partition);
  }

  batchOfMaxTimestamp(partition: PartitionKey): Promise<bigint | undefined> {
    return this.ask((log) => log.batchOfMaxTimestamp(), partition);
  }

  offsetToKeep(partition: PartitionKey, bytes: number): Promise<bigint> {
    return this.ask((log) => log.offsetToKeep(bytes), partition);
  }

  sizes(): Promise<ReadonlyMap<PartitionKey, number>> {
    return this.query((partitions) => new Map([...partitions].map(([key, log]) => [key, log.describe().bytes])));
  }

  async close(): Promise<void> {
    await this.inFlight;
    this.closed = true;
  }

  private ask<T>(question: (log: MemoryPartitionLog) => T, partition: PartitionKey): Promise<T> {
    return this.query((partitions) => question(partitions.get(partition) ?? EMPTY));
  }

  private query<T>(question: (partitions: ReadonlyMap<PartitionKey, MemoryPartitionLog>) => T): Promise<T> {
    const fault = this.context.faults.beforeRead?.(this.shard, this.node) ?? 'ok';
    return this.context.complete('read', false, () => {
      this.requireCurrent();
      if (fault !== 'ok') throw new StorageFault(fault, `injected: shard ${this.shard} cannot be read`);
      return question(this.context.disk.shard(this.shard).partitions);
    });
  }

  private requireCurrent(): void {
    if (this.closed) throw new StorageFault('fenced', `shard ${this.shard}: this handle was closed`);
    if (this.context.disk.shard(this.shard).opening !== this.opening) {
      throw new StorageFault('fenced', `shard ${this.shard}: epoch ${this.epoch} has a later owner`);
    }
  }
}
