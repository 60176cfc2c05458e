// Group commit of one shard: while an append is in flight, everything that arrives, from any of the shard's actors,
// forms the next one. No timers, no linger. One append is in flight at a time, so the journal's order is the queue's.
//
// After a failure nothing that was queued behind it may land either: it was decided on state that will never be. So the
// whole queue fails, and each partition in it gets a new generation; what its old incarnation still sends is refused.

import type { Events, Span, TraceContext, Tracer } from '../../events.ts';
import type { Clock } from '../runtime/ports.ts';
import type { LogEntry, PartitionKey, ShardLog } from './ports.ts';
import { StorageFault } from './ports.ts';

interface Submission {
  readonly partition: PartitionKey;
  readonly entries: readonly LogEntry[];
  readonly bytes: number;
  /** Undefined: not sampled. */
  readonly span: Span | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface CommitterLimits {
  /** Bytes of batches that one append takes at the most; a larger single submission still goes, alone. */
  readonly appendBytesMax: number;
}

/** Who is told of appends. */
export interface CommitterObservers {
  readonly clock: Clock;
  readonly events: Events;
  readonly tracer: Tracer;
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
  readonly #observers: CommitterObservers | undefined;
  #queuedBytes = 0;

  /** @param onFailure told of every failed append, after its submitters have been refused. */
  constructor(
    log: ShardLog,
    limits: CommitterLimits,
    onFailure: (error: unknown) => void,
    observers?: CommitterObservers,
  ) {
    this.#log = log;
    this.#limits = limits;
    this.#onFailure = onFailure;
    this.#observers = observers;
  }

  /** What waits for the next append: turns, and bytes of their batches. */
  get queued(): { readonly submissions: number; readonly bytes: number } {
    return { submissions: this.#queue.length, bytes: this.#queuedBytes };
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
   * @param trace of what they are for; undefined: not sampled
   * @throws StorageFault as ShardLog.append does; `unavailable` when the generation is an old one.
   */
  submit(
    partition: PartitionKey,
    generation: number,
    entries: readonly LogEntry[],
    trace?: TraceContext,
  ): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (generation !== this.generation(partition)) {
      return Promise.reject(new StorageFault('unavailable', `${partition}: decided before a failed commit`));
    }
    let bytes = 0;
    for (const entry of entries) if (entry.kind === 'batch') bytes += entry.bytes.length;
    const span = trace === undefined ? undefined : this.#startSpan(trace, bytes);
    return new Promise((resolve, reject) => {
      this.#queue.push({ partition, entries, bytes, span, resolve, reject });
      this.#queuedBytes += bytes;
      if (this.#inFlight.length === 0) this.#appendNext();
    });
  }

  /** Refuses everything queued and to come with `error`; the append in flight, if any, still tells its own outcome. */
  close(error: unknown): void {
    this.#closed = error;
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const { span, reject } of queue) {
      span?.end(error);
      reject(error);
    }
    this.#tellSettled();
  }

  #startSpan(trace: TraceContext, bytes: number): Span | undefined {
    return this.#observers?.tracer.startSpan('journalAppend', 'journal append', trace, {
      'sargasso.shard': this.#log.shard,
      'sargasso.shard.epoch': this.#log.epoch,
      'sargasso.append.bytes': bytes,
    });
  }

  #appendNext(): void {
    const group = this.#takeGroup();
    if (group.length === 0) return;
    this.#inFlight = group;
    const bytes = beginAppend(group);
    const startMs = this.#observers === undefined ? 0 : this.#observers.clock.monotonicMs();
    const entries = group.length === 1 ? (group[0] as Submission).entries : group.flatMap(({ entries }) => entries);
    this.#log.append(entries).then(
      () => {
        this.#inFlight = [];
        if (this.#observers !== undefined) {
          const { clock, events } = this.#observers;
          events.appended(clock.monotonicMs() - startMs, bytes, group.length);
        }
        // The next group goes first: the store works on it while the replies of this one are written.
        this.#appendNext();
        for (const { span, resolve } of group) {
          span?.end();
          resolve();
        }
        this.#tellSettled();
      },
      (error) => {
        this.#inFlight = [];
        this.#observers?.events.appendFailed(error instanceof StorageFault ? error.code : 'outcome-unknown');
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
    this.#queuedBytes -= bytes;
    return group;
  }

  #failAll(submissions: readonly Submission[], error: unknown): void {
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const partition of new Set(submissions.map((submission) => submission.partition))) {
      this.#generations.set(partition, this.generation(partition) + 1);
    }
    for (const { span, reject } of submissions) {
      span?.end(error);
      reject(error);
    }
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

/** Tells the spans of a group that its append begins. @returns the group's bytes */
function beginAppend(group: readonly Submission[]): number {
  let bytes = 0;
  let sampled = false;
  for (const submission of group) {
    bytes += submission.bytes;
    sampled ||= submission.span !== undefined;
  }
  if (!sampled) return bytes;
  for (const { span } of group) {
    span?.event('append');
    span?.set({ 'sargasso.append.group.submissions': group.length, 'sargasso.append.group.bytes': bytes });
  }
  return bytes;
}
