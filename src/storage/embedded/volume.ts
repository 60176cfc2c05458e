// What is on the volume, as committed: shards, their partitions, segment file numbers. Applies committed items, the same
// way when they are written and when they are replayed, and deletes segment files of which nothing is left.

import type { Logger } from '../../actors/runtime/ports.ts';
import type { PartitionKey } from '../../actors/shard/ports.ts';
import type { LoadedIndex } from './index-store.ts';
import type { Item } from './items.ts';
import type { EmbeddedLimits } from './limits.ts';
import { PartitionLog, SegmentFile } from './partition-log.ts';
import type { SegmentFiles } from './segment-files.ts';

export interface Shard {
  readonly number: number;
  /** Epoch of the latest opening that was asked for; -1 before the first. */
  epoch: number;
  readonly partitions: Map<PartitionKey, PartitionLog>;
}

/** A place in a segment file that only its taker writes. */
export interface Reservation {
  readonly log: PartitionLog;
  readonly segment: SegmentFile;
  readonly position: number;
  readonly bytes: number;
}

export class Volume {
  private readonly files: SegmentFiles;
  private readonly limits: EmbeddedLimits;
  private readonly logger: Logger;
  private readonly shards = new Map<number, Shard>();
  private readonly logs = new Map<number, PartitionLog>();
  private present: readonly number[];
  private nextFile: number;
  private partitionIds: number;
  /** Makes the commits so far survive a power loss; before a file's deletion, what made it dead has to. */
  private readonly syncCommits: () => Promise<void>;
  private deletions: Promise<void> = Promise.resolve();
  private deadFiles: number[] = [];
  private deleting = false;
  /** While the journal is replayed no file is dead: a later record may name one that an earlier log start has passed. */
  private replaying = true;

  /** What changed since the last settlement. */
  dirtyLogs = new Set<PartitionLog>();
  dirtyEpochs = new Map<number, number>();
  removedLogs = new Set<PartitionLog>();
  deletedFiles: number[] = [];
  pendingRuns = 0;
  pendingBytes = 0;

  constructor(options: {
    files: SegmentFiles;
    limits: EmbeddedLimits;
    logger: Logger;
    loaded: LoadedIndex;
    /** Segment files that are there. */
    present: readonly number[];
    syncCommits: () => Promise<void>;
  }) {
    this.files = options.files;
    this.limits = options.limits;
    this.logger = options.logger;
    this.syncCommits = options.syncCommits;
    this.present = options.present;
    // Never a number again that the index, the journal or the directory still names.
    this.nextFile = options.present.reduce((next, file) => Math.max(next, file + 1), options.loaded.nextFile);
    this.partitionIds = options.loaded.nextPartitionId;
    for (const [shard, epoch] of options.loaded.epochs) this.shard(shard).epoch = epoch;
    for (const log of options.loaded.logs) {
      this.logs.set(log.id, log);
      if (log.removed) this.removedLogs.add(log);
      else this.shard(log.shard).partitions.set(log.key, log);
    }
  }

  get nextFileNumber(): number {
    return this.nextFile;
  }

  get nextPartitionId(): number {
    return this.partitionIds;
  }

  shard(number: number): Shard {
    let shard = this.shards.get(number);
    if (shard === undefined) {
      shard = { number, epoch: -1, partitions: new Map() };
      this.shards.set(number, shard);
    }
    return shard;
  }

  /** A log for a partition that has none; it counts once its `partition` item is applied. */
  newLog(key: PartitionKey, shard: number): PartitionLog {
    return new PartitionLog(this.partitionIds++, key, shard);
  }

  byId(id: number): PartitionLog | undefined {
    return this.logs.get(id);
  }

  /** As `newLog`, with the id that a journal record gives. */
  declare(id: number, key: PartitionKey, shard: number): PartitionLog {
    this.partitionIds = Math.max(this.partitionIds, id + 1);
    const log = new PartitionLog(id, key, shard);
    this.logs.set(id, log);
    return log;
  }

  /** Takes a place for `bytes` bytes in the log's newest segment file, or in a new one. @throws the error of open(2) */
  reserve(log: PartitionLog, bytes: number): Reservation {
    let segment = log.tail;
    if (segment === undefined || (segment.end > 0 && segment.end + bytes > this.limits.segmentBytesMax)) {
      segment = new SegmentFile(this.nextFile);
      this.nextFile += 1;
      this.files.create(segment.file);
      log.addFile(segment);
    }
    const position = segment.end;
    segment.end += bytes;
    segment.writers += 1;
    return { log, segment, position, bytes };
  }

  /** Gives a reservation back: `committed` or not, nobody writes there any more. */
  release(reservation: Reservation, committed: boolean): void {
    const { log, segment, position, bytes } = reservation;
    segment.writers -= 1;
    if (!committed && segment.end === position + bytes) segment.end = position;
    this.deleteDeadFiles(log);
  }

  /** Puts a committed item into effect. */
  apply(item: Item): void {
    switch (item.kind) {
      case 'partition':
        this.logs.set(item.log.id, item.log);
        this.shard(item.log.shard).partitions.set(item.log.key, item.log);
        break;
      case 'run':
        item.log.addRun(item.run);
        if (item.run.memory === undefined) {
          this.pendingRuns += 1;
          this.pendingBytes += item.run.bytes;
          this.nextFile = Math.max(this.nextFile, item.run.file + 1);
        }
        break;
      case 'checkpoint':
        item.log.checkpoint = { offset: item.offset, bytes: item.bytes };
        item.log.checkpointChanged = true;
        break;
      case 'logStart':
        item.log.moveLogStart(item.offset, item.bytesGone);
        this.deleteDeadFiles(item.log);
        break;
      case 'removal':
        this.shard(item.log.shard).partitions.delete(item.log.key);
        item.log.removed = true;
        item.log.pending = [];
        this.removedLogs.add(item.log);
        this.deleteDeadFiles(item.log);
        break;
      case 'opening':
        this.shard(item.shard).epoch = Math.max(this.shard(item.shard).epoch, item.epoch);
        this.dirtyEpochs.set(item.shard, item.epoch);
        return;
    }
    this.dirtyLogs.add(item.log);
  }

  /** The log's rows are gone: its id names nothing any more. */
  forget(log: PartitionLog): void {
    this.logs.delete(log.id);
    this.removedLogs.delete(log);
  }

  /** Ends the replay: deletes what was dead already, and files that no committed run is in. */
  endReplay(): void {
    this.replaying = false;
    const known = new Set<number>();
    for (const log of this.logs.values()) {
      this.deleteDeadFiles(log);
      for (const file of log.files.keys()) known.add(file);
    }
    this.delete(this.present.filter((file) => !known.has(file) && !this.deadFiles.includes(file)));
    this.present = [];
  }

  deleteDeadFiles(log: PartitionLog): void {
    if (this.replaying || log.files.size === 0) return;
    const dead = log.takeDeadFiles();
    if (dead.length > 0) this.delete(dead);
  }

  /** Resolves when the deletions under way are done. */
  idle(): Promise<void> {
    return this.deletions;
  }

  private delete(files: readonly number[]): void {
    this.deadFiles.push(...files);
    this.deletedFiles.push(...files);
    if (this.deleting || this.deadFiles.length === 0) return;
    this.deleting = true;
    this.deletions = this.deleteAll();
  }

  private async deleteAll(): Promise<void> {
    // The caller may be in the middle of a commit whose later items count as well.
    await Promise.resolve();
    while (this.deadFiles.length > 0) {
      const files = this.deadFiles;
      this.deadFiles = [];
      try {
        await this.syncCommits();
        for (const file of files) await this.files.remove(file);
      } catch (error) {
        // They are found again, as orphans, by the next start.
        this.logger.log('error', 'storage.segment-not-deleted', { files, error: String(error) });
      }
    }
    this.deleting = false;
  }
}
