// The simulated disk: the memory twin of the embedded store, whose operations take their time in the world's event queue
// and fail when a fault says so. It outlives the processes that use it.

import type { ShardStorage } from '../../src/actors/shard/ports.ts';
import {
  createMemoryStore,
  MemoryDisk,
  type MemoryOperation,
  type MemoryStore,
  type MemoryWriteOutcome,
} from '../../src/storage/memory.ts';
import { type DiskDefect, withDefect } from './defects.ts';
import type { Links } from './links.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';

export interface DiskConditions {
  /** Mean time of an append or another write, ms. */
  readonly writeMeanMs: number;
  readonly readMeanMs: number;
}

/** The longest that one operation takes, ms: longer than a client waits, shorter than a run has to settle. */
const DELAY_MAX_MS = 6_000;
/** Free space that a full disk has left, bytes: metadata fits, batches do not for long. */
const FULL_DISK_SPARE_BYTES = 256;

export class SimDisk {
  readonly #random: SeededRandom;
  readonly #conditions: DiskConditions;
  readonly #defect: DiskDefect | undefined;
  readonly #links: Links | undefined;
  readonly #disk: MemoryDisk;
  #slowFactor = 1;
  #failure: { outcome: MemoryWriteOutcome; appendsLeft: number } | undefined;
  #readsFail = false;

  /** @param links given when several nodes share the disk, as their journal: it may be out of reach, and outlives them */
  constructor(random: SeededRandom, conditions: DiskConditions, links: Links | undefined, defect?: DiskDefect) {
    this.#random = random;
    this.#conditions = conditions;
    this.#defect = defect;
    this.#links = links;
    // A disk that loses what it acknowledged last is one that syncs too late.
    this.#disk = new MemoryDisk({ durability: defect === 'loses-last-append-on-crash' ? 'os' : 'fsync' });
  }

  /** Everything takes `factor` times as long. */
  slowDown(factor: number): void {
    this.#slowFactor = factor;
  }

  /** The next `count` appends end so. */
  failAppends(outcome: MemoryWriteOutcome, count: number): void {
    this.#failure = count > 0 ? { outcome, appendsLeft: count } : undefined;
  }

  failReads(fail: boolean): void {
    this.#readsFail = fail;
  }

  fill(): void {
    this.#disk.resize(this.#disk.usedBytes() + FULL_DISK_SPARE_BYTES);
  }

  free(): void {
    this.#disk.resize(Number.POSITIVE_INFINITY);
  }

  /** Opens the disk for a process, whose operations end with it. */
  open(process: SimProcess, nodeId: number): { readonly store: MemoryStore; readonly storage: ShardStorage } {
    const store = createMemoryStore({
      disk: this.#disk,
      schedule: (operation, complete) => {
        const arrive = (): void =>
          void process.after(this.#delayMs(operation), () => this.#reach(nodeId, complete, arrive));
        arrive();
      },
      faults: {
        beforeAppend: () => {
          if (this.#defect === 'loses-last-append-on-crash') this.#disk.sync();
          const failure = this.#failure;
          if (failure === undefined) return 'ok';
          if (--failure.appendsLeft === 0) this.#failure = undefined;
          return failure.outcome;
        },
        beforeRead: () => (this.#readsFail && this.#random.chance(0.5) ? 'unavailable' : 'ok'),
        beforeOpen: () => (this.#readsFail && this.#random.chance(0.5) ? 'unavailable' : 'ok'),
      },
    });
    const storage = this.#defect === undefined ? store.shards : withDefect(store.shards, this.#defect);
    return { store, storage };
  }

  /** The process that had the disk open has died; what it had sent reaches the disk or does not. */
  crash(store: MemoryStore): void {
    store.crash(this.#random.chance(0.5) ? 'apply' : 'drop');
    // A journal does not die with a node; its machine's disk does.
    if (this.#links === undefined) this.#disk.losePower();
  }

  /** Takes effect now, or when the node reaches the journal again: what it sent before lies in its socket until then. */
  #reach(nodeId: number, complete: () => void, arrive: () => void): void {
    if (this.#links === undefined || this.#links.reaches(nodeId, 'journal')) complete();
    else this.#links.whenJoined(nodeId, 'journal', arrive);
  }

  #delayMs(operation: MemoryOperation): number {
    if (operation === 'watch') return 0;
    const writes = operation === 'append' || operation === 'open';
    const meanMs = writes ? this.#conditions.writeMeanMs : this.#conditions.readMeanMs;
    return Math.min(DELAY_MAX_MS, this.#slowFactor * (0.05 + this.#random.exponential(meanMs)));
  }
}
