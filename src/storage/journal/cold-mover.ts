// Moves a shard's batches from the journal to the cold store, in runs of whole batches of one partition, in order. What is
// proven to be stored there is noted in the log (`moved` entries), which makes it dead in the journal. A new owner goes on
// from what is noted; what it moves a second time is recognised by the cold store.

import type { Logger } from '../../actors/runtime/ports.ts';
import { type PartitionKey, StorageFault } from '../../actors/shard/ports.ts';
import type { ColdRun, ColdShard } from '../seaweed/cold-store.ts';
import type { JournalLimits } from './limits.ts';
import type { JournalEntry } from './message-format.ts';
import type { MoveTraces } from './move-traces.ts';
import type { PartitionState } from './partition-state.ts';
import type { Row } from './rows.ts';
import type { ShardState } from './shard-state.ts';

export interface ColdMoverOptions {
  readonly shard: number;
  readonly state: ShardState;
  readonly limits: JournalLimits;
  readonly logger: Logger;
  /** Partitions whose batches stay in the journal. */
  readonly stays: (partition: PartitionKey) => boolean;
  /** Whether the journal has little room, so that runs do not wait to be filled. */
  readonly isPressed: () => boolean;
  readonly traces: MoveTraces;
  readonly read: (rows: readonly Row[]) => Promise<Uint8Array[]>;
  /** Appends entries that are made when their turn comes; none: nothing is appended. @throws StorageFault */
  readonly append: (entries: () => readonly JournalEntry[]) => Promise<void>;
}

interface Moving {
  readonly partition: PartitionState;
  /** Everything below it was given to the cold store. */
  givenOffset: bigint;
  /** The runs under way, in order. */
  readonly runs: GivenRun[];
  /** Since when there is something that was not given, monotonic ms. */
  sinceMs: number;
}

interface GivenRun {
  readonly endOffset: bigint;
  readonly bytes: number;
  proven: boolean;
}

export class ColdMover {
  readonly #options: ColdMoverOptions;
  readonly #cold: ColdShard;
  readonly #moving = new Map<PartitionKey, Moving>();
  /** Partitions with batches that were not given. */
  readonly #due = new Set<PartitionKey>();
  /** Proven and not noted. */
  readonly #proven = new Map<PartitionKey, Moving>();
  #work: Promise<void> | undefined;
  #noting: Promise<void> | undefined;
  readonly #ticker: NodeJS.Timeout;
  readonly #noter: NodeJS.Timeout;
  #stopped = false;

  constructor(cold: ColdShard, options: ColdMoverOptions) {
    this.#cold = cold;
    this.#options = options;
    for (const key of options.state.partitions.keys()) this.appended(key);
    this.#ticker = setInterval(() => this.#tick(), options.limits.moveIntervalMs);
    this.#noter = setInterval(() => this.#note(), options.limits.movedIntervalMs);
  }

  /** Batches of the partition were committed. */
  appended(partition: PartitionKey): void {
    if (!this.#options.stays(partition)) this.#due.add(partition);
  }

  /** Gives no more to the cold store and notes nothing more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#ticker);
    clearInterval(this.#noter);
    await this.#noting;
    // The work under way may wait for room; closing the cold shard ends that.
  }

  #tick(): void {
    if (this.#stopped || this.#work !== undefined || this.#due.size === 0) return;
    this.#work = this.#moveDue()
      .catch((error: unknown) => {
        if (this.#stopped) return;
        // A read of the journal has failed, or the cold store is being closed: the next tick goes on where this one was.
        this.#options.logger.log('warn', 'journal.move-failed', { shard: this.#options.shard, error });
      })
      .finally(() => {
        this.#work = undefined;
      });
  }

  async #moveDue(): Promise<void> {
    const nowMs = performance.now();
    for (const key of [...this.#due]) {
      const moving = this.#options.stays(key) ? undefined : this.#movingOf(key, nowMs);
      if (moving === undefined) {
        this.#due.delete(key);
        continue;
      }
      while (!this.#stopped) {
        const rows = this.#nextRun(moving, performance.now());
        if (rows === undefined) break;
        await this.#give(moving, rows);
      }
    }
  }

  /** What is known of moving the partition's log that lives now. */
  #movingOf(key: PartitionKey, nowMs: number): Moving | undefined {
    const partition = this.#options.state.partitions.get(key);
    if (partition === undefined) return undefined;
    let moving = this.#moving.get(key);
    if (moving?.partition !== partition) {
      moving = { partition, givenOffset: 0n, runs: [], sinceMs: nowMs };
      this.#moving.set(key, moving);
    }
    return moving;
  }

  /** The next batches that make a run, or are old enough to go as they are. */
  #nextRun(moving: Moving, nowMs: number): Row[] | undefined {
    const { runBytesMax } = this.#options.limits;
    const { partition } = moving;
    if (partition.rows.from(moving.givenOffset).next().done) {
      this.#due.delete(partition.key);
      moving.sinceMs = 0;
      return undefined;
    }
    if (moving.sinceMs === 0) moving.sinceMs = nowMs;
    const isOld = nowMs - moving.sinceMs >= this.#delayMs();
    // By what is known without looking at each row: this is asked many times before a run is filled.
    const given = moving.runs.reduce((sum, run) => sum + run.bytes, 0);
    if (!isOld && partition.rows.bytes - given < runBytesMax) return undefined;
    const rows: Row[] = [];
    let bytes = 0;
    let filled = false;
    for (const row of partition.rows.from(moving.givenOffset)) {
      if (rows.length > 0 && bytes + row.length > runBytesMax) {
        filled = true;
        break;
      }
      rows.push(row);
      bytes += row.length;
    }
    return filled || bytes >= runBytesMax || isOld ? rows : undefined;
  }

  #delayMs(): number {
    const { moveDelayMs, moveDelayPressedMs } = this.#options.limits;
    return this.#options.isPressed() ? Math.min(moveDelayMs, moveDelayPressedMs) : moveDelayMs;
  }

  async #give(moving: Moving, rows: readonly Row[]): Promise<void> {
    const { partition } = moving;
    const first = rows[0]!;
    const last = rows.at(-1)!;
    const bytes = rows.reduce((sum, row) => sum + row.length, 0);
    const run = { endOffset: last.lastOffset + 1n, bytes, proven: false };
    const advance = (): void => {
      moving.givenOffset = run.endOffset;
      moving.sinceMs = performance.now();
      moving.runs.push(run);
    };
    if (this.#cold.endOfRow(partition.key, first.baseOffset) >= run.endOffset) {
      advance();
      this.#settle(moving, run);
      return;
    }
    await this.#cold.room();
    if (this.#stopped) return;
    const pieces = await this.#options.read(rows);
    // While it was read, the log may have been removed or its start moved above: then nobody misses it.
    if (this.#stopped || this.#options.state.partitions.get(partition.key) !== partition) return;
    advance();
    const cold: ColdRun = {
      partition: partition.key,
      baseOffset: first.baseOffset,
      lastOffset: last.lastOffset,
      maxTimestampMs: maxTimestampMs(rows),
      position: BigInt(last.sequence),
      pieces,
    };
    const span = this.#options.traces.startMove(partition.key, last.lastOffset, bytes);
    this.#cold.move(cold).then(
      () => {
        span?.end();
        this.#settle(moving, run);
      },
      (error: unknown) => {
        span?.end(error);
        // Only when the shard is closed in the cold store; the next owner moves it.
        if (!this.#stopped)
          this.#options.logger.log('warn', 'journal.move-given-up', { shard: this.#options.shard, error });
      },
    );
  }

  #settle(moving: Moving, run: GivenRun): void {
    run.proven = true;
    if (moving.runs[0]?.proven) this.#proven.set(moving.partition.key, moving);
  }

  #note(): void {
    if (this.#noting !== undefined || this.#proven.size === 0) return;
    this.#noting = this.#options
      .append(() => (this.#stopped ? [] : this.#movedEntries()))
      .then(() => this.#noted())
      .catch((error: unknown) => {
        if (!(error instanceof StorageFault)) throw error;
        // It stays proven: the next round notes it, or the next owner finds it proven.
        this.#options.logger.log('info', 'journal.moved-not-noted', { shard: this.#options.shard, code: error.code });
      })
      .finally(() => {
        this.#noting = undefined;
      });
  }

  #movedEntries(): JournalEntry[] {
    const entries: JournalEntry[] = [];
    for (const [key, moving] of this.#proven) {
      if (this.#options.state.partitions.get(key) !== moving.partition) continue;
      let offset = 0n;
      for (const run of moving.runs) {
        if (!run.proven) break;
        offset = run.endOffset;
      }
      if (offset > moving.partition.movedOffset) entries.push({ kind: 'moved', partition: key, offset });
    }
    return entries;
  }

  /** Forgets the runs that the log knows to be moved. */
  #noted(): void {
    for (const [key, moving] of this.#proven) {
      const lives = this.#options.state.partitions.get(key) === moving.partition;
      while (moving.runs[0]?.proven && (!lives || moving.runs[0].endOffset <= moving.partition.movedOffset)) {
        moving.runs.shift();
      }
      if (!moving.runs[0]?.proven) this.#proven.delete(key);
      if (!lives && this.#moving.get(key) === moving) this.#moving.delete(key);
    }
  }
}

function maxTimestampMs(rows: readonly Row[]): bigint {
  let latest = -1n;
  for (const row of rows) if (row.maxTimestampMs > latest) latest = row.maxTimestampMs;
  return latest;
}
