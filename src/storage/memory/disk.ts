// The disk that memory stores share: owns every shard's logs and the metadata, decides who may write a shard (the
// latest opener) and what a power loss takes (whatever was not synced). Several stores, one a node, may use one disk.

import type { LogEntry, MetadataValue, PartitionKey } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import { MemoryPartitionLog, type Undo } from './partition-log.ts';

export interface MemoryDiskOptions {
  /** `fsync` (default): what is applied is durable. `os`: it is durable after the next `sync()`; a power loss takes it. */
  readonly durability?: 'fsync' | 'os';
  /** Bytes of batches, checkpoints and metadata the disk holds; more is answered with `full`. Default: no limit. */
  readonly bytesMax?: number;
}

export type MetadataListener = (key: string, value: MetadataValue | undefined, writer: object) => void;

export interface MemoryShard {
  epoch: number;
  /** Grows at every opening and power loss; a handle of an earlier one is fenced. */
  opening: number;
  readonly partitions: Map<PartitionKey, MemoryPartitionLog>;
}

export class MemoryDisk {
  private readonly durability: 'fsync' | 'os';
  private bytesMax: number;
  private readonly shards = new Map<number, MemoryShard>();
  private readonly metadata = new Map<string, MetadataValue>();
  private revision = 0;
  private unsynced: Undo[] = [];
  private readonly listeners = new Set<MetadataListener>();

  constructor(options: MemoryDiskOptions = {}) {
    this.durability = options.durability ?? 'fsync';
    this.bytesMax = options.bytesMax ?? Number.POSITIVE_INFINITY;
  }

  /** Changes how much the disk holds: makes it full, or gives it space again. */
  resize(bytesMax: number): void {
    this.bytesMax = bytesMax;
  }

  /** Bytes held now. */
  usedBytes(): number {
    let used = 0;
    for (const shard of this.shards.values()) {
      for (const log of shard.partitions.values()) {
        const description = log.describe();
        used += description.bytes + (description.checkpoint?.bytes.length ?? 0);
      }
    }
    for (const value of this.metadata.values()) used += value.value.length;
    return used;
  }

  /** -1 when the disk has no limit. */
  capacityBytes(): number {
    return Number.isFinite(this.bytesMax) ? this.bytesMax : -1;
  }

  shard(number: number): MemoryShard {
    let shard = this.shards.get(number);
    if (shard === undefined) {
      shard = { epoch: -1, opening: 0, partitions: new Map() };
      this.shards.set(number, shard);
    }
    return shard;
  }

  /** Opens a shard. An epoch is durable at once at every durability: a leader epoch is never given out twice. */
  open(number: number): { readonly epoch: number; readonly opening: number } {
    const shard = this.shard(number);
    shard.epoch += 1;
    shard.opening += 1;
    return { epoch: shard.epoch, opening: shard.opening };
  }

  /** Applies a group whole. @throws StorageFault `full`, InvariantBroken; nothing is applied then. */
  apply(number: number, entries: readonly LogEntry[]): void {
    this.requireSpace(entries);
    const shard = this.shard(number);
    const undos: Undo[] = [];
    try {
      for (const entry of entries) undos.push(applyEntry(shard, entry));
    } catch (error) {
      takeBack(undos);
      throw error;
    }
    this.applied(undos);
  }

  get(key: string): MetadataValue | undefined {
    return this.metadata.get(key);
  }

  list(prefix: string): MetadataValue[] {
    return [...this.metadata.values()]
      .filter((value) => value.key.startsWith(prefix))
      .sort((left, right) => Buffer.compare(Buffer.from(left.key), Buffer.from(right.key)));
  }

  /** Compare-and-set; undefined `bytes` deletes. Listeners are told before it returns. @returns the new revision. */
  set(key: string, bytes: Uint8Array | undefined, expectedRevision: number, writer: object): number | undefined {
    const former = this.metadata.get(key);
    if ((former?.revision ?? 0) !== expectedRevision) return undefined;
    if (bytes !== undefined && this.usedBytes() + bytes.length - (former?.value.length ?? 0) > this.bytesMax) {
      throw new StorageFault('full', 'the memory disk is full');
    }
    // One counter for all keys: a key deleted and made again still gets a revision above its earlier ones.
    this.revision += 1;
    const value = bytes === undefined ? undefined : { key, value: bytes, revision: this.revision };
    if (value === undefined) this.metadata.delete(key);
    else this.metadata.set(key, value);
    this.applied([
      () => {
        if (former === undefined) this.metadata.delete(key);
        else this.metadata.set(key, former);
      },
    ]);
    for (const listener of [...this.listeners]) listener(key, value, writer);
    return this.revision;
  }

  listen(listener: MetadataListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Everything applied so far survives a power loss from here on. */
  sync(): void {
    this.unsynced = [];
  }

  /** The machine dies: what was not synced is gone and every open handle is fenced. */
  losePower(): void {
    takeBack(this.unsynced);
    this.unsynced = [];
    for (const shard of this.shards.values()) shard.opening += 1;
  }

  private applied(undos: readonly Undo[]): void {
    if (this.durability === 'os') this.unsynced.push(...undos);
  }

  private requireSpace(entries: readonly LogEntry[]): void {
    if (!Number.isFinite(this.bytesMax)) return;
    let added = 0;
    for (const entry of entries) {
      if (entry.kind === 'batch' || entry.kind === 'checkpoint') added += entry.bytes.length;
    }
    // What only frees space goes through on a full disk.
    if (added > 0 && this.usedBytes() + added > this.bytesMax)
      throw new StorageFault('full', 'the memory disk is full');
  }
}

function applyEntry(shard: MemoryShard, entry: LogEntry): Undo {
  const former = shard.partitions.get(entry.partition);
  if (entry.kind === 'removal') {
    shard.partitions.delete(entry.partition);
    return () => {
      if (former !== undefined) shard.partitions.set(entry.partition, former);
    };
  }
  const log = former ?? new MemoryPartitionLog();
  const undo = change(log, entry);
  shard.partitions.set(entry.partition, log);
  return () => {
    undo();
    if (former === undefined) shard.partitions.delete(entry.partition);
  };
}

function change(log: MemoryPartitionLog, entry: Exclude<LogEntry, { kind: 'removal' }>): Undo {
  switch (entry.kind) {
    case 'batch':
      return log.append(entry);
    case 'checkpoint':
      return log.keepCheckpoint(entry);
    case 'logStart':
      return log.moveLogStart(entry.offset);
  }
}

function takeBack(undos: readonly Undo[]): void {
  for (let index = undos.length - 1; index >= 0; index--) undos[index]!();
}
