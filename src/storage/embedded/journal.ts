// The journal: two files written in turn, in which every commit lands as one checksummed record before it is acked. A
// file is written again from its start once everything in it is settled (in segment files and LMDB), so it stays small,
// its blocks stay allocated, and a commit costs one write to one place.
//
// A record: magic u32, length u32 (all of it), CRC-32C u32 of what follows, incarnation u32, sequence u64, items.
// Sequences grow by one; the incarnation grows with every start of the store, so that a record left over from an
// earlier life never continues a later one.

import fs from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { StorageFault } from '../../actors/shard/ports.ts';
import { saysFull } from './faults.ts';
import { writeAll } from './segment-files.ts';

export const RECORD_HEAD_BYTES = 24;
const MAGIC = 0x53524a31;
const MAGIC_BYTES = Buffer.from([0x53, 0x52, 0x4a, 0x31]);
const EXTENSION_BYTES = 2 << 20;
// A write to the page cache that takes this long is being held back; the event loop is not to wait for the next ones.
const STALL_MS = 4;
const STALLED_WRITES = 200;
const SYNC_WRITE_BYTES_MAX = 128 << 10;

type Done = (error: Error | null) => void;

interface JournalFile {
  readonly path: string;
  readonly fd: number;
  /** Bytes that exist on disk; writing below costs no allocation. */
  allocated: number;
  /** Sequence of the last record in it that counts; 0 when none does. */
  lastSequence: number;
}

export interface JournalRecord {
  readonly path: string;
  readonly position: number;
  readonly sequence: number;
  readonly body: Buffer;
}

export interface JournalOptions {
  readonly directory: string;
  readonly bytesMax: number;
  readonly bytesReserved: number;
  /** Records survive a power loss before `write` is done. */
  readonly sync: boolean;
  readonly incarnation: number;
  /** Everything up to this sequence is settled. */
  readonly settledSequence: number;
  readonly monotonicMs: () => number;
}

export class Journal {
  private readonly options: JournalOptions;
  private readonly files: readonly [JournalFile, JournalFile];
  private current = 0;
  private position = 0;
  private sequence: number;
  /** Bytes of records written since the start. */
  bytesWritten = 0;
  private settled: number;
  private stalled = 0;

  constructor(options: JournalOptions) {
    this.options = options;
    this.settled = options.settledSequence;
    this.sequence = options.settledSequence;
    fs.mkdirSync(options.directory, { recursive: true });
    this.files = [this.openFile(0), this.openFile(1)];
  }

  /** Sequence of the last record written. */
  get lastSequence(): number {
    return this.sequence;
  }

  /**
   * Hands over the records that are not settled, in order, and goes on behind the last that `take` accepts.
   * @param tornExpected a power loss may have left holes: what is behind one is cut off instead of refused.
   * @returns where the journal was cut although more seemed to follow, if it was.
   * @throws StorageFault `corrupt` when a record that must be there cannot be read
   */
  replay(tornExpected: boolean, take: (record: JournalRecord) => boolean): string | undefined {
    const contents = this.files
      .map((file, index) => ({ index, ...readRecords(file.path) }))
      .sort((left, right) => (left.records[0]?.sequence ?? 0) - (right.records[0]?.sequence ?? 0));
    let hole: string | undefined;
    for (const content of contents) {
      for (const record of content.records) {
        if (record.sequence <= this.sequence) continue;
        const behind = this.sequence + 1 !== record.sequence;
        if (behind || hole !== undefined || !take(record)) {
          hole ??= `${record.path} at ${record.position}`;
          break;
        }
        this.current = content.index;
        this.position = record.position + RECORD_HEAD_BYTES + record.body.length;
        this.sequence = record.sequence;
        this.files[content.index]!.lastSequence = record.sequence;
      }
      if (content.lost !== undefined && content.lost.sequence > this.sequence) hole ??= content.lost.where;
    }
    if (hole !== undefined && !tornExpected) {
      throw new StorageFault('corrupt', `${hole}: a journal record is damaged or missing and later ones follow`);
    }
    return hole;
  }

  /** Whether a record of `bytes` has a place now. `freeing`: it may use the reserve. */
  fits(bytes: number, freeing: boolean): boolean {
    const limit = this.options.bytesMax - (freeing ? 0 : this.options.bytesReserved);
    if (this.position + bytes <= limit) return true;
    const other = this.files[1 - this.current]!;
    if (other.lastSequence > this.settled || bytes > limit) return false;
    this.current = 1 - this.current;
    this.position = 0;
    return true;
  }

  /** Largest record that can ever fit. */
  get recordBytesMax(): number {
    return this.options.bytesMax - this.options.bytesReserved;
  }

  /**
   * Writes a record whose items begin at `RECORD_HEAD_BYTES`; it `fits`. One at a time.
   * @param freeing it may use the blocks kept for what frees space on a full disk.
   * @param done with an error: the record does not count, unless it has no `code` of a full disk, when it is unknown.
   */
  write(record: Buffer, freeing: boolean, done: Done): void {
    const file = this.files[this.current]!;
    const position = this.position;
    record.writeUInt32BE(MAGIC, 0);
    record.writeUInt32BE(record.length, 4);
    record.writeUInt32BE(this.options.incarnation, 12);
    record.writeBigUInt64BE(BigInt(this.sequence + 1), 16);
    record.writeUInt32BE(crc32c(record.subarray(12)), 8);
    const finish: Done = (error) => {
      if (error === null) {
        this.position = position + record.length;
        this.sequence += 1;
        this.bytesWritten += record.length;
        file.lastSequence = this.sequence;
      }
      done(error);
    };
    this.allocate(file, position + record.length, freeing, (error) => {
      if (error !== null) finish(error);
      else if (this.options.sync || record.length > SYNC_WRITE_BYTES_MAX || this.stalled > 0) {
        this.stalled = Math.max(0, this.stalled - 1);
        writeAll(file.fd, [record], position, finish);
      } else finish(this.writeNow(file.fd, record, position));
    });
  }

  /** Everything up to `sequence` is settled: its place may be used again. */
  settledUpTo(sequence: number): void {
    this.settled = sequence;
  }

  /** Makes all records survive a power loss, whichever the durability. */
  sync(done: Done): void {
    fs.fdatasync(this.files[0].fd, (first) => {
      if (first !== null) done(first);
      else fs.fdatasync(this.files[1].fd, done);
    });
  }

  close(): void {
    for (const file of this.files) fs.closeSync(file.fd);
  }

  private writeNow(fd: number, record: Buffer, position: number): Error | null {
    const startMs = this.options.monotonicMs();
    try {
      for (let at = 0; at < record.length; ) at += fs.writeSync(fd, record, at, record.length - at, position + at);
    } catch (error) {
      return error as Error;
    }
    if (this.options.monotonicMs() - startMs > STALL_MS) this.stalled = STALLED_WRITES;
    return null;
  }

  private openFile(index: number): JournalFile {
    const path = join(this.options.directory, `${index}.journal`);
    // O_DSYNC: the write and its sync are one trip to the thread pool.
    const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | (this.options.sync ? syncFlag() : 0);
    const fd = fs.openSync(path, flags, 0o644);
    return { path, fd, allocated: fs.fstatSync(fd).size, lastSequence: 0 };
  }

  /**
   * Sees that the blocks up to `end` are there and, unless `freeing`, some more for what frees space once the disk is
   * full. Ahead of the records and in steps: overwriting syncs three times as fast as appending (ext4).
   */
  private allocate(file: JournalFile, end: number, freeing: boolean, done: Done): void {
    const { bytesMax, bytesReserved } = this.options;
    const needed = freeing ? end : Math.min(bytesMax, end + bytesReserved);
    if (needed <= file.allocated) {
      done(null);
      return;
    }
    this.extend(file, Math.min(bytesMax, Math.max(needed, file.allocated + EXTENSION_BYTES)), (error) => {
      // Where there is no room for a step there may be for what is needed.
      if (error !== null && saysFull(error)) this.extend(file, needed, done);
      else done(error);
    });
  }

  private extend(file: JournalFile, target: number, done: Done): void {
    writeAll(file.fd, [Buffer.alloc(target - file.allocated)], file.allocated, (error) => {
      if (error === null) file.allocated = target;
      done(error);
    });
  }
}

function syncFlag(): number {
  return fs.constants.O_DSYNC ?? fs.constants.O_SYNC;
}

interface Records {
  readonly records: readonly JournalRecord[];
  /** A valid record behind the first place where none is, newer than all before it. */
  readonly lost: { readonly sequence: number; readonly where: string } | undefined;
}

function readRecords(path: string): Records {
  const bytes = fs.readFileSync(path);
  const records: JournalRecord[] = [];
  let at = 0;
  let last: Head | undefined;
  for (;;) {
    const head = headAt(bytes, at);
    if (head === undefined) break;
    if (last !== undefined && (head.sequence !== last.sequence + 1 || head.incarnation < last.incarnation)) break;
    if (!intact(bytes, at, head)) break;
    const body = bytes.subarray(at + RECORD_HEAD_BYTES, at + head.length);
    records.push({ path, position: at, sequence: head.sequence, body });
    at += head.length;
    last = head;
  }
  return { records, lost: lostRecord(path, bytes, at, last) };
}

function lostRecord(path: string, bytes: Buffer, from: number, last: Head | undefined): Records['lost'] {
  for (let at = bytes.indexOf(MAGIC_BYTES, from); at >= 0; at = bytes.indexOf(MAGIC_BYTES, at + 1)) {
    const head = headAt(bytes, at);
    if (head === undefined || head.sequence <= (last?.sequence ?? 0)) continue;
    if (head.incarnation < (last?.incarnation ?? 0) || !intact(bytes, at, head)) continue;
    return { sequence: head.sequence, where: `${path} at ${from}` };
  }
  return undefined;
}

interface Head {
  readonly length: number;
  readonly crc: number;
  readonly incarnation: number;
  readonly sequence: number;
}

function headAt(bytes: Buffer, at: number): Head | undefined {
  if (at + RECORD_HEAD_BYTES > bytes.length || bytes.readUInt32BE(at) !== MAGIC) return undefined;
  const length = bytes.readUInt32BE(at + 4);
  if (length < RECORD_HEAD_BYTES || at + length > bytes.length) return undefined;
  return {
    length,
    crc: bytes.readUInt32BE(at + 8),
    incarnation: bytes.readUInt32BE(at + 12),
    sequence: Number(bytes.readBigUInt64BE(at + 16)),
  };
}

function intact(bytes: Buffer, at: number, head: Head): boolean {
  return crc32c(bytes.subarray(at + 12, at + head.length)) === head.crc;
}
