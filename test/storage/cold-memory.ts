// A cold store in memory, as unreliable as the real one: what it was given is proven late, out of order between
// partitions, or lost until it is given again; it may be away. What was proven outlives the stores that use it.

import { type PartitionKey, StorageFault } from '../../src/actors/shard/ports.ts';
import type {
  ColdBatch,
  ColdRange,
  ColdRun,
  ColdShard,
  ColdStore,
  ColdStoreStatus,
} from '../../src/storage/seaweed/cold-store.ts';
import { splitBatches } from './batches.ts';

interface ColdLog {
  logStart: bigint;
  removedUpTo: bigint;
  /** Proven batches by base offset, in order. */
  batches: { readonly bytes: Buffer; readonly position: bigint }[];
}

const base = (bytes: Buffer): bigint => bytes.readBigInt64BE(0);
const last = (bytes: Buffer): bigint => base(bytes) + BigInt(bytes.readInt32BE(23));
const time = (bytes: Buffer): bigint => bytes.readBigInt64BE(35);

/** What is stored, for all stores of a test. */
export class ColdDisk {
  readonly shards = new Map<number, Map<PartitionKey, ColdLog>>();
  /** Everything answers `unavailable`. */
  away = false;
  /** Time from a move to its proof, ms. */
  proofDelayMs = 0;
  moves = 0;
  /** Settles when answers may be given. */
  held: Promise<void> = Promise.resolve();

  /** Keeps answers to readers back, which are made up when they are asked, until they are released. */
  hold(): { release(): void } {
    let release = () => {};
    this.held = new Promise((resolve) => {
      release = resolve;
    });
    return { release };
  }

  log(shard: number, partition: PartitionKey): ColdLog {
    const logs = this.shards.get(shard) ?? new Map<PartitionKey, ColdLog>();
    this.shards.set(shard, logs);
    const log = logs.get(partition) ?? { logStart: 0n, removedUpTo: -1n, batches: [] };
    logs.set(partition, log);
    return log;
  }

  /** Bytes that are stored. */
  get bytes(): number {
    let bytes = 0;
    for (const logs of this.shards.values()) {
      for (const log of logs.values()) bytes += log.batches.reduce((sum, one) => sum + one.bytes.length, 0);
    }
    return bytes;
  }

  requireThere(): void {
    if (this.away) throw new StorageFault('unavailable', 'the cold store is away');
  }
}

export class ColdMemory implements ColdStore {
  readonly disk: ColdDisk;

  constructor(disk: ColdDisk) {
    this.disk = disk;
  }

  async openShard(shard: number, _epoch: number): Promise<ColdShard> {
    this.disk.requireThere();
    return new ColdMemoryShard(this.disk, shard);
  }

  status(): ColdStoreStatus {
    return {
      backlogRuns: 0,
      backlogBytes: 0,
      backlogAgeMs: 0,
      movedRuns: this.disk.moves,
      movedBytes: this.disk.bytes,
      resentRuns: 0,
      lastAckMs: undefined,
      lastProofMs: undefined,
      lastFault: undefined,
      readBytes: 0,
      fetchedRuns: 0,
      indexBytes: 0,
      cacheBytes: 0,
      deletedFiles: 0,
      unreadableChunks: 0,
      ackedRuns: 0,
      scannedChunks: 0,
    };
  }

  async close(): Promise<void> {}
}

class ColdMemoryShard implements ColdShard {
  readonly #disk: ColdDisk;
  readonly #shard: number;
  readonly #pending = new Set<(fault: StorageFault) => void>();
  #closed = false;

  constructor(disk: ColdDisk, shard: number) {
    this.#disk = disk;
    this.#shard = shard;
  }

  move(run: ColdRun): Promise<void> {
    this.#disk.moves++;
    // Copied, as the real one does: what becomes of the journal's buffers is none of its business.
    const bytes = Buffer.concat(run.pieces);
    if (base(bytes) !== run.baseOffset) throw new Error(`a run of ${run.partition} begins at ${base(bytes)}`);
    return new Promise((resolve, reject) => {
      this.#pending.add(reject);
      const prove = (): void => {
        if (this.#closed) return;
        if (this.#disk.away) {
          setTimeout(prove, 5);
          return;
        }
        this.#pending.delete(reject);
        this.#store(run, bytes);
        resolve();
      };
      setTimeout(prove, this.#disk.proofDelayMs * (run.partition.endsWith('1') ? 3 : 1));
    });
  }

  async room(): Promise<void> {}
  async drain(): Promise<void> {}
  async refresh(): Promise<void> {}

  range(partition: PartitionKey): ColdRange | undefined {
    const { batches } = this.#log(partition);
    if (batches.length === 0) return undefined;
    return { startOffset: base(batches[0]!.bytes), endOffset: last(batches.at(-1)!.bytes) + 1n };
  }

  *partitions(): Iterable<PartitionKey> {
    for (const [key, log] of this.#disk.shards.get(this.#shard) ?? []) if (log.batches.length > 0) yield key;
  }

  endOfRow(partition: PartitionKey, offset: bigint): bigint {
    let next = offset;
    for (const { bytes } of this.#log(partition).batches) {
      if (last(bytes) < next) continue;
      if (base(bytes) > next) break;
      next = last(bytes) + 1n;
    }
    return next;
  }

  async read(
    partition: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]> {
    this.#disk.requireThere();
    const found: Uint8Array[] = [];
    let bytes = 0;
    for (const one of this.#from(partition, fromOffset)) {
      if (base(one) >= endOffset) break;
      bytes += one.length;
      if (bytes > bytesMax && !(atLeastOne && found.length === 0)) break;
      found.push(one);
    }
    await this.#disk.held;
    return found;
  }

  async *headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array> {
    this.#disk.requireThere();
    for (const one of this.#from(partition, fromOffset)) yield one.subarray(0, 61);
  }

  async firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): Promise<ColdBatch | undefined> {
    this.#disk.requireThere();
    const found = this.#from(partition, 0n).find((one) => time(one) >= timestampMs);
    await this.#disk.held;
    return found && { baseOffset: base(found), maxTimestampMs: time(found) };
  }

  async batchOfMaxTimestamp(partition: PartitionKey): Promise<ColdBatch | undefined> {
    this.#disk.requireThere();
    let best: ColdBatch | undefined;
    for (const one of this.#from(partition, 0n)) {
      if (time(one) > (best?.maxTimestampMs ?? -1n)) best = { baseOffset: base(one), maxTimestampMs: time(one) };
    }
    await this.#disk.held;
    return best;
  }

  async bytesBetween(partition: PartitionKey, fromOffset: bigint, endOffset: bigint): Promise<number> {
    this.#disk.requireThere();
    return this.#from(partition, fromOffset).reduce((sum, one) => sum + (base(one) < endOffset ? one.length : 0), 0);
  }

  setLogStart(partition: PartitionKey, offset: bigint): void {
    const log = this.#log(partition);
    if (offset > log.logStart) log.logStart = offset;
    log.batches = log.batches.filter(({ bytes }) => last(bytes) >= log.logStart);
  }

  remove(partition: PartitionKey, position: bigint): void {
    const log = this.#log(partition);
    if (position > log.removedUpTo) log.removedUpTo = position;
    log.logStart = 0n;
    log.batches = log.batches.filter((one) => one.position > log.removedUpTo);
  }

  adopt(live: ReadonlyMap<PartitionKey, bigint>): void {
    for (const [partition, logStart] of live) this.setLogStart(partition, logStart);
    for (const key of [...this.partitions()]) if (!live.has(key)) this.remove(key, 1n << 60n);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const reject of this.#pending) reject(new StorageFault('unavailable', 'closed'));
    this.#pending.clear();
  }

  #log(partition: PartitionKey): ColdLog {
    return this.#disk.log(this.#shard, partition);
  }

  /** Live batches from the one that holds the offset on. */
  #from(partition: PartitionKey, offset: bigint): Buffer[] {
    return this.#log(partition)
      .batches.map(({ bytes }) => bytes)
      .filter((bytes) => last(bytes) >= offset);
  }

  #store(run: ColdRun, bytes: Buffer): void {
    const log = this.#log(run.partition);
    if (run.position <= log.removedUpTo) return;
    for (const one of splitBatches([bytes])) {
      if (last(one) < log.logStart || log.batches.some(({ bytes: other }) => base(other) === base(one))) continue;
      log.batches.push({ bytes: one, position: run.position });
    }
    log.batches.sort((left, right) => (base(left.bytes) < base(right.bytes) ? -1 : 1));
  }
}
