// The world of the group stories: production groups and coordinator over logs in memory, on a clock that moves by hand.

import { expect } from 'chai';
import type { CoordinatorLog } from '../../../src/actors/group/coordinated-partition.ts';
import { createGroups, type GroupCoordinator, type GroupKind } from '../../../src/actors/group/coordinator.ts';
import { groupPartition } from '../../../src/actors/group/group-partition.ts';
import type { GroupProtocol, JoinReply, JoinRequest, SyncReply } from '../../../src/actors/group/protocol.ts';
import { decodeGroupRecord } from '../../../src/actors/group/records.ts';
import { applyGroupRecord, emptyGroupState, type GroupState } from '../../../src/actors/group/state.ts';
import type { MessageOf, ReplyOf } from '../../../src/actors/runtime/define.ts';
import type { Clock, TimerHandle } from '../../../src/actors/runtime/ports.ts';
import { brokerConfigWith } from '../../../src/config.ts';
import { decodeRecords, encodeBatch } from '../../../src/protocol/records/record.ts';

/** Lets everything that is not waiting for the clock happen. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** A clock that the story moves. */
export class HandClock implements Clock {
  #nowMs = 1_700_000_000_000;
  readonly #timers = new Map<object, { readonly atMs: number; readonly fire: () => void }>();
  /** Timers set so far: what a heartbeat must not add to. */
  timersSet = 0;

  nowMs(): number {
    return this.#nowMs;
  }
  monotonicMs(): number {
    return this.#nowMs - 1_000_000_000_000;
  }
  setTimer(delayMs: number, fire: () => void): TimerHandle {
    const timer = {};
    this.timersSet++;
    this.#timers.set(timer, { atMs: this.#nowMs + delayMs, fire });
    return timer;
  }
  clearTimer(timer: TimerHandle): void {
    this.#timers.delete(timer);
  }
  get timerCount(): number {
    return this.#timers.size;
  }

  /** The process stands still: time goes by, and no timer fires before the next `advance`. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  /** Moves on, from one due timer to the next, and lets each have its consequences. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let fired = 0; ; fired++) {
      expect(fired, 'timers fired in one advance').to.be.below(100_000);
      let due: { timer: object; atMs: number; fire: () => void } | undefined;
      for (const [timer, { atMs, fire }] of this.#timers) {
        if (atMs <= endMs && (due === undefined || atMs < due.atMs)) due = { timer, atMs, fire };
      }
      if (due === undefined) break;
      this.#timers.delete(due.timer);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.fire();
      await settle();
    }
    this.#nowMs = endMs;
  }
}

/** A partition's log in memory, with real batches. */
export class MemoryLog implements CoordinatorLog {
  batches: { readonly baseOffset: bigint; readonly nextOffset: bigint; readonly bytes: Buffer }[] = [];
  nextOffset = 0n;
  /** Set: appends fail with it, and nothing is stored. */
  fault: Error | undefined;
  /** Set: appends and replays wait until it is called off. */
  held: Promise<void> | undefined;
  appends = 0;
  replays = 0;
  #release: (() => void) | undefined;

  hold(): void {
    this.held = new Promise((resolve) => {
      this.#release = resolve;
    });
  }
  release(): void {
    this.held = undefined;
    this.#release?.();
  }

  async *replay(): AsyncGenerator<Buffer> {
    this.replays++;
    await this.held;
    for (const { bytes } of [...this.batches]) yield bytes;
  }

  async append(records: readonly { key: Buffer; value: Buffer | null; timestampMs: bigint }[]) {
    this.appends++;
    const { fault, held } = this;
    const baseOffset = this.nextOffset;
    if (fault === undefined) {
      this.nextOffset += BigInt(records.length);
      const bytes = encodeBatch({ baseOffset, records });
      const store = (): void => {
        this.batches.push({ baseOffset, nextOffset: baseOffset + BigInt(records.length), bytes });
      };
      if (held !== undefined) await held;
      store();
      return { baseOffset, nextOffset: baseOffset + BigInt(records.length) };
    }
    await held;
    throw fault;
  }

  async deleteBefore(offset: bigint): Promise<void> {
    this.batches = this.batches.filter(({ nextOffset }) => nextOffset > offset);
  }
  bytes(): number {
    return this.batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Everything that the log says about a group, folded. */
  stateOf(groupId: string): GroupState {
    const state = emptyGroupState(groupId);
    for (const { bytes } of this.batches) {
      for (const { key, value } of decodeRecords(bytes)) {
        const decoded = key === null ? undefined : decodeGroupRecord(key, value);
        if (decoded?.groupId === groupId) applyGroupRecord(state, decoded.record);
      }
    }
    return state;
  }
}

/** An ask that may still be waiting. */
export class Asked<T> {
  reply: T | undefined;
  error: unknown;
  readonly done: Promise<T>;

  constructor(promise: Promise<T>) {
    this.done = promise;
    promise.then(
      (reply) => {
        this.reply = reply;
      },
      (error) => {
        this.error = error;
      },
    );
  }

  /** The reply; fails when there is none by now. */
  get value(): T {
    expect(this.error, 'fault of an ask').to.equal(undefined);
    expect(this.reply, 'reply of an ask').to.not.equal(undefined);
    return this.reply as T;
  }
  get waits(): boolean {
    return this.reply === undefined && this.error === undefined;
  }
}

export const noBytes = Buffer.alloc(0);
export const topicA = 'topic-a-id-22-charac-A';

/** A ConsumerProtocolSubscription, version 0. */
export function subscription(...topics: string[]): Buffer {
  const names = topics.map((topic) => {
    const name = Buffer.from(topic);
    const length = Buffer.alloc(2);
    length.writeInt16BE(name.length);
    return Buffer.concat([length, name]);
  });
  const head = Buffer.alloc(6);
  head.writeInt32BE(topics.length, 2);
  return Buffer.concat([head, ...names, Buffer.from([0xff, 0xff, 0xff, 0xff])]);
}

export interface WorldOptions {
  readonly config?: Readonly<Record<string, string>>;
  readonly partitionCount?: number;
  readonly logs?: Map<number, MemoryLog>;
  readonly clock?: HandClock;
}

let worlds = 0;

export class GroupWorld {
  readonly options: WorldOptions;
  readonly clock: HandClock;
  readonly logs: Map<number, MemoryLog>;
  readonly partitionCount: number;
  readonly groups: GroupKind;
  readonly coordinator: GroupCoordinator;
  readonly logLines: { level: string; event: string; fields: Readonly<Record<string, unknown>> | undefined }[] = [];
  /** Topics that exist, by name. */
  readonly topicIds = new Map([
    ['a', topicA],
    ['b', 'topic-b-id-22-charac-A'],
  ]);
  /** Differs from world to world, as member ids must. */
  #seed = ++worlds;

  constructor(options: WorldOptions = {}) {
    this.options = options;
    this.clock = options.clock ?? new HandClock();
    this.logs = options.logs ?? new Map();
    this.partitionCount = options.partitionCount ?? 1;
    const { groups, coordinator } = createGroups({
      clock: this.clock,
      random: {
        float: () => this.#random(),
        bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(this.#random() * 256)),
      },
      logger: { log: (level, event, fields) => this.logLines.push({ level, event, fields }) },
      config: brokerConfigWith(options.config),
      partitionCount: () => this.partitionCount,
      log: (index) => this.log(index),
      topicId: (name) => this.topicIds.get(name),
    });
    this.groups = groups;
    this.coordinator = coordinator;
  }

  /** A coordinator that has loaded all its partitions. */
  static async start(options: WorldOptions = {}): Promise<GroupWorld> {
    const world = new GroupWorld(options);
    for (let index = 0; index < world.partitionCount; index++) await world.coordinator.loadPartition(index);
    return world;
  }

  /** What comes up after a crash: the same logs, the same time, nothing else. */
  restart(): Promise<GroupWorld> {
    this.coordinator.stop();
    const { config } = this.options;
    return GroupWorld.start({
      partitionCount: this.partitionCount,
      logs: this.logs,
      clock: this.clock,
      ...(config === undefined ? {} : { config }),
    });
  }

  log(index = 0): MemoryLog {
    let log = this.logs.get(index);
    if (log === undefined) {
      log = new MemoryLog();
      this.logs.set(index, log);
    }
    return log;
  }

  logOf(groupId: string): MemoryLog {
    return this.log(groupPartition(groupId, this.partitionCount));
  }

  ask<K extends keyof GroupProtocol & string>(
    kind: K,
    message: MessageOf<GroupProtocol, K>,
    groupId = 'g',
  ): Asked<ReplyOf<GroupProtocol, K>> {
    return new Asked(this.groups.ask(groupId, kind, message));
  }

  /** Asks and gives it a moment: the reply must have come by then. */
  async now<K extends keyof GroupProtocol & string>(
    kind: K,
    message: MessageOf<GroupProtocol, K>,
    groupId = 'g',
  ): Promise<ReplyOf<GroupProtocol, K>> {
    const asked = this.ask(kind, message, groupId);
    await settle();
    return asked.value;
  }

  join(request: Partial<JoinRequest> = {}, groupId = 'g'): Asked<JoinReply> {
    return this.ask('join', joinRequest(request), groupId);
  }

  sync(
    memberId: string,
    generationId: number,
    assignments: Record<string, string> = {},
    groupId = 'g',
  ): Asked<SyncReply> {
    return this.ask('sync', syncRequest(memberId, generationId, assignments), groupId);
  }

  heartbeat(
    memberId: string,
    generationId: number,
    groupInstanceId: string | null = null,
    groupId = 'g',
  ): Promise<number> {
    return this.now('heartbeat', { memberId, generationId, groupInstanceId }, groupId);
  }

  async state(groupId = 'g'): Promise<string> {
    return (await this.now('describe', {}, groupId)).state;
  }

  /** A Stable group of `count` dynamic members of topic `a`, the first leading. */
  async stableGroup(count: number, request: Partial<JoinRequest> = {}, groupId = 'g'): Promise<Stable> {
    const joins: Asked<JoinReply>[] = [];
    for (let i = 0; i < count; i++) {
      const id = request.groupInstanceId === undefined ? {} : { groupInstanceId: `${request.groupInstanceId}${i}` };
      joins.push(this.join({ ...request, ...id, clientId: `client${i}` }, groupId));
    }
    await this.clock.advance(10_000);
    const replies = joins.map(({ value }) => value);
    const generationId = (replies[0] as JoinReply).generationId;
    const memberIds = replies.map(({ memberId }) => memberId);
    const assignments = Object.fromEntries(memberIds.map((memberId, i) => [memberId, `share ${i}`]));
    const leader = (replies[0] as JoinReply).leader;
    const syncs = memberIds.map((memberId) =>
      this.sync(memberId, generationId, memberId === leader ? assignments : {}, groupId),
    );
    await settle();
    for (const { value } of syncs) expect(value.errorCode).to.equal(0);
    expect(await this.state(groupId)).to.equal('Stable');
    return { generationId, memberIds, leader };
  }

  commit(offset: number, member: { memberId?: string; generationId?: number } = {}, groupId = 'g', topic = 'a') {
    return this.ask(
      'commitOffsets',
      {
        memberId: member.memberId ?? '',
        groupInstanceId: null,
        generationId: member.generationId ?? -1,
        retentionTimeMs: -1n,
        apiVersion: 9,
        topics: [
          {
            name: topic,
            topicId: this.topicIds.get(topic) ?? topicA,
            partitions: [
              {
                partitionIndex: 0,
                committedOffset: BigInt(offset),
                committedLeaderEpoch: 3,
                committedMetadata: 'note',
              },
            ],
          },
        ],
      },
      groupId,
    );
  }

  /** Committed offsets as `topic-partition: offset`. */
  async offsets(groupId = 'g'): Promise<Record<string, number>> {
    const { topics } = await this.now(
      'fetchOffsets',
      { topics: null, requireStable: true, memberId: null, memberEpoch: -1 },
      groupId,
    );
    return Object.fromEntries(
      topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, committedOffset }) => [`${name}-${partitionIndex}`, Number(committedOffset)]),
      ),
    );
  }

  #random(): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#seed / 2 ** 32;
  }
}

export interface Stable {
  readonly generationId: number;
  readonly memberIds: readonly string[];
  readonly leader: string;
}

export function joinRequest(request: Partial<JoinRequest> = {}): JoinRequest {
  return {
    memberId: '',
    groupInstanceId: null,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription('a') }],
    reason: null,
    memberIdRequired: false,
    skipAssignmentSupported: true,
    ...request,
  };
}

export function syncRequest(memberId: string, generationId: number, assignments: Record<string, string> = {}) {
  return {
    memberId,
    groupInstanceId: null,
    generationId,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: Object.entries(assignments).map(([id, assignment]) => ({
      memberId: id,
      assignment: Buffer.from(assignment),
    })),
  };
}
