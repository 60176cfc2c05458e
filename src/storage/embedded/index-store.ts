// The LMDB environment: where settled runs lie, what partitions there are, and the metadata. Owns how its commits become
// durable without the event loop waiting for the disk.
//
// LMDB itself writes without syncing here; a commit is: transaction, sync (thread pool), an empty transaction, sync. So
// the snapshot before the newest one is always whole on disk (LMDB does not write to the pages of either; see
// MDB_PREVSNAPSHOT in http://www.lmdb.tech/doc/), and after a power loss the environment is opened with that one: it is
// the newest commit that was answered, or one that was not yet. What it lacks is settled again from the journal, which is
// kept until both syncs are done. After the death of the process alone the newest snapshot is good: the page cache has it.

import { setTimeout } from 'node:timers/promises';
import { type Database, open, type RootDatabase, type TransactionFlags } from 'lmdb';
import { StorageFault } from '../../actors/shard/ports.ts';
import { faultOf } from './faults.ts';
import {
  decodeFile,
  decodeMetadata,
  decodePartition,
  decodeRun,
  decodeSpan,
  encodeFile,
  encodeMetadata,
  encodePartition,
  encodeRun,
  encodeSpan,
  idKey,
  OFFSET_MAX,
  rowKey,
  type StoredMetadata,
} from './index-rows.ts';
import type { PartitionLog, Run, SegmentFile, Span } from './partition-log.ts';

type Table = Database<Buffer, Buffer>;
type TextTable = Database<Buffer, string>;
type Syncable = { sync(done: (error?: Error | null) => void): void };

const MARK_RETRY_MS = 100;
const ABORTABLE_COMMITTED_AT_ONCE = 3 as TransactionFlags;

export interface LoadedIndex {
  readonly settledSequence: number;
  readonly nextPartitionId: number;
  /** Above the number of every segment file in the index. */
  readonly nextFile: number;
  readonly epochs: ReadonlyMap<number, number>;
  /** Removed ones included: their rows are still to be deleted. */
  readonly logs: readonly PartitionLog[];
}

export class IndexStore {
  private readonly root: RootDatabase<Buffer, string>;
  private readonly runs: Table;
  private readonly spans: Table;
  private readonly files: Table;
  private readonly partitions: Table;
  private readonly checkpoints: Table;
  private readonly epochs: Table;
  private readonly state: TextTable;
  private readonly metadata: TextTable;
  private tail: Promise<unknown> = Promise.resolve();
  private marker = 0;
  /** Set when a sync failed: what is on the disk is not known any more, so nothing may follow. */
  private broken: unknown;
  private closing = false;
  /** A commit is held up by a full disk. */
  waitsForRoom = false;
  /** Rows read since the start, for tests: opening a store is not to depend on how much is in it. */
  rowsRead = 0;

  /** @param previous a power loss may have torn the newest snapshot. */
  constructor(path: string, previous: boolean) {
    const options = {
      noSubdir: false,
      maxDbs: 16,
      overlappingSync: false,
      noSync: true,
      usePreviousSnapshot: previous,
      noReadAhead: true,
      encoding: 'binary' as const,
    };
    this.root = open<Buffer, string>(path, options);
    const table = (name: string): Table =>
      this.root.openDB<Buffer, Buffer>({ name, keyEncoding: 'binary', encoding: 'binary' });
    this.runs = table('runs');
    this.spans = table('spans');
    this.files = table('files');
    this.partitions = table('partitions');
    this.checkpoints = table('checkpoints');
    this.epochs = table('epochs');
    this.state = this.root.openDB<Buffer, string>({ name: 'state', encoding: 'binary' });
    this.metadata = this.root.openDB<Buffer, string>({ name: 'metadata', encoding: 'binary' });
  }

  /**
   * Makes the snapshot that was found durable, before anything is written over the one before it. (With `previous` it
   * also moves LMDB's transaction number on: opening that way again would take it below that of pages in use.)
   */
  async recover(): Promise<void> {
    await this.sync();
    try {
      this.transact(() => this.state.putSync('marker', Buffer.from(String(this.marker))));
    } catch (error) {
      // A full disk must not keep the store from starting: only a start can free it.
      if (!(error instanceof StorageFault) || error.code !== 'full') throw error;
    }
    await this.sync();
  }

  /**
   * Runs `change`, whose writes land together, and makes them durable. Commits follow one another.
   * @throws StorageFault `full` | `unavailable` when nothing was changed; whatever `change` throws
   */
  commit<T>(change: () => T): Promise<T> {
    const committed = this.tail.then(async () => {
      if (this.broken !== undefined) throw faultOf(this.broken, 'the index failed before; start again');
      const result = this.transact(change);
      await this.sync();
      await this.mark();
      return result;
    });
    this.tail = committed.catch(() => {});
    return committed;
  }

  /** The empty transaction after a commit. What it follows is durable already, so a full disk can only delay it. */
  private async mark(): Promise<void> {
    for (;;) {
      try {
        this.transact(() => this.state.putSync('marker', Buffer.from(String(this.marker + 1))));
        this.marker += 1;
        this.waitsForRoom = false;
        await this.sync();
        return;
      } catch (error) {
        if (!(error instanceof StorageFault) || error.code !== 'full' || this.closing) throw error;
        this.waitsForRoom = true;
        await setTimeout(MARK_RETRY_MS);
      }
    }
  }

  private transact<T>(change: () => T): T {
    let failure: unknown;
    let threw = false;
    try {
      const result = this.root.transactionSync(() => {
        try {
          return change();
        } catch (error) {
          threw = true;
          failure = error;
          throw error;
        }
      }, ABORTABLE_COMMITTED_AT_ONCE);
      this.root.resetReadTxn();
      return result;
    } catch (error) {
      this.root.resetReadTxn();
      throw threw && !isLmdbError(failure) ? failure : indexFault(error);
    }
  }

  private sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      (this.root as unknown as { env: Syncable }).env.sync((error) => {
        if (error) {
          this.broken = error;
          reject(faultOf(error, 'syncing the index'));
        } else resolve();
      });
    });
  }

  /** Reads everything but runs, checkpoints and metadata values: a row a partition, segment file and span. */
  load(): LoadedIndex {
    const logs = new Map<number, PartitionLog>();
    for (const { key, value } of this.partitions.getRange({})) {
      const log = decodePartition(key.readUInt32BE(0), value);
      logs.set(log.id, log);
      this.rowsRead += 1;
    }
    let nextFile = this.number('nextFile');
    for (const { key, value } of this.files.getRange({})) {
      const { id, segment } = decodeFile(key, value);
      nextFile = Math.max(nextFile, segment.file + 1);
      logs.get(id)?.addFile(segment);
      this.rowsRead += 1;
    }
    for (const { key, value } of this.spans.getRange({})) {
      logs.get(key.readUInt32BE(0))?.spans.push(decodeSpan(key, value));
      this.rowsRead += 1;
    }
    const epochs = new Map<number, number>();
    for (const { key, value } of this.epochs.getRange({})) epochs.set(key.readUInt32BE(0), value.readUInt32BE(0));
    return {
      settledSequence: this.number('settledSequence'),
      nextPartitionId: this.number('nextPartitionId'),
      nextFile,
      epochs,
      logs: [...logs.values()],
    };
  }

  private number(name: string): number {
    const value = this.state.get(name);
    return value === undefined ? 0 : Number(value.toString());
  }

  /** Settled runs from the one that holds `offset`, or the next above it, in order; at most `limit`. */
  runsFrom(id: number, offset: bigint, limit: number): Run[] {
    const found: Run[] = [];
    const holding = this.runAtOrBelow(id, offset);
    const start = holding !== undefined && holding.lastOffset >= offset ? holding.baseOffset : offset;
    for (const { key, value } of this.runs.getRange({ start: rowKey(id, start), end: rowKey(id, OFFSET_MAX), limit })) {
      found.push(decodeRun(key, value));
    }
    this.rowsRead += found.length;
    return found;
  }

  private runAtOrBelow(id: number, offset: bigint): Run | undefined {
    for (const { key, value } of this.runs.getRange({ start: rowKey(id, offset), reverse: true, limit: 1 })) {
      this.rowsRead += 1;
      if (key.readUInt32BE(0) === id) return decodeRun(key, value);
    }
    return undefined;
  }

  checkpointBytes(id: number): Buffer | undefined {
    const value = this.checkpoints.get(idKey(id));
    return value === undefined ? undefined : Buffer.from(value);
  }

  // The writes below are made inside `commit`.

  putState(settledSequence: number, nextPartitionId: number, nextFile: number): void {
    this.state.putSync('settledSequence', Buffer.from(String(settledSequence)));
    this.state.putSync('nextPartitionId', Buffer.from(String(nextPartitionId)));
    this.state.putSync('nextFile', Buffer.from(String(nextFile)));
  }

  putEpoch(shard: number, epoch: number): void {
    this.epochs.putSync(idKey(shard), idKey(epoch));
  }

  putPartition(id: number, row: Buffer): void {
    this.partitions.putSync(idKey(id), row);
  }

  encodePartition(log: PartitionLog): Buffer {
    return encodePartition(log);
  }

  putRun(id: number, run: Run): void {
    this.runs.putSync(rowKey(id, run.baseOffset), encodeRun(run));
  }

  putSpan(id: number, span: Span): void {
    this.spans.putSync(rowKey(id, span.baseOffset), encodeSpan(span));
  }

  putFile(id: number, segment: SegmentFile): void {
    this.files.putSync(idKey(segment.file), encodeFile(id, segment));
  }

  removeFile(file: number): void {
    this.files.removeSync(idKey(file));
  }

  putCheckpoint(id: number, bytes: Uint8Array): void {
    this.checkpoints.putSync(idKey(id), Buffer.from(bytes));
  }

  /**
   * Deletes the runs that end below `offset`, at most `limit`, and the spans below `firstSpan` (undefined: all).
   * @returns whether none is left.
   */
  removeRowsBelow(id: number, offset: bigint, firstSpan: bigint | undefined, limit: number): boolean {
    const keep = this.runAtOrBelow(id, offset);
    const end = rowKey(id, keep !== undefined && keep.lastOffset >= offset ? keep.baseOffset : offset);
    const keys = [...this.runs.getKeys({ start: rowKey(id, 0n), end, limit })];
    for (const key of keys) this.runs.removeSync(key);
    this.removeSpans(id, firstSpan ?? OFFSET_MAX);
    return keys.length < limit;
  }

  /** Deletes rows of a removed partition, at most `limit` of its runs; then `rowsGone`. @returns how many. */
  removePartition(log: PartitionLog, limit: number): number {
    const keys = [...this.runs.getKeys({ start: rowKey(log.id, 0n), end: rowKey(log.id, OFFSET_MAX), limit })];
    for (const key of keys) this.runs.removeSync(key);
    if (keys.length === limit) {
      this.putPartition(log.id, encodePartition(log));
      return limit;
    }
    this.removeSpans(log.id, OFFSET_MAX);
    this.checkpoints.removeSync(idKey(log.id));
    this.partitions.removeSync(idKey(log.id));
    log.rowsGone = true;
    return keys.length + 1;
  }

  private removeSpans(id: number, below: bigint): void {
    const range = { start: rowKey(id, 0n), end: rowKey(id, below) };
    for (const key of [...this.spans.getKeys(range)]) this.spans.removeSync(key);
  }

  getMetadata(key: string): StoredMetadata | undefined {
    const value = this.metadata.get(key);
    return value === undefined ? undefined : decodeMetadata(value);
  }

  listMetadata(prefix: string): (StoredMetadata & { readonly key: string })[] {
    const found: (StoredMetadata & { readonly key: string })[] = [];
    for (const { key, value } of this.metadata.getRange(prefix === '' ? {} : { start: prefix })) {
      if (!key.startsWith(prefix)) break;
      found.push({ key, ...decodeMetadata(value) });
    }
    return found;
  }

  /** Compare-and-set inside `commit`; undefined `bytes` deletes. @returns the new revision, undefined when beaten. */
  setMetadata(key: string, bytes: Uint8Array | undefined, expectedRevision: number): number | undefined {
    if ((this.getMetadata(key)?.revision ?? 0) !== expectedRevision) return undefined;
    // One counter for all keys: a key deleted and made again still gets a revision above its earlier ones.
    const revision = this.number('revision') + 1;
    this.state.putSync('revision', Buffer.from(String(revision)));
    if (bytes === undefined) {
      this.metadata.removeSync(key);
    } else {
      this.metadata.putSync(key, encodeMetadata(revision, bytes));
    }
    return revision;
  }

  async close(): Promise<void> {
    this.closing = true;
    await this.tail;
    await this.root.close();
  }
}

function isLmdbError(error: unknown): boolean {
  return typeof (error as { code?: unknown } | undefined)?.code === 'number' || /MDB_/.test(String(error));
}

function indexFault(error: unknown): Error {
  // LMDB reports the short write of a full disk as EIO.
  const text = (error as Error)?.message ?? '';
  if (/Input\/output error/.test(text)) return faultOf(Object.assign(new Error(text), { code: 'ENOSPC' }), 'index');
  return faultOf(error, 'writing the index');
}
