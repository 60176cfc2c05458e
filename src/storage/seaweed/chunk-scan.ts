// Finds the runs in a chunk of a log file by hopping from entry to entry: only the beginnings are read, so that looking at
// 8 MiB of large runs costs a few small requests. What is found is proof that the run is stored: its entry lies whole
// within the chunk, and the run's header has its CRC.

import { StorageFault } from '../../actors/shard/ports.ts';
import type { SeaweedLimits } from './limits.ts';
import { LOG_ENTRY_PREFIX_BYTES_MAX, logEntryAt } from './log-entry.ts';
import { RUN_HEADER_BYTES_MAX, type RunHeader, readRunHeader } from './run-format.ts';

/** A run in a chunk: its header lies at `at`, the payload behind it. */
export interface ScannedRun {
  readonly header: RunHeader;
  readonly at: number;
}

const HEAD_BYTES = LOG_ENTRY_PREFIX_BYTES_MAX + RUN_HEADER_BYTES_MAX;
/** An entry that begins so close behind what was read last is reached by reading on, not by a hop. */
const HOP_BYTES_MIN = 64 << 10;

/**
 * The runs in a chunk of `bytes`, in order. @param read bytes of the chunk, undefined when it is gone
 * @returns undefined when the chunk is gone
 * @throws StorageFault `corrupt` when the chunk is no log of whole entries; what `read` throws
 */
export async function scanChunk(
  bytes: number,
  read: (from: number, end: number) => Promise<Buffer | undefined>,
  limits: Pick<SeaweedLimits, 'scanFirstBytes' | 'scanStepBytes'>,
): Promise<ScannedRun[] | undefined> {
  const found: ScannedRun[] = [];
  let step = limits.scanFirstBytes;
  let window: Buffer = Buffer.alloc(0);
  let windowAt = 0;
  for (let at = 0; at < bytes; ) {
    const needed = Math.min(HEAD_BYTES, bytes - at);
    if (at < windowAt || at + needed > windowAt + window.length) {
      const hops = at > windowAt + window.length + HOP_BYTES_MIN;
      step = hops ? limits.scanFirstBytes : Math.min(step * 2, limits.scanStepBytes);
      const piece = await read(at, Math.min(bytes, at + Math.max(step, needed)));
      if (piece === undefined) return undefined;
      if (piece.length < needed) throw corrupt(at, `it ends after ${at + piece.length} of ${bytes} bytes`);
      window = piece;
      windowAt = at;
    }
    const entry = logEntryAt(window, at - windowAt);
    if (entry === undefined || entry === 'cut') throw corrupt(at, 'no log entry');
    const end = windowAt + entry.end;
    if (end > bytes) throw corrupt(at, `its entry would end at ${end} of ${bytes} bytes`);
    const header = readRunHeader(window.subarray(0, entry.valueAt + entry.valueBytes), entry.valueAt);
    // Other messages than runs are nobody's business here.
    if (header !== undefined && header !== 'cut') {
      if (header.headerBytes + header.storedBytes !== entry.valueBytes) throw corrupt(at, 'a run of another size');
      found.push({ header, at: windowAt + entry.valueAt });
    }
    at = end;
  }
  return found;
}

function corrupt(at: number, what: string): StorageFault {
  return new StorageFault('corrupt', `log chunk at byte ${at}: ${what}`);
}
