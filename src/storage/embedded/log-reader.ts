// Reads a partition's log: finds runs (settled ones in LMDB by the sparse index, the others in memory), fetches their
// bytes, and checks that what comes from a file is the batch that should be there.

import { type LogDescription, StorageFault } from '../../actors/shard/ports.ts';
import { BATCH_HEAD_BYTES, type BatchPlace, batchAt, maxTimestampAt } from './batches.ts';
import type { IndexStore } from './index-store.ts';
import { firstIndex, type PartitionLog, type Run, type Span } from './partition-log.ts';
import type { SegmentFiles } from './segment-files.ts';

const READ_BYTES_MAX = 1 << 20;
const RUNS_AT_ONCE = 64;
const HEADERS_AT_ONCE = 32;

/** Runs that lie in a row in one file, or one run in memory. */
interface Stretch {
  readonly runs: Run[];
  bytes: number;
}

export class LogReader {
  private readonly index: IndexStore;
  private readonly files: SegmentFiles;

  constructor(index: IndexStore, files: SegmentFiles) {
    this.index = index;
    this.files = files;
  }

  describe(log: PartitionLog): LogDescription {
    const { logStartOffset, nextOffset, bytes, checkpoint } = log;
    if (checkpoint === undefined) return { logStartOffset, nextOffset, bytes };
    const stored = checkpoint.bytes ?? this.index.checkpointBytes(log.id);
    if (stored === undefined) throw new StorageFault('corrupt', `index: ${log.key} has lost its checkpoint`);
    return { logStartOffset, nextOffset, bytes, checkpoint: { offset: checkpoint.offset, bytes: stored } };
  }

  async read(
    log: PartitionLog,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]> {
    const from = later(fromOffset, log.logStartOffset);
    const stretches = this.plan(log, from, endOffset, bytesMax, atLeastOne);
    const buffers = await Promise.all(stretches.map((stretch) => this.load(stretch.runs[0]!, stretch.bytes)));
    const found: Uint8Array[] = [];
    let room = bytesMax;
    let owesOne = atLeastOne;
    for (const [number, stretch] of stretches.entries()) {
      const buffer = buffers[number]!;
      let at = 0;
      let start = -1;
      let end = 0;
      let full = false;
      for (const run of stretch.runs) {
        const runEnd = at + run.bytes;
        while (at < runEnd) {
          const batch = this.expect(buffer, at, run, at - (runEnd - run.bytes));
          if (batch.baseOffset >= endOffset) full = true;
          else if (batch.lastOffset >= from) {
            if (batch.bytes > room && !owesOne) full = true;
            else {
              owesOne = false;
              room -= batch.bytes;
              if (start < 0) start = at;
              end = at + batch.bytes;
            }
          }
          if (full) break;
          at += batch.bytes;
        }
        if (full) break;
      }
      if (start >= 0) found.push(buffer.subarray(start, end));
      if (full) break;
    }
    return found;
  }

  /** The runs worth fetching for a read, joined where they lie in a row. */
  private plan(log: PartitionLog, from: bigint, endOffset: bigint, bytesMax: number, atLeastOne: boolean): Stretch[] {
    const stretches: Stretch[] = [];
    let planned = 0;
    let first = true;
    let next = from;
    for (;;) {
      const runs = this.runsFrom(log, next, RUNS_AT_ONCE);
      for (const run of runs) {
        if (run.baseOffset >= endOffset) return stretches;
        const must = first && atLeastOne;
        // Of a run of several batches a part may do; and of the first one a part may have to be skipped.
        const least = run.batches === 1 ? run.bytes : first ? 0 : BATCH_HEAD_BYTES;
        if (!must && planned + least > bytesMax) return stretches;
        planned += first && run.batches > 1 ? 0 : run.bytes;
        first = false;
        join(stretches, run);
      }
      if (runs.length < RUNS_AT_ONCE) return stretches;
      next = runs[runs.length - 1]!.lastOffset + 1n;
    }
  }

  /** The v2 headers from the batch that holds `fromOffset` on. @param guard throws when the reader has lost the shard */
  async *headers(log: PartitionLog, fromOffset: bigint, guard: () => void): AsyncIterable<Uint8Array> {
    let next = later(fromOffset, log.logStartOffset);
    for (;;) {
      guard();
      const runs = this.runsFrom(log, next, HEADERS_AT_ONCE);
      if (runs.length === 0) return;
      const found = await Promise.all(runs.map((run) => this.headersOf(run, next)));
      for (const headers of found) yield* headers;
      next = runs[runs.length - 1]!.lastOffset + 1n;
    }
  }

  private async headersOf(run: Run, fromOffset: bigint): Promise<Uint8Array[]> {
    if (run.batches === 1) {
      const header = await this.load(run, BATCH_HEAD_BYTES);
      if (header.readBigInt64BE(0) !== run.baseOffset) throw this.corrupt(run, 0);
      return [header];
    }
    const headers: Uint8Array[] = [];
    for (const { buffer, batch } of await this.batchesOf(run)) {
      if (batch.lastOffset >= fromOffset) headers.push(buffer.subarray(batch.at, batch.at + BATCH_HEAD_BYTES));
    }
    return headers;
  }

  /** Bytes of the batches ever stored that end below `offset`. */
  async bytesBelow(log: PartitionLog, offset: bigint): Promise<number> {
    const run = this.runsFrom(log, offset, 1)[0];
    if (run === undefined) return log.bytesTotal;
    if (run.batches === 1 || offset <= run.baseOffset) return run.bytesBefore;
    const holding = (await this.batchesOf(run)).find(({ batch }) => batch.lastOffset >= offset);
    return run.bytesBefore + holding!.batch.at;
  }

  async firstBatchAtOrAfter(log: PartitionLog, timestampMs: bigint): Promise<bigint | undefined> {
    // While runs are fetched the log goes on: spans by offset, not by number, and what is pending now stays the end.
    const pending = log.pending.slice();
    const end = pending[0]?.baseOffset;
    let above = -1n;
    for (;;) {
      const number = log.spans.findIndex((one) => one.baseOffset > above && one.maxTimestampMs >= timestampMs);
      const span = log.spans[number];
      if (span === undefined || (end !== undefined && span.baseOffset >= end)) break;
      const runs = this.runsOfSpan(log, number).filter((run) => end === undefined || run.baseOffset < end);
      const found = await this.firstIn(log, runs, timestampMs);
      if (found !== undefined) return found;
      above = span.baseOffset;
    }
    return this.firstIn(log, pending, timestampMs);
  }

  private async firstIn(log: PartitionLog, runs: readonly Run[], timestampMs: bigint): Promise<bigint | undefined> {
    for (const run of runs) {
      // Between two runs the log start may have passed the next one, or the log may be gone, and its file with it.
      const start = log.logStartOffset;
      if (log.removed) return undefined;
      if (run.maxTimestampMs < timestampMs || run.lastOffset < start) continue;
      if (run.batches === 1) return run.baseOffset;
      for (const { buffer, batch } of await this.batchesOf(run)) {
        if (batch.lastOffset >= start && maxTimestampAt(buffer, batch.at) >= timestampMs) return batch.baseOffset;
      }
    }
    return undefined;
  }

  async batchOfMaxTimestamp(log: PartitionLog): Promise<bigint | undefined> {
    for (;;) {
      const largest = await this.largestTimestamp(log);
      if (largest < 0n) return undefined;
      const found = await this.firstBatchAtOrAfter(log, largest);
      // Otherwise the log start has passed it meanwhile.
      if (found !== undefined || log.removed) return found;
    }
  }

  private async largestTimestamp(log: PartitionLog): Promise<bigint> {
    let largest = -1n;
    const note = (timestampMs: bigint): void => {
      if (timestampMs > largest) largest = timestampMs;
    };
    // Where the log start cuts a span or a run, what lies below it does not count.
    const start = log.logStartOffset;
    const cut = this.runsFrom(log, start, 1)[0];
    if (cut !== undefined && cut.batches > 1 && cut.baseOffset < start) {
      for (const { buffer, batch } of await this.batchesOf(cut)) {
        if (batch.lastOffset >= start) note(maxTimestampAt(buffer, batch.at));
      }
    } else if (cut !== undefined) note(cut.maxTimestampMs);
    const above = cut?.baseOffset ?? -1n;
    if (log.spans.length > 0) {
      for (const run of this.runsOfSpan(log, 0)) if (run.baseOffset > above) note(run.maxTimestampMs);
    }
    for (const span of log.spans.slice(1)) note(span.maxTimestampMs);
    for (const run of log.pending) if (run.baseOffset > above) note(run.maxTimestampMs);
    return largest;
  }

  async offsetToKeep(log: PartitionLog, bytes: number): Promise<bigint> {
    if (bytes <= 0) return log.nextOffset;
    if (bytes > log.bytes) return log.logStartOffset;
    const below = log.bytesTotal - bytes;
    let candidates: readonly Run[] = log.pending;
    if (candidates[0] === undefined || candidates[0].bytesBefore > below) {
      candidates = this.runsOfSpan(log, firstIndex(log.spans, (span) => span.bytesBefore > below) - 1);
    }
    const run = candidates[firstIndex(candidates, (one) => one.bytesBefore > below) - 1];
    if (run === undefined) return log.logStartOffset;
    let boundary = run.baseOffset;
    if (run.batches > 1) {
      for (const { batch } of await this.batchesOf(run)) {
        if (run.bytesBefore + batch.at <= below) boundary = batch.baseOffset;
      }
    }
    return later(boundary, log.logStartOffset);
  }

  /** Runs in offset order from the one that holds `offset`, or the next above it; at most `limit`. */
  private runsFrom(log: PartitionLog, offset: bigint, limit: number): Run[] {
    const pending = log.pending;
    const firstPending = pending[0]?.baseOffset;
    let runs: Run[] = [];
    if (log.spans.length > 0 && (firstPending === undefined || offset < firstPending)) {
      runs = this.index.runsFrom(log.id, offset, limit);
      // Rows of a settlement that is just being made durable: memory has them still.
      while (firstPending !== undefined && runs.length > 0 && runs[runs.length - 1]!.baseOffset >= firstPending)
        runs.pop();
    }
    if (runs.length === limit || firstPending === undefined) return runs;
    const from = firstIndex(pending, (run) => run.lastOffset >= offset);
    return runs.length === 0
      ? pending.slice(from, from + limit)
      : runs.concat(pending.slice(from, from + limit - runs.length));
  }

  /** The settled runs at or above the log start under one entry of the sparse index. */
  private runsOfSpan(log: PartitionLog, number: number): Run[] {
    const span: Span | undefined = log.spans[number];
    if (span === undefined) return [];
    const end = log.spans[number + 1]?.baseOffset ?? log.pending[0]?.baseOffset;
    const start = later(span.baseOffset, log.logStartOffset);
    const runs = this.index.runsFrom(log.id, start, span.runs);
    return end === undefined ? runs : runs.filter((run) => run.baseOffset < end);
  }

  private async batchesOf(run: Run): Promise<{ buffer: Buffer; batch: BatchPlace }[]> {
    const buffer = await this.load(run, run.bytes);
    const batches: { buffer: Buffer; batch: BatchPlace }[] = [];
    for (let at = 0; at < run.bytes; ) {
      const batch = this.expect(buffer, at, run, at);
      batches.push({ buffer, batch });
      at += batch.bytes;
    }
    return batches;
  }

  /** `bytes` bytes from the start of `run` on. */
  private load(run: Run, bytes: number): Promise<Buffer> {
    const memory = run.memory;
    if (memory === undefined) return this.files.read(run.file, run.position, bytes);
    return Promise.resolve(Buffer.from(memory.buffer, memory.byteOffset, bytes));
  }

  /** The batch at `at`, `inRun` bytes into `run`. @throws StorageFault `corrupt` when it cannot be it */
  private expect(buffer: Buffer, at: number, run: Run, inRun: number): BatchPlace {
    const batch = batchAt(buffer, at);
    const fits = batch !== undefined && inRun + batch.bytes <= run.bytes && batch.lastOffset <= run.lastOffset;
    if (!fits || (inRun === 0 && batch.baseOffset !== run.baseOffset)) throw this.corrupt(run, inRun);
    return batch;
  }

  private corrupt(run: Run, inRun: number): StorageFault {
    const where =
      run.memory === undefined ? `${this.files.path(run.file)} at ${run.position + inRun}` : 'journal bytes';
    return new StorageFault('corrupt', `${where}: no batch of the run ${run.baseOffset}..${run.lastOffset} there`);
  }
}

function later(left: bigint, right: bigint): bigint {
  if (left > right) return left;
  return right;
}

function join(stretches: Stretch[], run: Run): void {
  const stretch = stretches[stretches.length - 1];
  const last = stretch?.runs[stretch.runs.length - 1];
  const inRow =
    last !== undefined &&
    run.memory === undefined &&
    last.memory === undefined &&
    last.file === run.file &&
    last.position + last.bytes === run.position;
  if (stretch !== undefined && inRow && stretch.bytes + run.bytes <= READ_BYTES_MAX) {
    stretch.runs.push(run);
    stretch.bytes += run.bytes;
  } else {
    stretches.push({ runs: [run], bytes: run.bytes });
  }
}
