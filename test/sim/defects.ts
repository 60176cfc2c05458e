// Deliberately broken stores. No world uses them but those that must fail: a checker that lets them pass checks nothing.

import {
  type BatchEntry,
  type LogEntry,
  type PartitionKey,
  type ShardLog,
  type ShardStorage,
  StorageFault,
} from '../../src/actors/shard/ports.ts';

export type DiskDefect =
  /** The append acknowledged last before a crash is gone after it. */
  | 'loses-last-append-on-crash'
  /** A former owner is not told that its append came too late. */
  | 'acknowledges-fenced'
  /** Now and then an append is acknowledged and never written. */
  | 'acknowledges-unwritten'
  /** Batch headers and checkpoints come back without their producers, so that repeats are not known after a restart. */
  | 'forgets-producers'
  /** Now and then a read leaves out a batch. */
  | 'skips-batches'
  /** Now and then a log is described as shorter than it is, and overwritten. */
  | 'hands-out-offsets-again';

/** Field positions in a v2 batch header. */
const PRODUCER_ID_AT = 43;
const PRODUCER_FIELDS_BYTES = 14;

/** `storage` with the defect. */
export function withDefect(storage: ShardStorage, defect: DiskDefect): ShardStorage {
  return {
    openShard: async (shard, node) => new DefectiveLog(await storage.openShard(shard, node), defect),
    volume: () => storage.volume(),
    close: () => storage.close(),
  };
}

class DefectiveLog implements ShardLog {
  readonly #log: ShardLog;
  readonly #defect: DiskDefect;
  #appends = 0;
  #reads = 0;
  /** One above the last offset stored, by partition, as far as this opening knows. */
  readonly #ends = new Map<PartitionKey, bigint>();

  constructor(log: ShardLog, defect: DiskDefect) {
    this.#log = log;
    this.#defect = defect;
  }

  get shard(): number {
    return this.#log.shard;
  }
  get epoch(): number {
    return this.#log.epoch;
  }

  async append(entries: readonly LogEntry[]): Promise<void> {
    this.#appends++;
    if (this.#defect === 'acknowledges-unwritten' && this.#appends % 10 === 0) return;
    if (this.#defect === 'acknowledges-fenced') {
      return this.#log.append(entries).catch((error) => {
        if (!(error instanceof StorageFault) || error.code !== 'fenced') throw error;
      });
    }
    if (this.#defect !== 'hands-out-offsets-again') return this.#log.append(entries);
    // What comes at an offset that is taken is dropped, as by a store that overwrites without looking.
    return this.#log.append(entries.filter((entry) => entry.kind !== 'batch' || !this.#isTaken(entry)));
  }

  #isTaken(entry: BatchEntry): boolean {
    const end = this.#ends.get(entry.partition) ?? 0n;
    if (entry.lastOffset >= end) this.#ends.set(entry.partition, entry.lastOffset + 1n);
    return entry.baseOffset < end;
  }

  async describe(partition: PartitionKey) {
    const { checkpoint, ...description } = await this.#log.describe(partition);
    if (this.#defect === 'forgets-producers') return description;
    if (this.#defect === 'hands-out-offsets-again' && description.nextOffset > 2n) {
      this.#ends.set(partition, description.nextOffset);
      return { ...description, nextOffset: description.nextOffset - 2n };
    }
    return checkpoint === undefined ? description : { ...description, checkpoint };
  }

  async *headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array> {
    const description = this.#defect === 'hands-out-offsets-again' ? await this.describe(partition) : undefined;
    for await (const header of this.#log.headers(partition, fromOffset)) {
      const view = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
      if (this.#defect === 'forgets-producers') {
        const anonymous = Buffer.from(view);
        anonymous.fill(0xff, PRODUCER_ID_AT, PRODUCER_ID_AT + PRODUCER_FIELDS_BYTES);
        yield anonymous;
      } else if (description === undefined || view.readBigInt64BE(0) < description.nextOffset - 2n) yield header;
    }
  }

  async read(...[partition, fromOffset, endOffset, bytesMax, atLeastOne]: Parameters<ShardLog['read']>) {
    const batches = await this.#log.read(partition, fromOffset, endOffset, bytesMax, atLeastOne);
    if (this.#defect !== 'skips-batches' || ++this.#reads % 7 !== 0 || batches.length < 2) return batches;
    return batches.toSpliced(batches.length - 2, 1);
  }

  firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint) {
    return this.#log.firstBatchAtOrAfter(partition, timestampMs);
  }
  batchOfMaxTimestamp(partition: PartitionKey) {
    return this.#log.batchOfMaxTimestamp(partition);
  }
  offsetToKeep(partition: PartitionKey, bytes: number) {
    return this.#log.offsetToKeep(partition, bytes);
  }
  sizes() {
    return this.#log.sizes();
  }
  close() {
    return this.#log.close();
  }
}
