// Group commit: what is ready while a journal record is being written forms the next one, whichever shards it is of.
//
//   append → draft → segment writes (+ sync), look-ups → queue → one record → applied, in order → resolved
//
// Owns the order of commits, and with it who is fenced: a handle counts when its draft enters a record and no later
// opening of its shard has entered one before.

import { performance } from 'node:perf_hooks';
import { InvariantBroken } from '../../actors/runtime/errors.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import type { Draft, Drafter, SegmentWrite } from './draft.ts';
import { faultOf, saysFull } from './faults.ts';
import { encodeItem } from './items.ts';
import { type Journal, RECORD_HEAD_BYTES } from './journal.ts';
import type { LogReader } from './log-reader.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { Settlement } from './settlement.ts';
import type { Volume } from './volume.ts';

const ARENA_BYTES = 1 << 20;
const RECORD_BYTES_GOAL = 4 << 20;
/** Up to this size a write to the page cache costs less than the way to the thread pool and back. */
const SYNC_WRITE_BYTES_MAX = 64 << 10;
const STALL_MS = 4;
const STALLED_WRITES = 200;

/** Something to be committed for a shard. */
export interface Commit {
  readonly draft: Draft;
  /** @throws StorageFault `fenced`, at the moment the commit gets its place in the order. */
  readonly enter: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface CommitQueueOptions {
  readonly journal: Journal;
  readonly files: SegmentFiles;
  readonly volume: Volume;
  readonly drafter: Drafter;
  readonly reader: LogReader;
  readonly settlement: Settlement;
  readonly durability: 'fsync' | 'os';
}

export class CommitQueue {
  private readonly options: CommitQueueOptions;
  private ready: Commit[] = [];
  private scheduled = false;
  private writing = false;
  private stalled = 0;
  private arena = Buffer.alloc(0);
  private arenaUsed = 0;
  /** Set when the journal failed: nothing can be committed any more. */
  failure: StorageFault | undefined;
  private busy = 0;
  private idleWaiters: (() => void)[] = [];

  constructor(options: CommitQueueOptions) {
    this.options = options;
  }

  /** Commits when the draft's bytes are in place. */
  submit(commit: Commit): void {
    this.busy += 1;
    const { writes, lookups } = commit.draft;
    if (writes.length === 0 && lookups.length === 0) {
      this.enqueue(commit);
      return;
    }
    if (lookups.length === 0 && this.writeAtOnce(commit)) return;
    this.prepare(commit).then(
      () => this.enqueue(commit),
      (error) => this.fail(commit, faultOf(error, 'writing a segment file')),
    );
  }

  /** Resolves when nothing is on its way. */
  idle(): Promise<void> {
    if (this.busy === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  /** A settlement has ended: what waited for room may find it. */
  resume(): void {
    if (!this.writing && this.ready.length > 0) this.schedule();
  }

  /** With durability `os`, a few KiB go to the page cache on the spot. @returns whether that was done (or failed). */
  private writeAtOnce(commit: Commit): boolean {
    if (this.options.durability !== 'os') return false;
    let bytes = 0;
    for (const { reservation } of commit.draft.writes) bytes += reservation.bytes;
    if (bytes > SYNC_WRITE_BYTES_MAX) return false;
    if (this.stalled > 0) {
      this.stalled -= 1;
      return false;
    }
    const startMs = performance.now();
    try {
      for (const { reservation, parts } of commit.draft.writes) {
        this.options.files.writeSync(reservation.segment.file, parts, reservation.position);
      }
    } catch (error) {
      this.fail(commit, faultOf(error, 'writing a segment file'));
      return true;
    }
    if (performance.now() - startMs > STALL_MS) this.stalled = STALLED_WRITES;
    this.enqueue(commit);
    return true;
  }

  private async prepare({ draft }: Commit): Promise<void> {
    const settled = await Promise.allSettled([
      ...draft.writes.map((write) => this.writeSegment(write)),
      ...draft.lookups.map(async (item) => {
        item.bytesGone = await this.options.reader.bytesBelow(item.log, item.offset);
      }),
    ]);
    for (const one of settled) if (one.status === 'rejected') throw one.reason;
  }

  private writeSegment({ reservation, parts }: SegmentWrite): Promise<void> {
    const { files, durability } = this.options;
    const file = reservation.segment.file;
    return new Promise((resolve, reject) => {
      const done = (error: Error | null): void => {
        if (error === null) resolve();
        else reject(error);
      };
      files.write(file, parts, reservation.position, (error) => {
        if (error === null && durability === 'fsync') files.sync(file, done);
        else done(error);
      });
    });
  }

  private enqueue(commit: Commit): void {
    this.ready.push(commit);
    if (!this.writing) this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    // After this turn's sockets were read: their appends share the record.
    setImmediate(() => {
      this.scheduled = false;
      if (!this.writing) this.writeRecord();
    });
  }

  private writeRecord(): void {
    const group = this.takeGroup();
    if (group.length === 0) return;
    let bytes = RECORD_HEAD_BYTES;
    for (const { draft } of group) bytes += draft.bytes;
    const record = this.allocate(bytes);
    let at = RECORD_HEAD_BYTES;
    for (const { draft } of group) for (const item of draft.items) at = encodeItem(item, record, at);
    this.writing = true;
    const freeing = group.every(({ draft }) => draft.freeing);
    this.options.journal.write(record, freeing, (error) => {
      this.writing = false;
      if (error === null) this.committed(group);
      else this.refused(group, freeing, error);
      if (this.ready.length > 0) this.writeRecord();
    });
  }

  /** Takes what enters the next record; fails what is fenced or finds no room. */
  private takeGroup(): Commit[] {
    const { journal, settlement } = this.options;
    const group: Commit[] = [];
    const left: Commit[] = [];
    const waiting = this.ready;
    this.ready = [];
    let bytes = RECORD_HEAD_BYTES;
    let freeing = true;
    for (const commit of waiting) {
      const { draft } = commit;
      if (bytes > RECORD_BYTES_GOAL) {
        left.push(commit);
        continue;
      }
      if (draft.bytes + RECORD_HEAD_BYTES > journal.recordBytesMax) {
        this.fail(commit, new InvariantBroken(`an append of ${draft.bytes} bytes is larger than the journal takes`));
        continue;
      }
      if (!journal.fits(bytes + draft.bytes, freeing && draft.freeing)) {
        if (group.length > 0 || settlement.running || settlement.start()) left.push(commit);
        else this.fail(commit, settlement.failure ?? new StorageFault('full', 'the journal is full'));
        continue;
      }
      if (!this.enters(commit)) continue;
      bytes += draft.bytes;
      freeing &&= draft.freeing;
      group.push(commit);
    }
    this.ready = left;
    return group;
  }

  private enters(commit: Commit): boolean {
    try {
      if (this.failure !== undefined) throw this.failure;
      commit.enter();
      return true;
    } catch (error) {
      this.fail(commit, error);
      return false;
    }
  }

  private committed(group: readonly Commit[]): void {
    const { volume } = this.options;
    for (const { draft } of group) {
      for (const item of draft.items) volume.apply(item);
      for (const { reservation } of draft.writes) volume.release(reservation, true);
    }
    this.options.settlement.startIfDue();
    for (const commit of group) {
      this.leave();
      commit.resolve();
    }
  }

  private refused(group: readonly Commit[], freeing: boolean, error: Error): void {
    let fault = faultOf(error, 'writing the journal');
    if (!saysFull(error)) {
      // After a failed write or sync nobody knows what is on the disk (a page marked clean may not be written): what
      // was in this record may be found by the next start, and nothing may follow it.
      this.failure = new StorageFault('unavailable', `the journal failed: ${error.message}; start again`, error);
      fault = new StorageFault('outcome-unknown', `writing the journal: ${error.message}`, error);
    }
    for (const commit of group) {
      // What frees space is tried again without those that take some: there are blocks kept for it.
      if (commit.draft.freeing && !freeing && this.failure === undefined) this.ready.push(commit);
      else this.fail(commit, fault);
    }
  }

  private fail(commit: Commit, error: unknown): void {
    this.options.drafter.giveUp(commit.draft);
    this.leave();
    commit.reject(error);
  }

  private leave(): void {
    this.busy -= 1;
    if (this.busy > 0) return;
    const waiters = this.idleWaiters;
    this.idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  /** Memory for a record. Its batches are read from there until they are settled, so it is never used twice. */
  private allocate(bytes: number): Buffer {
    if (this.arenaUsed + bytes > this.arena.length) {
      this.arena = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, bytes));
      this.arenaUsed = 0;
    }
    const record = this.arena.subarray(this.arenaUsed, this.arenaUsed + bytes);
    this.arenaUsed += bytes;
    return record;
  }
}
