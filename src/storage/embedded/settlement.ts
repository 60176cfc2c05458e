// Settling: moves what the journal holds to where it stays. Batches kept in memory are written to their partitions'
// segment files, in long runs; then one LMDB commit takes the rows of all new runs and the state of every partition that
// changed, as of one journal sequence. After that the journal's records up to it are not needed any more.

import { performance } from 'node:perf_hooks';
import type { Logger } from '../../actors/runtime/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import { faultOf } from './faults.ts';
import type { IndexStore } from './index-store.ts';
import type { Journal } from './journal.ts';
import type { EmbeddedLimits } from './limits.ts';
import { type PartitionLog, Run, type SegmentFile, type Span } from './partition-log.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { Reservation, Volume } from './volume.ts';

/** Files being written at a time: leaves most of the thread pool to the appends. */
const WRITERS = 2;
const RETRY_MS = 200;

/** One changed partition as of the settlement's sequence. */
interface LogShot {
  readonly log: PartitionLog;
  readonly row: Buffer;
  readonly logStartOffset: bigint;
  readonly firstSpan: Span | undefined;
  readonly rowsToDelete: boolean;
  readonly checkpoint: Uint8Array | undefined;
  readonly runs: readonly Run[];
  /** Where the runs lie, in order and joined; filled as they are written. */
  rows: Run[];
  readonly reservations: Reservation[];
  readonly segments: Set<SegmentFile>;
  spans: Span[];
  rowsLeft: boolean;
}

interface Shot {
  readonly sequence: number;
  readonly nextPartitionId: number;
  readonly nextFile: number;
  readonly logs: readonly LogShot[];
  readonly epochs: ReadonlyMap<number, number>;
  readonly removedLogs: readonly PartitionLog[];
  readonly deletedFiles: readonly number[];
}

export class Settlement {
  private readonly options: {
    volume: Volume;
    journal: Journal;
    index: IndexStore;
    files: SegmentFiles;
    limits: EmbeddedLimits;
    logger: Logger;
  };
  private ended: () => void = () => {};
  private current: Promise<void> | undefined;
  private journalBytesAtStart = 0;
  private retryAtMs = 0;
  /** Why the last one failed; undefined after one that did not. */
  failure: StorageFault | undefined;

  constructor(options: Settlement['options']) {
    this.options = options;
  }

  /** @param ended called after each settlement */
  onEnd(ended: () => void): void {
    this.ended = ended;
  }

  /** One runs, and is not held up by a full disk. */
  get running(): boolean {
    return this.current !== undefined && !this.options.index.waitsForRoom;
  }

  /** Called after each commit: starts when enough has gathered. */
  startIfDue(): void {
    const { volume, journal, limits } = this.options;
    const gathered = journal.bytesWritten - this.journalBytesAtStart;
    if (
      gathered >= limits.journalBytesMax / 2 ||
      volume.pendingRuns >= limits.pendingRunsMax ||
      volume.pendingBytes >= limits.pendingBytesMax
    ) {
      this.start();
    }
  }

  /** Starts unless one runs, or one failed just now. Only between records. @returns whether one is running then. */
  start(): boolean {
    if (this.current !== undefined) return this.running;
    if (performance.now() < this.retryAtMs) return false;
    this.current = this.run().finally(() => {
      this.current = undefined;
      this.ended();
    });
    return true;
  }

  /** Settles everything there is, for a clean close. @throws StorageFault */
  async finish(): Promise<void> {
    await this.current;
    this.retryAtMs = 0;
    this.start();
    await this.current;
    if (this.failure !== undefined) throw this.failure;
  }

  private async run(): Promise<void> {
    const { volume, journal, index, logger } = this.options;
    const shot = this.shoot();
    this.journalBytesAtStart = journal.bytesWritten;
    try {
      await this.place(shot.logs);
      await index.commit(() => this.write(shot));
      this.conclude(shot);
      this.failure = undefined;
    } catch (error) {
      this.takeBack(shot);
      this.failure = error instanceof StorageFault ? error : faultOf(error, 'settling');
      this.retryAtMs = performance.now() + RETRY_MS;
      logger.log('error', 'storage.settlement-failed', { code: this.failure.code, error: this.failure.message });
    }
    for (const shotOfLog of shot.logs) volume.deleteDeadFiles(shotOfLog.log);
  }

  /** Takes the committed state of all that changed. Synchronous: it is the state of one sequence. */
  private shoot(): Shot {
    const { volume, journal, index } = this.options;
    const logs = [...volume.dirtyLogs]
      .filter((log) => !log.removed)
      .map((log) => shootLog(log, index.encodePartition(log)));
    const shot = {
      sequence: journal.lastSequence,
      nextPartitionId: volume.nextPartitionId,
      nextFile: volume.nextFileNumber,
      logs,
      epochs: volume.dirtyEpochs,
      removedLogs: [...volume.removedLogs],
      deletedFiles: volume.deletedFiles,
    };
    volume.dirtyLogs = new Set();
    volume.dirtyEpochs = new Map();
    volume.deletedFiles = [];
    volume.pendingRuns = 0;
    volume.pendingBytes = 0;
    return shot;
  }

  private takeBack(shot: Shot): void {
    const { volume, journal } = this.options;
    for (const { log, checkpoint, rowsToDelete, reservations } of shot.logs) {
      volume.dirtyLogs.add(log);
      if (checkpoint !== undefined) log.checkpointChanged = true;
      if (rowsToDelete) log.rowsToDelete = true;
      for (const reservation of reservations) volume.release(reservation, false);
    }
    for (const [shard, epoch] of shot.epochs) {
      if (!volume.dirtyEpochs.has(shard)) volume.dirtyEpochs.set(shard, epoch);
    }
    for (const log of shot.removedLogs) log.rowsGone = false;
    volume.deletedFiles.push(...shot.deletedFiles);
    this.journalBytesAtStart = journal.bytesWritten - this.options.limits.journalBytesMax;
  }

  /** Writes what is in memory to segment files and makes every file with new runs durable. */
  private async place(logs: readonly LogShot[]): Promise<void> {
    const waiting = logs.filter((shot) => shot.runs.length > 0);
    let failure: unknown;
    const worker = async (): Promise<void> => {
      for (let shot = waiting.pop(); shot !== undefined && failure === undefined; shot = waiting.pop()) {
        try {
          await this.placeLog(shot);
        } catch (error) {
          failure ??= error;
        }
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, worker));
    if (failure !== undefined) throw failure;
  }

  private async placeLog(shot: LogShot): Promise<void> {
    const { volume, files, limits } = this.options;
    const touched = new Set<number>();
    for (let from = 0; from < shot.runs.length; ) {
      const first = shot.runs[from]!;
      let upTo = from + 1;
      if (first.memory === undefined) {
        shot.rows.push(copyOf(first, first.file, first.position));
        touched.add(first.file);
        const segment = shot.log.files.get(first.file);
        if (segment !== undefined) shot.segments.add(segment);
      } else {
        let bytes = first.bytes;
        for (; upTo < shot.runs.length && shot.runs[upTo]!.memory !== undefined; upTo++) {
          if (bytes + shot.runs[upTo]!.bytes > limits.segmentBytesMax) break;
          bytes += shot.runs[upTo]!.bytes;
        }
        const stretch = shot.runs.slice(from, upTo);
        const reservation = volume.reserve(shot.log, bytes);
        shot.reservations.push(reservation);
        shot.segments.add(reservation.segment);
        touched.add(reservation.segment.file);
        const parts = stretch.map((run) => run.memory!);
        await promised((done) => files.write(reservation.segment.file, parts, reservation.position, done));
        // In the file's row, which is written with the runs'.
        shot.log.occupy(reservation.segment.file, 0, stretch[stretch.length - 1]!.lastOffset);
        let position = reservation.position;
        for (const run of stretch) {
          shot.rows.push(copyOf(run, reservation.segment.file, position));
          position += run.bytes;
        }
      }
      from = upTo;
    }
    shot.rows = joined(shot.rows, limits.runBytesMax);
    for (const file of touched) {
      // Deleted meanwhile: the log start has passed it.
      if (shot.log.files.has(file)) await promised((done) => files.sync(file, done));
    }
  }

  /** The LMDB transaction. */
  private write(shot: Shot): void {
    const { index, limits } = this.options;
    index.putState(shot.sequence, shot.nextPartitionId, shot.nextFile);
    for (const [shard, epoch] of shot.epochs) index.putEpoch(shard, epoch);
    for (const file of shot.deletedFiles) index.removeFile(file);
    for (const one of shot.logs) {
      const { log } = one;
      index.putPartition(log.id, one.row);
      if (one.checkpoint !== undefined) index.putCheckpoint(log.id, one.checkpoint);
      if (one.rowsToDelete) {
        const end = one.firstSpan?.baseOffset;
        one.rowsLeft = !index.removeRowsBelow(log.id, one.logStartOffset, end, limits.removedRowsMax);
      }
      for (const segment of one.segments) if (log.files.has(segment.file)) index.putFile(log.id, segment);
      one.spans = this.extendSpans(log, one.rows);
      for (const run of one.rows) index.putRun(log.id, run);
      for (const span of one.spans) index.putSpan(log.id, span);
    }
    let room = limits.removedRowsMax;
    for (const log of shot.removedLogs) {
      if (room > 0) room -= index.removePartition(log, room);
      else index.putPartition(log.id, index.encodePartition(log));
    }
  }

  /** New spans for `rows`, the first being the last there is, extended. */
  private extendSpans(log: PartitionLog, rows: readonly Run[]): Span[] {
    const last = log.spans[log.spans.length - 1];
    const spans: Span[] = last === undefined ? [] : [{ ...last }];
    for (const row of rows) {
      let span = spans[spans.length - 1];
      if (span === undefined || span.runs >= this.options.limits.spanRunsMax) {
        span = { baseOffset: row.baseOffset, bytesBefore: row.bytesBefore, maxTimestampMs: -1n, runs: 0 };
        spans.push(span);
      }
      span.runs += 1;
      if (row.maxTimestampMs > span.maxTimestampMs) span.maxTimestampMs = row.maxTimestampMs;
    }
    return spans;
  }

  private conclude(shot: Shot): void {
    const { volume, journal } = this.options;
    journal.settledUpTo(shot.sequence);
    for (const one of shot.logs) {
      const { log } = one;
      for (const reservation of one.reservations) volume.release(reservation, true);
      const last = one.runs[one.runs.length - 1];
      if (last !== undefined) log.settled(last);
      log.adoptSpans(one.spans);
      if (one.checkpoint !== undefined && log.checkpoint?.bytes === one.checkpoint) log.checkpoint.bytes = undefined;
      if (!one.rowsLeft) continue;
      log.rowsToDelete = true;
      volume.dirtyLogs.add(log);
    }
    for (const log of shot.removedLogs) if (log.rowsGone) volume.forget(log);
  }
}

function shootLog(log: PartitionLog, row: Buffer): LogShot {
  const shot: LogShot = {
    log,
    row,
    logStartOffset: log.logStartOffset,
    firstSpan: log.spans[0],
    rowsToDelete: log.rowsToDelete,
    checkpoint: log.checkpointChanged ? log.checkpoint?.bytes : undefined,
    runs: log.pending.slice(),
    rows: [],
    reservations: [],
    segments: new Set(),
    spans: [],
    rowsLeft: false,
  };
  log.rowsToDelete = false;
  log.checkpointChanged = false;
  return shot;
}

function copyOf(run: Run, file: number, position: number): Run {
  const copy = new Run(run.baseOffset, run.lastOffset, run.maxTimestampMs, run.bytes, run.batches);
  copy.bytesBefore = run.bytesBefore;
  copy.file = file;
  copy.position = position;
  return copy;
}

/** Joins rows that lie in a row, up to `bytesMax`: fewer rows, and reads that find more in one. */
function joined(rows: readonly Run[], bytesMax: number): Run[] {
  const result: Run[] = [];
  for (const row of rows) {
    const last = result[result.length - 1];
    const inRow =
      last !== undefined &&
      last.file === row.file &&
      last.position + last.bytes === row.position &&
      last.bytesBefore + last.bytes === row.bytesBefore &&
      last.bytes + row.bytes <= bytesMax;
    if (!inRow) {
      result.push(row);
      continue;
    }
    last.lastOffset = row.lastOffset;
    last.bytes += row.bytes;
    last.batches += row.batches;
    if (row.maxTimestampMs > last.maxTimestampMs) last.maxTimestampMs = row.maxTimestampMs;
  }
  return result;
}

function promised(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error === null ? resolve() : reject(error))));
}
