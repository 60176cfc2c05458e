// One partition's log in memory: owns its batches, checkpoint and log start, and answers every question of a ShardLog
// about them. Each change returns how to take it back, so that the disk can forget what was never synced.

import { InvariantBroken } from '../../actors/runtime/errors.ts';
import type { BatchEntry, CheckpointEntry, LogDescription } from '../../actors/shard/ports.ts';

const HEADER_BYTES = 61;

/** Takes one change back; changes are taken back in the reverse of the order in which they were made. */
export type Undo = () => void;

export class MemoryPartitionLog {
  private batches: BatchEntry[] = [];
  private checkpoint: { offset: bigint; bytes: Uint8Array } | undefined;
  private logStartOffset = 0n;
  private nextOffset = 0n;
  private bytes = 0;

  /** Adds a batch above everything stored. @throws InvariantBroken when its offsets overlap what is there. */
  append(entry: BatchEntry): Undo {
    if (entry.baseOffset < this.nextOffset || entry.lastOffset < entry.baseOffset) {
      throw new InvariantBroken(
        `${entry.partition}: batch ${entry.baseOffset}..${entry.lastOffset} does not follow offset ${this.nextOffset}`,
      );
    }
    const nextOffset = this.nextOffset;
    this.batches.push(entry);
    this.nextOffset = entry.lastOffset + 1n;
    this.bytes += entry.bytes.length;
    return () => {
      this.batches.pop();
      this.nextOffset = nextOffset;
      this.bytes -= entry.bytes.length;
    };
  }

  /** Replaces the checkpoint. */
  keepCheckpoint(entry: CheckpointEntry): Undo {
    const former = this.checkpoint;
    this.checkpoint = { offset: entry.offset, bytes: entry.bytes };
    return () => {
      this.checkpoint = former;
    };
  }

  /** Moves the log start up to `offset`; it never moves down. Batches wholly below it go. */
  moveLogStart(offset: bigint): Undo {
    if (offset <= this.logStartOffset) return () => {};
    const former = { start: this.logStartOffset, next: this.nextOffset, bytes: this.bytes };
    const gone = this.batches.splice(0, this.indexHolding(offset));
    this.logStartOffset = offset;
    if (offset > this.nextOffset) this.nextOffset = offset;
    for (const batch of gone) this.bytes -= batch.bytes.length;
    return () => {
      this.batches.unshift(...gone);
      this.logStartOffset = former.start;
      this.nextOffset = former.next;
      this.bytes = former.bytes;
    };
  }

  describe(): LogDescription {
    return {
      logStartOffset: this.logStartOffset,
      nextOffset: this.nextOffset,
      bytes: this.bytes,
      ...(this.checkpoint === undefined ? {} : { checkpoint: this.checkpoint }),
    };
  }

  read(fromOffset: bigint, endOffset: bigint, bytesMax: number, atLeastOne: boolean): Uint8Array[] {
    const found: Uint8Array[] = [];
    let bytes = 0;
    for (let index = this.indexHolding(fromOffset); index < this.batches.length; index++) {
      const batch = this.batches[index]!;
      if (batch.baseOffset >= endOffset) break;
      bytes += batch.bytes.length;
      if (bytes > bytesMax && !(atLeastOne && found.length === 0)) break;
      found.push(batch.bytes);
    }
    return found;
  }

  headers(fromOffset: bigint): Uint8Array[] {
    return this.batches.slice(this.indexHolding(fromOffset)).map((batch) => batch.bytes.subarray(0, HEADER_BYTES));
  }

  firstBatchAtOrAfter(timestampMs: bigint): bigint | undefined {
    return this.batches.find((batch) => batch.maxTimestampMs >= timestampMs)?.baseOffset;
  }

  batchOfMaxTimestamp(): bigint | undefined {
    let best: BatchEntry | undefined;
    for (const batch of this.batches) {
      if (batch.maxTimestampMs >= 0n && (best === undefined || batch.maxTimestampMs > best.maxTimestampMs))
        best = batch;
    }
    return best?.baseOffset;
  }

  offsetToKeep(bytes: number): bigint {
    let kept = 0;
    let boundary = this.nextOffset;
    for (let index = this.batches.length - 1; index >= 0 && kept < bytes; index--) {
      const batch = this.batches[index]!;
      kept += batch.bytes.length;
      boundary = batch.baseOffset;
    }
    return kept < bytes || boundary < this.logStartOffset ? this.logStartOffset : boundary;
  }

  /** Index of the first batch whose last offset is at or above `offset`. */
  private indexHolding(offset: bigint): number {
    let low = 0;
    let high = this.batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.batches[middle]!.lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
