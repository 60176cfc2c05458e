// One partition's log as the process knows it: offsets, byte counts, its segment files, the sparse index of what is
// settled in LMDB (spans) and, run by run, what is not settled yet. Only committed entries change it.

import type { PartitionKey } from '../../actors/shard/ports.ts';

/** Batches that lie in a row: in memory (journal bytes) until settled, or at `position` of segment file `file`. */
export class Run {
  readonly baseOffset: bigint;
  lastOffset: bigint;
  maxTimestampMs: bigint;
  bytes: number;
  batches: number;
  /** Bytes of the partition's batches ever stored below this run. */
  bytesBefore = 0;
  memory: Uint8Array | undefined;
  file = 0;
  position = 0;

  constructor(baseOffset: bigint, lastOffset: bigint, maxTimestampMs: bigint, bytes: number, batches: number) {
    this.baseOffset = baseOffset;
    this.lastOffset = lastOffset;
    this.maxTimestampMs = maxTimestampMs;
    this.bytes = bytes;
    this.batches = batches;
  }
}

/** One entry of the sparse index: the rows of a stretch of settled runs. */
export interface Span {
  readonly baseOffset: bigint;
  readonly bytesBefore: number;
  /** Largest timestamp of the span's runs, deleted ones included. */
  maxTimestampMs: bigint;
  runs: number;
}

/** A segment file of one partition. */
export class SegmentFile {
  readonly file: number;
  /** Where the next write goes. */
  end = 0;
  /** Largest offset of the committed runs in the file; -1n when it has none. */
  lastOffset = -1n;
  /** Writes reserved but neither committed nor given up: the file is not to be deleted under them. */
  writers = 0;

  constructor(file: number) {
    this.file = file;
  }
}

export interface StoredCheckpoint {
  readonly offset: bigint;
  /** Undefined: settled, read it from the index. */
  bytes: Uint8Array | undefined;
}

export class PartitionLog {
  readonly id: number;
  readonly key: PartitionKey;
  readonly shard: number;
  logStartOffset = 0n;
  nextOffset = 0n;
  /** Bytes of batches ever stored, and those of them that are gone below the log start. */
  bytesTotal = 0;
  bytesGone = 0;
  checkpoint: StoredCheckpoint | undefined;
  /** The checkpoint changed since the last settlement. */
  checkpointChanged = false;
  files = new Map<number, SegmentFile>();
  tail: SegmentFile | undefined;
  spans: Span[] = [];
  /** Committed runs that LMDB does not have yet, in offset order. */
  pending: Run[] = [];
  /** LMDB may hold rows below the log start. */
  rowsToDelete = false;
  removed = false;
  /** Removed, and LMDB has no row of it any more. */
  rowsGone = false;

  constructor(id: number, key: PartitionKey, shard: number) {
    this.id = id;
    this.key = key;
    this.shard = shard;
  }

  get bytes(): number {
    return this.bytesTotal - this.bytesGone;
  }

  addRun(run: Run): void {
    run.bytesBefore = this.bytesTotal;
    this.bytesTotal += run.bytes;
    this.nextOffset = run.lastOffset + 1n;
    this.pending.push(run);
    if (run.memory === undefined) this.occupy(run.file, run.position + run.bytes, run.lastOffset);
  }

  /** Notes that committed bytes up to `end` and `lastOffset` are in `file`. */
  occupy(file: number, end: number, lastOffset: bigint): void {
    const segment = this.files.get(file) ?? this.addFile(new SegmentFile(file));
    if (end > segment.end) segment.end = end;
    if (lastOffset > segment.lastOffset) segment.lastOffset = lastOffset;
  }

  addFile(segment: SegmentFile): SegmentFile {
    this.files.set(segment.file, segment);
    if (this.tail === undefined || segment.file > this.tail.file) this.tail = segment;
    return segment;
  }

  /** @param bytesGone bytes of batches ever stored that end below `offset`. */
  moveLogStart(offset: bigint, bytesGone: number): void {
    if (offset <= this.logStartOffset) return;
    this.logStartOffset = offset;
    if (offset > this.nextOffset) this.nextOffset = offset;
    this.bytesGone = bytesGone;
    const kept = firstIndex(this.pending, (run) => run.lastOffset >= offset);
    if (kept > 0) this.pending.splice(0, kept);
    this.dropSpans();
    this.rowsToDelete = true;
  }

  /** Takes the sparse index after a settlement: `extended` begins with the last span there is, extended. */
  adoptSpans(extended: readonly Span[]): void {
    if (this.spans.length > 0) this.spans.pop();
    this.spans.push(...extended);
    this.dropSpans();
  }

  /** The span that holds the log start stays: the rows below it are skipped by offset. */
  private dropSpans(): void {
    const kept = firstIndex(this.spans, (span) => span.baseOffset > this.logStartOffset) - 1;
    if (kept > 0) this.spans.splice(0, kept);
  }

  /** Takes out the segment files of which no committed batch is left and which nobody writes. */
  takeDeadFiles(): number[] {
    const dead: number[] = [];
    for (const segment of this.files.values()) {
      if (segment.writers > 0) continue;
      if (!this.removed && segment.lastOffset >= this.logStartOffset) continue;
      dead.push(segment.file);
    }
    for (const file of dead) {
      this.files.delete(file);
      if (this.tail?.file === file) this.tail = undefined;
    }
    return dead;
  }

  /** Drops the pending runs up to and with `last`: LMDB has them. */
  settled(last: Run): void {
    const kept = firstIndex(this.pending, (run) => run.baseOffset > last.baseOffset);
    if (kept > 0) this.pending.splice(0, kept);
  }
}

/** Index of the first element for which `holds` is true, all after it being true too; the length when there is none. */
export function firstIndex<T>(sorted: readonly T[], holds: (element: T) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(sorted[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
