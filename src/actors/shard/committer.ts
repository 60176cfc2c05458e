// Group commit of one shard: while an append is in flight, everything that arrives, from any of the shard's actors,
// forms the next one. No timers, no linger. One append is in flight at a time, so the journal's order is the queue's.
//
// After a failure nothing that was queued behind it may land either: it was decided on state that will never be. So the
// whole queue fails, and each partition in it gets a new generation; what its old incarnation still sends is refused.

import type { LogEntry, PartitionKey, ShardLog } from './ports.ts';
import { StorageFault } from './ports.ts';

interface Submission {
  readonly partition: PartitionKey;
  readonly entries: readonly LogEntry[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface CommitterLimits {
  /** Bytes of batches that one append takes at the most; a larger single submission still goes, alone. */
  readonly appendBytesMax: number;
}

export class Committer {
  readonly #log: ShardLog;
  readonly #limits: CommitterLimits;
  readonly #onFailure: (error: unknown) => void;
  #queue: Submission[] = [];
  /** The append under way; empty: none is. */
  #inFlight: readonly Submission[] = [];
  #awaitingSettlement: { readonly partition: PartitionKey; readonly resolve: () => void }[] = [];
  #closed: unknown;
  readonly #generations = new Map<PartitionKey, number>();

  /** @param onFailure told of every failed append, after its submitters have been refused. */
  constructor(log: ShardLog, limits: CommitterLimits, onFailure: (error: unknown) => void) {
    this.#log = log;
    this.#limits = limits;
    this.#onFailure = onFailure;
  }

  /** The generation that the partition's next incarnation submits under; taken before its state is loaded. */
  generation(partition: PartitionKey): number {
    return this.#generations.get(partition) ?? 0;
  }

  /**
   * Resolves when nothing that was submitted for the partition is queued or under way any more. What its last
   * incarnation left behind may land until then, so the next one does not load before.
   */
  settled(partition: PartitionKey): Promise<void> {
    if (!this.#isPending(partition)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#awaitingSettlement.push({ partition, resolve });
    });
  }

  /**
   * Queues entries of one partition; they land together.
   * @throws StorageFault as ShardLog.append does; `unavailable` when the generation is an old one.
   */
  submit(partition: PartitionKey, generation: number, entries: readonly LogEntry[]): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (generation !== this.generation(partition)) {
      return Promise.reject(new StorageFault('unavailable', `${partition}: decided before a failed commit`));
    }
    let bytes = 0;
    for (const entry of entries) if (entry.kind === 'batch') bytes += entry.bytes.length;
    return new Promise((resolve, reject) => {
      this.#queue.push({ partition, entries, bytes, resolve, reject });
      if (this.#inFlight.length === 0) this.#appendNext();
    });
  }

  /** Refuses everything queued and to come with `error`; the append in flight, if any, still tells its own outcome. */
  close(error: unknown): void {
    this.#closed = error;
    const queue = this.#queue;
    this.#queue = [];
    for (const submission of queue) submission.reject(error);
    this.#tellSettled();
  }

  #appendNext(): void {
    const group = this.#takeGroup();
    if (group.length === 0) return;
    this.#inFlight = group;
    const entries = group.length === 1 ? (group[0] as Submission).entries : group.flatMap(({ entries }) => entries);
    this.#log.append(entries).then(
      () => {
        this.#inFlight = [];
        // The next group goes first: the store works on it while the replies of this one are written.
        this.#appendNext();
        for (const { resolve } of group) resolve();
        this.#tellSettled();
      },
      (error) => {
        this.#inFlight = [];
        this.#failAll([...group, ...this.#queue], error);
      },
    );
  }

  #takeGroup(): Submission[] {
    let bytes = 0;
    let count = 0;
    for (const submission of this.#queue) {
      if (count > 0 && bytes + submission.bytes > this.#limits.appendBytesMax) break;
      bytes += submission.bytes;
      count++;
    }
    const group = count === this.#queue.length ? this.#queue : this.#queue.slice(0, count);
    this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count);
    return group;
  }

  #failAll(submissions: readonly Submission[], error: unknown): void {
    this.#queue = [];
    for (const partition of new Set(submissions.map((submission) => submission.partition))) {
      this.#generations.set(partition, this.generation(partition) + 1);
    }
    for (const { reject } of submissions) reject(error);
    this.#onFailure(error);
    this.#tellSettled();
  }

  #isPending(partition: PartitionKey): boolean {
    const ofPartition = (submission: Submission): boolean => submission.partition === partition;
    return this.#inFlight.some(ofPartition) || this.#queue.some(ofPartition);
  }

  #tellSettled(): void {
    if (this.#awaitingSettlement.length === 0) return;
    const waiting = this.#awaitingSettlement;
    this.#awaitingSettlement = waiting.filter(({ partition }) => this.#isPending(partition));
    for (const { partition, resolve } of waiting) if (!this.#isPending(partition)) resolve();
  }
}
