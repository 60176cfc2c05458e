// One partition of `__consumer_offsets` on its coordinator: the states of its groups, rebuilt from its log once, and the
// log that their records go to. A group's state is either at rest here or in the hands of its actor.
//
//   loading ──replayed──▶ loaded ──unload──▶ closed
//      ▲ └─fault, delay─┐                       ▲
//      └────────────────┘──────unload───────────┘

import { lastOffsetOf, readBatchHeader, splitBatches } from '../../protocol/records/batch.ts';
import { iterateRecords, type LogRecord } from '../../protocol/records/record.ts';
import type { Clock, TraceContext } from '../runtime/ports.ts';
import { CoordinatorFault } from './faults.ts';
import { snapshotBytesMin, snapshotGrowthFactor } from './limits.ts';
import { decodeGroupRecord, type EncodedRecord, encodeGroupRecord } from './records.ts';
import { applyGroupRecord, emptyGroupState, type GroupRecord, type GroupState } from './state.ts';

/** The log of one partition of `__consumer_offsets`, as a coordinator uses it. */
export interface CoordinatorLog {
  /** Everything in the log, in order; each buffer holds one or more whole v2 batches. @throws StorageFault */
  replay(): AsyncIterable<Buffer>;
  /** Appends the records as one batch, in the order of the calls. Durable when it resolves. @throws StorageFault, ActorFault */
  append(
    records: readonly EncodedRecord[],
    trace?: TraceContext,
  ): Promise<{ readonly baseOffset: bigint; readonly nextOffset: bigint }>;
  /** Gives up everything below `offset`. */
  deleteBefore(offset: bigint): Promise<void>;
  /** Size of what the log holds, bytes. */
  bytes(): number;
}

/** One group of the partition. */
export interface GroupEntry {
  state: GroupState;
  /** An actor works on `state`, which then runs ahead of the log by what is being committed. */
  lent: boolean;
  /** The actor died: `state` may hold what was never committed. */
  dirty: boolean;
  commitsInFlight: number;
  /** Told when no commit is in flight any more. */
  onSettled: (() => void) | undefined;
}

export class CoordinatedPartition {
  readonly index: number;
  readonly log: CoordinatorLog;
  readonly groups = new Map<string, GroupEntry>();
  readonly #clock: Clock;
  /** Offset above everything known to be in the log. */
  nextOffset = 0n;
  /** Size of the log at which a snapshot is due, bytes. */
  snapshotDueBytes = Number.POSITIVE_INFINITY;
  snapshotUnderWay = false;
  /** The first record that is none of ours: of a later release, or damaged. No snapshot may throw such records away. */
  foreign: { readonly offset: bigint; readonly error: unknown } | undefined;
  closed = false;
  isLoaded = false;
  readonly loaded: Promise<void>;
  #resolveLoaded: () => void = () => {};
  #lastReading: Promise<void> = Promise.resolve();
  #nextReading: { readonly states: Map<string, GroupState>; readonly done: Promise<void> } | undefined;

  constructor(index: number, log: CoordinatorLog, clock: Clock) {
    this.index = index;
    this.log = log;
    this.#clock = clock;
    this.loaded = new Promise((resolve) => {
      this.#resolveLoaded = resolve;
    });
  }

  /** Rebuilds the states of all groups. @throws StorageFault, ProtocolError; may be called again after that */
  async load(): Promise<void> {
    this.groups.clear();
    for await (const { groupId, record } of this.#replay()) applyGroupRecord(this.entry(groupId).state, record);
    this.expectSnapshot(0);
    this.isLoaded = true;
    this.#resolveLoaded();
  }

  /** A snapshot is due when the log has grown by some times what is live, counted from `sinceBytes`. */
  expectSnapshot(sinceBytes: number): void {
    let liveBytes = 0;
    for (const { state } of this.groups.values()) liveBytes += estimatedBytes(state);
    this.snapshotDueBytes = sinceBytes + Math.max(snapshotBytesMin, snapshotGrowthFactor * liveBytes);
  }

  /** Lets it go: it answers nothing any more, and whoever waits for it to load is told so. */
  close(): void {
    this.closed = true;
    this.groups.clear();
    this.#resolveLoaded();
  }

  entry(groupId: string): GroupEntry {
    let entry = this.groups.get(groupId);
    if (entry === undefined) {
      entry = {
        state: emptyGroupState(groupId),
        lent: false,
        dirty: false,
        commitsInFlight: 0,
        onSettled: undefined,
      };
      this.groups.set(groupId, entry);
    }
    return entry;
  }

  /** Hands the group's state to its actor: as the log has it, read anew if the last actor died. */
  async lend(groupId: string): Promise<GroupEntry> {
    const entry = this.entry(groupId);
    if (entry.dirty) {
      if (entry.commitsInFlight > 0) {
        await new Promise<void>((resolve) => {
          entry.onSettled = resolve;
        });
      }
      entry.state = await this.#reread(groupId);
      entry.dirty = false;
    }
    entry.lent = true;
    return entry;
  }

  /** The group's actor has left memory. Groups that do not exist leave no trace of having been asked for. */
  takeBack(groupId: string, entry: GroupEntry): void {
    entry.lent = false;
    if (!entry.dirty && entry.commitsInFlight === 0 && !entry.state.exists) this.groups.delete(groupId);
  }

  /** The group's actor died: what it left behind may never have been committed. */
  distrust(groupId: string, entry: GroupEntry): void {
    entry.dirty = true;
    if (!this.closed) this.groups.set(groupId, entry);
  }

  /** Appends records of one group as one batch. */
  async commit(entry: GroupEntry, records: readonly GroupRecord[], trace?: TraceContext): Promise<void> {
    entry.commitsInFlight++;
    try {
      await this.append(entry.state.groupId, records, trace);
    } catch (error) {
      entry.dirty = true;
      throw error;
    } finally {
      if (--entry.commitsInFlight === 0) entry.onSettled?.();
    }
  }

  /** As `commit`, for a group at rest. The log takes the records before this call returns. */
  async append(groupId: string, records: readonly GroupRecord[], trace?: TraceContext): Promise<void> {
    const timestampMs = BigInt(this.#clock.nowMs());
    const { nextOffset } = await this.log.append(
      records.map((record) => encodeGroupRecord(groupId, record, timestampMs)),
      trace,
    );
    if (nextOffset > this.nextOffset) this.nextOffset = nextOffset;
  }

  /**
   * The group's state as the log has it now. Groups that ask while the log is being read for others share the next
   * reading: a full disk makes all groups of a partition ask at once.
   */
  #reread(groupId: string): Promise<GroupState> {
    if (this.#nextReading === undefined) {
      const states = new Map<string, GroupState>();
      const done = this.#lastReading.then(async () => {
        this.#nextReading = undefined;
        for await (const replayed of this.#replay()) {
          const state = states.get(replayed.groupId);
          if (state !== undefined) applyGroupRecord(state, replayed.record);
        }
      });
      this.#nextReading = { states, done };
      this.#lastReading = done.catch(() => {});
    }
    const { states, done } = this.#nextReading;
    const state = states.get(groupId) ?? emptyGroupState(groupId);
    states.set(groupId, state);
    return done.then(() => state);
  }

  async *#replay(): AsyncGenerator<{ readonly groupId: string; readonly record: GroupRecord }> {
    for await (const buffer of this.log.replay()) {
      for (const batch of splitBatches(buffer)) {
        const header = readBatchHeader(batch);
        const nextOffset = lastOffsetOf(header) + 1n;
        if (nextOffset > this.nextOffset) this.nextOffset = nextOffset;
        if (header.isControl || header.isTransactional) {
          this.foreign ??= { offset: header.baseOffset, error: undefined };
          continue;
        }
        for (const record of iterateRecords(batch)) {
          const decoded = this.#decode(record);
          if (decoded !== undefined) yield decoded;
        }
      }
      if (this.closed) throw new CoordinatorFault('not-coordinator', `partition ${this.index} was given up`);
    }
  }

  /** One record that cannot be read must not take every other group of the partition away. */
  #decode({ offset, key, value }: LogRecord): ReturnType<typeof decodeGroupRecord> {
    let error: unknown;
    if (key !== null) {
      try {
        const decoded = decodeGroupRecord(key, value);
        if (decoded !== undefined) return decoded;
      } catch (cause) {
        error = cause;
      }
    }
    this.foreign ??= { offset, error };
    return undefined;
  }
}

/** About how many bytes the group's records take in the log. */
export function estimatedBytes(state: GroupState): number {
  const perRecordBytes = 80 + state.groupId.length;
  let bytes = 0;
  for (const [topic, partitions] of state.offsets) bytes += partitions.size * (perRecordBytes + topic.length);
  for (const { subscription, assignment } of state.generation?.members ?? []) {
    bytes += 200 + subscription.length + assignment.length;
  }
  return bytes + (state.generation === undefined ? 0 : perRecordBytes);
}
