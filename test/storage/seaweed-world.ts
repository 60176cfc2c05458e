// A shard of the cold store in a test: what was moved to it, and that all of it comes back, batch by batch.

import { expect } from 'chai';
import { systemClock } from '../../cluster/system-ports.ts';
import type { Logger } from '../../src/actors/runtime/ports.ts';
import type { BatchEntry, PartitionKey } from '../../src/actors/shard/ports.ts';
import type { ColdRun, ColdShard } from '../../src/storage/seaweed/cold-store.ts';
import type { SeaweedLimits } from '../../src/storage/seaweed/limits.ts';
import type { SeaweedShard } from '../../src/storage/seaweed/seaweed-shard.ts';
import { SeaweedStore } from '../../src/storage/seaweed/store.ts';
import type { WeedCluster } from '../support/weed-process.ts';
import { type BatchShape, batch, splitBatches } from './batches.ts';

const pollMs = 10;
const LOG_FILE = /\/0000-2520\/\d{4}-[\d-]+$/;

/** Waits until something holds. @throws Error that says what did not come about, with `shows` */
export async function until(
  what: string,
  timeoutMs: number,
  holds: () => boolean,
  shows: () => unknown,
): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error(`not in ${timeoutMs} ms: ${what}; ${JSON.stringify(shows(), withBigInts)}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function withBigInts(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

/** The stores of one test: each a node of its own, all in the test's namespace of one SeaweedFS. */
export class ColdWorld {
  readonly weed: WeedCluster;
  readonly namespace: string;
  readonly #stores: SeaweedStore[] = [];
  readonly log: { event: string; fields: unknown }[] = [];

  constructor(weed: WeedCluster, namespace: string) {
    this.weed = weed;
    this.namespace = namespace;
  }

  store(limits: Partial<SeaweedLimits> = {}, compress = false): SeaweedStore {
    const logger: Logger = { log: (_, event, fields) => this.log.push({ event, fields }) };
    const store = new SeaweedStore({
      brokers: this.weed.brokers.map((broker) => broker.address),
      filers: [this.weed.filer],
      namespace: this.namespace,
      clock: systemClock,
      logger,
      compress,
      // The rounds of deletion and of index pages are the tests' own.
      limits: { sweepIntervalMs: 3_600_000, backoffLastMs: 500, ...limits },
    });
    this.#stores.push(store);
    return store;
  }

  /** The shard on a node with an empty disk. */
  async open(shard: number, epoch: number, limits: Partial<SeaweedLimits> = {}): Promise<SeaweedShard> {
    return (await this.store(limits).openShard(shard, epoch)) as SeaweedShard;
  }

  /** Paths of all files and folders of the namespace, with their sizes; folders end in a slash. */
  async files(): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    const look = async (folder: string): Promise<void> => {
      const answer = await fetch(`http://${this.weed.filer.http}${folder}/?limit=10000`, {
        headers: { accept: 'application/json' },
      });
      if (answer.status === 404) return;
      const { Entries } = (await answer.json()) as {
        Entries: { FullPath: string; Mode: number; FileSize: number }[] | null;
      };
      for (const { FullPath, Mode, FileSize } of Entries ?? []) {
        // Go's os.ModeDir.
        const isFolder = Mode >>> 31 === 1;
        found.set(isFolder ? `${FullPath}/` : FullPath, FileSize);
        if (isFolder) await look(FullPath);
      }
    };
    await look(`/topics/${this.namespace}`);
    await look(`/sargasso-index/${this.namespace}`);
    return found;
  }

  async logFiles(): Promise<string[]> {
    return [...(await this.files()).keys()].filter((path) => LOG_FILE.test(path));
  }

  /** Bytes of all log files. */
  async logBytes(): Promise<number> {
    const files = [...(await this.files())].filter(([path]) => LOG_FILE.test(path));
    return files.reduce((sum, [, bytes]) => sum + bytes, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
  }
}

/** The journal's sequence of each batch: whoever moves it, and cut however, it is the same. */
const positions = new WeakMap<BatchEntry, bigint>();

/** The log of one partition, as a producer has written it. */
export class Written {
  readonly partition: PartitionKey;
  readonly batches: BatchEntry[] = [];
  nextOffset = 0n;
  static position = 0n;

  constructor(partition: PartitionKey) {
    this.partition = partition;
  }

  add(shape: BatchShape = {}): BatchEntry {
    const entry = batch(this.partition, this.nextOffset, shape);
    this.nextOffset = entry.lastOffset + 1n;
    this.batches.push(entry);
    positions.set(entry, ++Written.position);
    return entry;
  }

  /** `count` batches, written now, as one run. */
  run(count: number, shape: BatchShape = {}): ColdRun {
    return runOf(Array.from({ length: count }, () => this.add(shape)));
  }

  /** Reads all from `from` on in steps of `bytesMax` and compares byte for byte: nothing missing, nothing twice. */
  async expectReadable(shard: ColdShard, from = 0n, bytesMax = 300_000): Promise<void> {
    const expected = this.batches.filter((entry) => entry.lastOffset >= from);
    let next = from;
    let number = 0;
    while (number < expected.length) {
      const pieces = await shard.read(this.partition, next, this.nextOffset, bytesMax, true);
      const found = splitBatches(pieces);
      if (found.length === 0) throw new Error(`${this.partition} has nothing from ${next} on`);
      for (const bytes of found) {
        const entry = expected[number++];
        expect(bytes.readBigInt64BE(0), 'base offset').to.equal(entry?.baseOffset);
        if (!bytes.equals(entry!.bytes)) throw new Error(`the batch at ${entry!.baseOffset} came back changed`);
        next = entry!.lastOffset + 1n;
      }
    }
    expect(await shard.read(this.partition, next, this.nextOffset + 100n, bytesMax, true)).to.deep.equal([]);
  }
}

/** Batches as a run. */
export function runOf(batches: readonly BatchEntry[]): ColdRun {
  const [first] = batches;
  return {
    partition: first!.partition,
    baseOffset: first!.baseOffset,
    lastOffset: batches[batches.length - 1]!.lastOffset,
    maxTimestampMs: batches.map((each) => each.maxTimestampMs).sort((a, b) => (a < b ? 1 : -1))[0]!,
    position: positions.get(batches[batches.length - 1]!)!,
    pieces: batches.map((each) => each.bytes),
  };
}
