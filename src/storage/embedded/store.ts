// The embedded store: shards and metadata of one process in one LMDB environment under `data.dir`. It owns the
// environment, the openings of shards and the group commit: appends that arrive together share one transaction.

import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { InvariantBroken } from '../../actors/runtime/errors.ts';
import type { Logger } from '../../actors/runtime/ports.ts';
import type {
  LogDescription,
  LogEntry,
  MetadataStore,
  MetadataValue,
  PartitionKey,
  ShardLog,
  ShardStorage,
} from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';

const HEADER_BYTES = 61;

export interface EmbeddedStoreOptions {
  readonly dataDir: string;
  readonly durability: 'fsync' | 'os';
  readonly logger: Logger;
}

export interface EmbeddedStore {
  readonly shards: ShardStorage;
  readonly metadata: MetadataStore;
  close(): Promise<void>;
}

interface Described {
  logStartOffset: bigint;
  nextOffset: bigint;
  bytes: number;
}

interface Stored {
  last: bigint;
  time: bigint;
  bytes: Uint8Array;
}

interface Waiting {
  log: EmbeddedShardLog;
  entries: readonly LogEntry[];
  resolve: () => void;
  reject: (error: unknown) => void;
}

class Environment {
  readonly root: RootDatabase<unknown, [string, ...(string | number)[]]>;
  readonly epochs = new Map<number, number>();
  private readonly flags: number;
  private waiting: Waiting[] = [];
  readonly dataDir: string;

  constructor(options: EmbeddedStoreOptions) {
    this.dataDir = options.dataDir;
    this.root = open(join(options.dataDir, 'lmdb'), { noSubdir: false, maxDbs: 4 });
    this.flags = options.durability === 'fsync' ? 3 : 0x10003;
  }

  transact<T>(run: () => T): T {
    return this.root.transactionSync(run, this.flags);
  }

  commit(log: EmbeddedShardLog, entries: readonly LogEntry[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ log, entries, resolve, reject });
      if (this.waiting.length === 1) setImmediate(() => this.flush());
    });
  }

  private flush(): void {
    const group = this.waiting;
    this.waiting = [];
    const failed = new Map<Waiting, unknown>();
    try {
      this.transact(() => {
        for (const one of group) {
          try {
            one.log.requireCurrent();
            one.log.check(one.entries);
          } catch (error) {
            failed.set(one, error);
            continue;
          }
          one.log.write(one.entries);
        }
      });
    } catch (error) {
      const fault = new StorageFault(
        /MAP_FULL|ENOSPC|No space/.test(String(error)) ? 'full' : 'unavailable',
        String(error),
        error,
      );
      for (const one of group) one.reject(fault);
      return;
    }
    for (const one of group) {
      if (failed.has(one)) one.reject(failed.get(one));
      else one.resolve();
    }
  }
}

class EmbeddedShardLog implements ShardLog {
  readonly shard: number;
  readonly epoch: number;
  private readonly env: Environment;
  private inFlight: Promise<unknown> = Promise.resolve();

  constructor(env: Environment, shard: number, epoch: number) {
    this.env = env;
    this.shard = shard;
    this.epoch = epoch;
  }

  requireCurrent(): void {
    if (this.env.epochs.get(this.shard) !== this.epoch) {
      throw new StorageFault('fenced', `shard ${this.shard}: epoch ${this.epoch} has a later owner or was closed`);
    }
  }

  append(entries: readonly LogEntry[]): Promise<void> {
    const appended = this.env.commit(this, entries);
    this.inFlight = Promise.allSettled([this.inFlight, appended]);
    return appended;
  }

  check(entries: readonly LogEntry[]): void {
    const next = new Map<PartitionKey, bigint>();
    for (const entry of entries) {
      const from = next.get(entry.partition) ?? this.state(entry.partition)?.nextOffset ?? 0n;
      if (entry.kind === 'removal') next.set(entry.partition, 0n);
      else if (entry.kind === 'logStart' && entry.offset > from) next.set(entry.partition, entry.offset);
      else if (entry.kind === 'batch') {
        if (entry.baseOffset < from || entry.lastOffset < entry.baseOffset) {
          throw new InvariantBroken(`${entry.partition}: batch ${entry.baseOffset} does not follow offset ${from}`);
        }
        next.set(entry.partition, entry.lastOffset + 1n);
      }
    }
  }

  write(entries: readonly LogEntry[]): void {
    const root = this.env.root;
    for (const entry of entries) {
      const partition = entry.partition;
      const state = this.state(partition) ?? { logStartOffset: 0n, nextOffset: 0n, bytes: 0 };
      if (entry.kind === 'removal') {
        const keys = root.getKeys({
          start: ['b', this.shard, partition, -1],
          end: ['b', this.shard, partition, Number.MAX_VALUE],
        });
        for (const key of [...keys]) root.removeSync(key);
        root.removeSync(['p', this.shard, partition]);
        root.removeSync(['c', this.shard, partition]);
        continue;
      }
      if (entry.kind === 'batch') {
        const stored: Stored = { last: entry.lastOffset, time: entry.maxTimestampMs, bytes: entry.bytes };
        root.putSync(['b', this.shard, partition, Number(entry.baseOffset)], stored);
        state.nextOffset = entry.lastOffset + 1n;
        state.bytes += entry.bytes.length;
      } else if (entry.kind === 'checkpoint') {
        root.putSync(['c', this.shard, partition], { offset: entry.offset, bytes: entry.bytes });
      } else if (entry.offset > state.logStartOffset) {
        for (const [base, stored] of this.batches(partition, state.logStartOffset)) {
          if (stored.last >= entry.offset) break;
          root.removeSync(['b', this.shard, partition, Number(base)]);
          state.bytes -= stored.bytes.length;
        }
        state.logStartOffset = entry.offset;
        if (entry.offset > state.nextOffset) state.nextOffset = entry.offset;
      }
      root.putSync(['p', this.shard, partition], state);
    }
  }

  async describe(partition: PartitionKey): Promise<LogDescription> {
    this.requireCurrent();
    const state = this.state(partition) ?? { logStartOffset: 0n, nextOffset: 0n, bytes: 0 };
    const checkpoint = this.env.root.get(['c', this.shard, partition]) as
      | { offset: bigint; bytes: Uint8Array }
      | undefined;
    return {
      logStartOffset: BigInt(state.logStartOffset),
      nextOffset: BigInt(state.nextOffset),
      bytes: state.bytes,
      ...(checkpoint === undefined
        ? {}
        : { checkpoint: { offset: BigInt(checkpoint.offset), bytes: Uint8Array.from(checkpoint.bytes) } }),
    };
  }

  async read(
    partition: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]> {
    this.requireCurrent();
    const found: Uint8Array[] = [];
    let bytes = 0;
    for (const [base, stored] of this.batches(partition, fromOffset)) {
      if (base >= endOffset) break;
      bytes += stored.bytes.length;
      if (bytes > bytesMax && !(atLeastOne && found.length === 0)) break;
      found.push(Uint8Array.from(stored.bytes));
    }
    return found;
  }

  async *headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array> {
    this.requireCurrent();
    for (const [, stored] of [...this.batches(partition, fromOffset)])
      yield Uint8Array.from(stored.bytes.subarray(0, HEADER_BYTES));
  }

  async firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): Promise<bigint | undefined> {
    this.requireCurrent();
    for (const [base, stored] of this.batches(partition, 0n)) if (stored.time >= timestampMs) return base;
    return undefined;
  }

  async batchOfMaxTimestamp(partition: PartitionKey): Promise<bigint | undefined> {
    this.requireCurrent();
    let best: bigint | undefined;
    let time = -1n;
    for (const [base, stored] of this.batches(partition, 0n)) {
      if (stored.time > time) {
        best = base;
        time = stored.time;
      }
    }
    return best;
  }

  async offsetToKeep(partition: PartitionKey, bytes: number): Promise<bigint> {
    this.requireCurrent();
    const state = this.state(partition) ?? { logStartOffset: 0n, nextOffset: 0n, bytes: 0 };
    let kept = 0;
    let boundary = state.nextOffset;
    for (const [base, stored] of [...this.batches(partition, 0n)].reverse()) {
      if (kept >= bytes) break;
      kept += stored.bytes.length;
      boundary = base;
    }
    return kept < bytes || boundary < state.logStartOffset ? state.logStartOffset : boundary;
  }

  async sizes(): Promise<ReadonlyMap<PartitionKey, number>> {
    this.requireCurrent();
    const sizes = new Map<PartitionKey, number>();
    for (const { key, value } of this.env.root.getRange({ start: ['p', this.shard], end: ['p', this.shard + 1] })) {
      sizes.set(key[2] as PartitionKey, (value as Described).bytes);
    }
    return sizes;
  }

  async close(): Promise<void> {
    await this.inFlight;
    if (this.env.epochs.get(this.shard) === this.epoch) this.env.epochs.delete(this.shard);
  }

  private state(partition: PartitionKey): Described | undefined {
    const state = this.env.root.get(['p', this.shard, partition]) as Described | undefined;
    return state === undefined
      ? undefined
      : { logStartOffset: BigInt(state.logStartOffset), nextOffset: BigInt(state.nextOffset), bytes: state.bytes };
  }

  private *batches(partition: PartitionKey, fromOffset: bigint): Iterable<[bigint, Stored]> {
    let start = -1;
    for (const key of this.env.root.getKeys({
      start: ['b', this.shard, partition, Number(fromOffset)],
      end: ['b', this.shard, partition, -1],
      reverse: true,
      limit: 1,
    })) {
      start = key[3] as number;
    }
    for (const { key, value } of this.env.root.getRange({
      start: ['b', this.shard, partition, start],
      end: ['b', this.shard, partition, Number.MAX_VALUE],
    })) {
      const stored = value as Stored;
      if (BigInt(stored.last) < fromOffset) continue;
      yield [BigInt(key[3] as number), { last: BigInt(stored.last), time: BigInt(stored.time), bytes: stored.bytes }];
    }
  }
}

class EmbeddedMetadata implements MetadataStore {
  private readonly env: Environment;
  private readonly values: Database<{ revision: number; value: Uint8Array }, string>;
  private readonly watches = new Set<(key: string, value: MetadataValue | undefined) => void>();

  constructor(env: Environment) {
    this.env = env;
    this.values = env.root.openDB('metadata', {}) as unknown as Database<
      { revision: number; value: Uint8Array },
      string
    >;
  }

  async get(key: string): Promise<MetadataValue | undefined> {
    const stored = this.values.get(key);
    return stored === undefined ? undefined : { key, revision: stored.revision, value: Uint8Array.from(stored.value) };
  }

  async list(prefix: string): Promise<MetadataValue[]> {
    const found: MetadataValue[] = [];
    for (const { key, value } of this.values.getRange({ start: prefix })) {
      if (!key.startsWith(prefix)) break;
      found.push({ key, revision: value.revision, value: Uint8Array.from(value.value) });
    }
    return found;
  }

  async put(key: string, value: Uint8Array, expectedRevision: number): Promise<number | undefined> {
    const revision = this.env.transact(() => {
      if ((this.values.get(key)?.revision ?? 0) !== expectedRevision) return undefined;
      const next = ((this.env.root.get(['r']) as number | undefined) ?? 0) + 1;
      this.env.root.putSync(['r'], next);
      this.values.putSync(key, { revision: next, value });
      return next;
    });
    if (revision !== undefined) for (const tell of [...this.watches]) tell(key, { key, value, revision });
    return revision;
  }

  async delete(key: string, expectedRevision: number): Promise<boolean> {
    const deleted = this.env.transact(() => {
      if (expectedRevision === 0 || this.values.get(key)?.revision !== expectedRevision) return false;
      this.values.removeSync(key);
      return true;
    });
    if (deleted) for (const tell of [...this.watches]) tell(key, undefined);
    return deleted;
  }

  watch(prefix: string, onChange: (key: string, value: MetadataValue | undefined) => void): () => void {
    const tell = (key: string, value: MetadataValue | undefined): void => {
      if (key.startsWith(prefix)) onChange(key, value);
    };
    this.watches.add(tell);
    return () => this.watches.delete(tell);
  }

  async close(): Promise<void> {}
}

/** Opens the store of `dataDir`, making the folder when it is not there. @throws StorageFault */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  await mkdir(options.dataDir, { recursive: true });
  const env = new Environment(options);
  const close = async (): Promise<void> => {
    env.epochs.clear();
    await env.root.close();
  };
  const shards: ShardStorage = {
    async openShard(shard: number): Promise<ShardLog> {
      const epoch = env.transact(() => {
        const next = ((env.root.get(['e', shard]) as number | undefined) ?? -1) + 1;
        env.root.putSync(['e', shard], next);
        return next;
      });
      env.epochs.set(shard, epoch);
      return new EmbeddedShardLog(env, shard, epoch);
    },
    async volume() {
      const { blocks, bavail, bsize } = await statfs(options.dataDir);
      return { path: options.dataDir, totalBytes: blocks * bsize, usableBytes: bavail * bsize };
    },
    close,
  };
  return { shards, metadata: new EmbeddedMetadata(env), close };
}
