// A workload that two processes can both compute: the n-th group of a shard is a function of the shard, n and what the
// groups before have left. The one that writes may be killed; the other knows what must be there.

import { type LogEntry, type PartitionKey, partitionKey } from '../../src/actors/shard/ports.ts';
import type { EmbeddedLimits } from '../../src/storage/embedded/limits.ts';
import { batch } from './batches.ts';
import { Model } from './model.ts';

export const WORKLOAD_SHARDS = 3;
const BYTES = [61, 200, 3000, 9000, 20_000, 70_000];

/** Everything small, so that a short run rolls segments, switches journals and settles many times. */
export const SMALL_LIMITS: Partial<EmbeddedLimits> = {
  journalBytesMax: 512 << 10,
  journalBytesReserved: 32 << 10,
  directBytesMin: { fsync: 16 << 10, os: 16 << 10 },
  inlineBytesMax: 64 << 10,
  segmentBytesMax: 256 << 10,
  runBytesMax: 16 << 10,
  spanRunsMax: 8,
  pendingRunsMax: 100,
  pendingBytesMax: 1 << 20,
  openFilesMax: 8,
};

export function workloadPartitions(shard: number): PartitionKey[] {
  return [0, 1, 2].map((index) => partitionKey('AAAAAAAAAAAAAAAAAAAAAw', shard * 10 + index));
}

/** One shard's groups in order. */
export class Workload {
  readonly shard: number;
  readonly model = new Model();
  private readonly partitions: PartitionKey[];
  private readonly recent = new Map<PartitionKey, bigint[]>();
  private state: number;

  constructor(shard: number) {
    this.shard = shard;
    this.partitions = workloadPartitions(shard);
    this.state = shard * 7919 + 17;
  }

  /** The next group; the model has it from now on. */
  next(): LogEntry[] {
    const entries: LogEntry[] = [];
    for (let count = 1 + this.random(4); count > 0; count--) {
      const partition = this.partitions[this.random(3)]!;
      const entry = this.entry(partition);
      entries.push(entry);
      this.model.apply(entry);
    }
    return entries;
  }

  private entry(partition: PartitionKey): LogEntry {
    const next = this.model.next(partition);
    const recent = this.recent.get(partition) ?? [];
    this.recent.set(partition, recent);
    const dice = this.random(200);
    if (dice === 0) {
      this.recent.delete(partition);
      return { kind: 'removal', partition };
    }
    if (dice < 10) return { kind: 'checkpoint', partition, offset: next, bytes: Buffer.alloc(this.random(3000), dice) };
    if (recent.length > 12) {
      const offset = recent[8]! + BigInt(this.random(3));
      recent.splice(0, 8);
      return { kind: 'logStart', partition, offset };
    }
    recent.push(next);
    return batch(partition, next, {
      records: 1 + this.random(5),
      bytes: BYTES[this.random(BYTES.length)],
      timestampMs: BigInt(this.random(100)),
      seed: this.random(1 << 20),
    });
  }

  private random(below: number): number {
    this.state = (Math.imul(this.state, 1103515245) + 12345) & 0x7fffffff;
    return (this.state >>> 8) % below;
  }
}
