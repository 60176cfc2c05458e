// Turns the entries of one append into journal items: checks the offsets, puts batches that follow one another into
// runs, and decides which bytes go to a segment file at once and which into the journal.

import { InvariantBroken } from '../../actors/runtime/errors.ts';
import type { BatchEntry, LogEntry, PartitionKey } from '../../actors/shard/ports.ts';
import { type Item, itemBytes } from './items.ts';
import type { EmbeddedLimits } from './limits.ts';
import { type PartitionLog, Run } from './partition-log.ts';
import type { Reservation, Shard, Volume } from './volume.ts';

/** Bytes to be in a segment file before the draft is committed. */
export interface SegmentWrite {
  readonly reservation: Reservation;
  readonly parts: readonly Uint8Array[];
}

/** An append ready to be committed, once `writes` and `lookups` are done. */
export interface Draft {
  readonly items: Item[];
  readonly writes: SegmentWrite[];
  /** Log starts inside what is stored: how many bytes lie below has to be looked up. */
  readonly lookups: Extract<Item, { kind: 'logStart' }>[];
  /** Bytes of its items in a record (while it is drawn: of its inline batches). */
  bytes: number;
  /** It only frees space. */
  freeing: boolean;
}

/** A partition as the entries before have left it. */
interface Sketch {
  readonly log: PartitionLog;
  readonly fresh: boolean;
  logStartOffset: bigint;
  nextOffset: bigint;
  bytesTotal: number;
  /** Batches of this append. */
  readonly batches: BatchEntry[];
  /** The first of them that is in no run yet. */
  drawn: number;
}

export class Drafter {
  private readonly volume: Volume;
  private readonly limits: EmbeddedLimits;
  private readonly directBytesMin: number;

  constructor(volume: Volume, limits: EmbeddedLimits, durability: 'fsync' | 'os') {
    this.volume = volume;
    this.limits = limits;
    this.directBytesMin = limits.directBytesMin[durability];
  }

  /** @throws InvariantBroken for offsets that overlap; the error of open(2) when a segment file cannot be made */
  draft(shard: Shard, entries: readonly LogEntry[]): Draft {
    const draft: Draft = { items: [], writes: [], lookups: [], bytes: 0, freeing: true };
    const sketches = new Map<PartitionKey, Sketch | undefined>();
    try {
      for (const entry of entries) this.add(draft, sketches, shard, entry);
      for (const sketch of sketches.values()) if (sketch !== undefined) this.drawRuns(draft, sketch);
    } catch (error) {
      this.giveUp(draft);
      throw error;
    }
    draft.bytes = 0;
    for (const item of draft.items) draft.bytes += itemBytes(item);
    return draft;
  }

  /** A draft that opens a shard. */
  opening(shard: number, epoch: number): Draft {
    const item: Item = { kind: 'opening', shard, epoch };
    return { items: [item], writes: [], lookups: [], bytes: itemBytes(item), freeing: true };
  }

  /** Gives the draft's places in segment files back. */
  giveUp(draft: Draft): void {
    for (const { reservation } of draft.writes) {
      // A log that was never declared goes, and its file with it.
      if (this.volume.byId(reservation.log.id) === undefined) reservation.log.removed = true;
      this.volume.release(reservation, false);
    }
  }

  private add(draft: Draft, sketches: Map<PartitionKey, Sketch | undefined>, shard: Shard, entry: LogEntry): void {
    const known = sketches.has(entry.partition);
    let sketch = known ? sketches.get(entry.partition) : sketchOf(shard.partitions.get(entry.partition));
    if (entry.kind === 'removal') {
      if (sketch !== undefined) {
        this.drawRuns(draft, sketch);
        draft.items.push({ kind: 'removal', log: sketch.log });
      }
      sketches.set(entry.partition, undefined);
      return;
    }
    if (sketch === undefined) {
      sketch = { ...sketchOf(this.volume.newLog(entry.partition, shard.number))!, fresh: true };
      draft.items.push({ kind: 'partition', log: sketch.log });
    }
    if (!known || sketch.fresh) sketches.set(entry.partition, sketch);
    if (entry.kind === 'batch') {
      if (entry.baseOffset < sketch.nextOffset || entry.lastOffset < entry.baseOffset) {
        const range = `${entry.baseOffset}..${entry.lastOffset}`;
        throw new InvariantBroken(`${entry.partition}: batch ${range} does not follow offset ${sketch.nextOffset}`);
      }
      draft.freeing = false;
      sketch.batches.push(entry);
      sketch.nextOffset = entry.lastOffset + 1n;
      sketch.bytesTotal += entry.bytes.length;
      return;
    }
    this.drawRuns(draft, sketch);
    if (entry.kind === 'checkpoint') {
      draft.freeing = false;
      draft.items.push({ kind: 'checkpoint', log: sketch.log, offset: entry.offset, bytes: entry.bytes });
    } else if (entry.offset > sketch.logStartOffset) {
      this.moveLogStart(draft, sketch, entry.offset);
    }
  }

  private moveLogStart(draft: Draft, sketch: Sketch, offset: bigint): void {
    const item: Extract<Item, { kind: 'logStart' }> = { kind: 'logStart', log: sketch.log, offset, bytesGone: 0 };
    draft.items.push(item);
    sketch.logStartOffset = offset;
    if (offset >= sketch.nextOffset) {
      item.bytesGone = sketch.bytesTotal;
      sketch.nextOffset = offset;
      return;
    }
    const first = sketch.batches[0];
    if (first === undefined || offset < first.baseOffset) {
      // At or below the first new batch: only what is stored already can be gone.
      if (offset >= sketch.log.nextOffset || sketch.fresh) item.bytesGone = sketch.fresh ? 0 : sketch.log.bytesTotal;
      else draft.lookups.push(item);
      return;
    }
    item.bytesGone = sketch.fresh ? 0 : sketch.log.bytesTotal;
    for (const batch of sketch.batches) {
      if (batch.lastOffset >= offset) break;
      item.bytesGone += batch.bytes.length;
    }
  }

  /** Puts the batches since the last drawing into runs, all in the journal or all in a segment file. */
  private drawRuns(draft: Draft, sketch: Sketch): void {
    const batches = sketch.batches.slice(sketch.drawn);
    if (batches.length === 0) return;
    sketch.drawn = sketch.batches.length;
    let bytes = 0;
    for (const batch of batches) bytes += batch.bytes.length;
    const direct = bytes >= this.directBytesMin || draft.bytes + bytes > this.limits.inlineBytesMax;
    let reservation: Reservation | undefined;
    if (direct) {
      reservation = this.volume.reserve(sketch.log, bytes);
      draft.writes.push({ reservation, parts: batches.map((batch) => batch.bytes) });
    } else {
      draft.bytes += bytes;
    }
    let position = reservation?.position ?? 0;
    for (let from = 0; from < batches.length; ) {
      const run = this.startRun(batches, from);
      const upTo = from + run.batches;
      if (reservation !== undefined) {
        run.file = reservation.segment.file;
        run.position = position;
        position += run.bytes;
      }
      const parts = direct ? [] : batches.slice(from, upTo).map((batch) => batch.bytes);
      draft.items.push({ kind: 'run', log: sketch.log, run, parts });
      from = upTo;
    }
  }

  private startRun(batches: readonly BatchEntry[], from: number): Run {
    const first = batches[from]!;
    const run = new Run(first.baseOffset, first.lastOffset, first.maxTimestampMs, first.bytes.length, 1);
    for (let index = from + 1; index < batches.length; index++) {
      const batch = batches[index]!;
      if (run.bytes + batch.bytes.length > this.limits.runBytesMax) break;
      run.lastOffset = batch.lastOffset;
      if (batch.maxTimestampMs > run.maxTimestampMs) run.maxTimestampMs = batch.maxTimestampMs;
      run.bytes += batch.bytes.length;
      run.batches += 1;
    }
    return run;
  }
}

function sketchOf(log: PartitionLog | undefined): Sketch | undefined {
  if (log === undefined) return undefined;
  const { logStartOffset, nextOffset, bytesTotal } = log;
  return { log, fresh: false, logStartOffset, nextOffset, bytesTotal, batches: [], drawn: 0 };
}
