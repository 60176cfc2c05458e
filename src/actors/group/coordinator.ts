// The group coordinator of this node: the partitions of `__consumer_offsets` that it owns, and the actors of the groups
// in them. It decides when a partition is loaded, what becomes of groups that nobody talks to (offset expiry, deleted
// topics), and when a partition's log is replaced by a snapshot: the live records once more at its head, after which the
// log start moves up, so that whatever reads the topic keeps working.

import type { BrokerConfig } from '../../config.ts';
import type { Events, Tracer } from '../../events.ts';
import type { Binding } from '../runtime/define.ts';
import type { Clock, Logger, Random, TimerHandle, TraceContext } from '../runtime/ports.ts';
import { ActorKind } from '../runtime/system.ts';
import { StorageFault } from '../shard/ports.ts';
import { ClassicGroup } from './classic/classic-group.ts';
import { CoordinatedPartition, type CoordinatorLog, type GroupEntry } from './coordinated-partition.ts';
import { CoordinatorFault } from './faults.ts';
import { defineGroup, type GroupSoft, summarize } from './group.ts';
import { groupPartition } from './group-partition.ts';
import { groupLimits, loadRetryDelayMs, loadWaitMs } from './limits.ts';
import { forEachExpiredOffset } from './offsets.ts';
import type { GroupProtocol, GroupSummary } from './protocol.ts';
import { snapshotAtRest } from './snapshot.ts';
import { type GroupRecord, type GroupState, zeroUuid } from './state.ts';

export interface GroupEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events?: Events;
  readonly tracer?: Tracer;
  readonly config: BrokerConfig;
  /** Partitions of `__consumer_offsets`; 0 as long as that topic does not exist. */
  readonly partitionCount: () => number;
  /** The log of a partition that this node owns. */
  readonly log: (index: number) => CoordinatorLog;
  /** The id that a topic has now; undefined when there is none of that name. */
  readonly topicId: (name: string) => string | undefined;
}

export type GroupKind = ActorKind<GroupProtocol, GroupState, GroupSoft, GroupRecord>;

/** The actors of the groups on this node, and what coordinates them. */
export function createGroups(environment: GroupEnvironment): {
  readonly groups: GroupKind;
  readonly coordinator: GroupCoordinator;
} {
  const { config, clock, random, logger, events, tracer } = environment;
  const definition = defineGroup(groupLimits(config), {
    mailboxMessagesMax: config.mailboxMessagesMax,
    passivateAfterMs: config.actorPassivateAfterMs,
  });
  const groups: GroupKind = new ActorKind(definition, (groupId) => coordinator.bind(groupId), {
    clock,
    random,
    logger,
    events,
    tracer,
  });
  const coordinator = new GroupCoordinator(environment, groups);
  return { groups, coordinator };
}

export class GroupCoordinator {
  readonly #environment: GroupEnvironment;
  readonly #groups: GroupKind;
  readonly #partitions = new Map<number, CoordinatedPartition>();
  #expiryTimer: TimerHandle | undefined;

  constructor(environment: GroupEnvironment, groups: GroupKind) {
    this.#environment = environment;
    this.#groups = groups;
  }

  /** Begins to look for expired offsets, every `offsets.retention.check.interval.ms`. */
  start(): void {
    const { clock, config, logger } = this.#environment;
    this.#expiryTimer = clock.setTimer(config.offsetsRetentionCheckIntervalMs, () => {
      this.expireOffsets()
        .catch((error) => logger.log('error', 'offset expiry failed', { error }))
        .finally(() => {
          if (this.#expiryTimer !== undefined) this.start();
        });
    });
  }

  /** Ends all work; groups are told that this node is not their coordinator. */
  stop(): void {
    if (this.#expiryTimer !== undefined) this.#environment.clock.clearTimer(this.#expiryTimer);
    this.#expiryTimer = undefined;
    for (const index of [...this.#partitions.keys()]) this.unloadPartition(index);
  }

  /**
   * Takes a partition that this node has come to own and rebuilds its groups; asks for them wait meanwhile. A fault is
   * logged and the load tried again until it succeeds or the partition is unloaded; resolves then.
   */
  async loadPartition(index: number): Promise<void> {
    if (this.#partitions.has(index)) return this.#partitions.get(index)?.loaded;
    const { clock, logger, log } = this.#environment;
    const partition = new CoordinatedPartition(index, log(index), clock);
    this.#partitions.set(index, partition);
    while (!partition.closed && !partition.isLoaded) {
      try {
        await partition.load();
      } catch (error) {
        if (partition.closed) return;
        logger.log('error', 'group partition does not load', { partition: index, error });
        await new Promise<void>((resolve) => {
          clock.setTimer(loadRetryDelayMs, resolve);
        });
      }
    }
    if (!partition.closed) await this.#afterLoad(partition);
  }

  /** Gives a partition up: its groups' asks are answered NOT_COORDINATOR from now on. */
  unloadPartition(index: number): void {
    const partition = this.#partitions.get(index);
    if (partition === undefined) return;
    this.#partitions.delete(index);
    const groupIds = new Set(partition.groups.keys());
    partition.close();
    const fault = new CoordinatorFault('not-coordinator', `partition ${index} of __consumer_offsets has moved`);
    const count = this.#environment.partitionCount();
    this.#groups.stopAll(
      fault,
      (groupId) => groupIds.has(groupId) || (count > 0 && groupPartition(groupId, count) === index),
    );
  }

  /** Partitions that this node coordinates, loaded or loading. */
  get partitions(): readonly number[] {
    return [...this.#partitions.keys()];
  }

  /** The same with what is in them, to be looked at and left alone. */
  look(): Iterable<Pick<CoordinatedPartition, 'index' | 'isLoaded' | 'groups'>> {
    return this.#partitions.values();
  }

  /** Every group on this node. @throws CoordinatorFault load-in-progress */
  async listGroups(): Promise<GroupSummary[]> {
    const asked: Promise<GroupSummary | null>[] = [];
    for (const partition of this.#partitions.values()) {
      if (!partition.isLoaded)
        throw new CoordinatorFault('load-in-progress', `partition ${partition.index} is loading`);
      for (const [groupId, entry] of partition.groups) {
        if (isAtRest(entry)) asked.push(Promise.resolve(summarize(entry.state, ClassicGroup.restore(entry.state))));
        else asked.push(this.#groups.ask(groupId, 'summary', {}));
      }
    }
    return (await Promise.all(asked)).filter((summary) => summary !== null);
  }

  /** Forgets the offsets of a deleted topic in every group. Failures are logged: the next load finds what is left. */
  async topicDeleted(topic: string, topicId: string): Promise<void> {
    const asked: Promise<void>[] = [];
    for (const { groups } of this.#partitions.values()) {
      for (const [groupId, { state }] of groups) {
        if (state.offsets.has(topic)) asked.push(this.#forgetTopic(groupId, topic, topicId));
      }
    }
    await Promise.all(asked);
  }

  /** Removes what is past its retention, group by group; groups at rest are woken only if there is something to do. */
  async expireOffsets(): Promise<void> {
    const { clock, logger, config } = this.#environment;
    const { offsetsRetentionMs } = groupLimits(config);
    for (const partition of [...this.#partitions.values()]) {
      if (!partition.isLoaded) continue;
      for (const [groupId, entry] of [...partition.groups]) {
        if (partition.closed) break;
        if (isAtRest(entry)) {
          if (!entry.state.exists) {
            partition.groups.delete(groupId);
            continue;
          }
          let expired = 0;
          const group = ClassicGroup.restore(entry.state);
          const noneLeft = forEachExpiredOffset(group, entry.state, clock.nowMs(), offsetsRetentionMs, () => expired++);
          if (expired === 0 && !noneLeft) continue;
        }
        try {
          await this.#groups.ask(groupId, 'expireOffsets', {});
        } catch (error) {
          logger.log('warn', 'offset expiry of a group failed', { groupId, error });
        }
      }
    }
  }

  /** Writes a partition's live records once more and gives up everything before them. */
  async snapshotPartition(index: number): Promise<void> {
    const partition = this.#partitions.get(index);
    if (partition === undefined || !partition.isLoaded || partition.snapshotUnderWay) return;
    if (partition.foreign !== undefined) return;
    partition.snapshotUnderWay = true;
    const { logger } = this.#environment;
    try {
      // Whatever is below this offset is in the states by now, so their records, appended from here on, replace it.
      const before = partition.nextOffset;
      for (const [groupId, entry] of [...partition.groups]) {
        if (partition.closed) return;
        if (isAtRest(entry)) await snapshotAtRest(partition, entry);
        else await this.#snapshotLive(groupId);
      }
      await partition.log.deleteBefore(before);
      logger.log('info', 'group partition snapshot', { partition: index, before, groups: partition.groups.size });
    } catch (error) {
      // Nothing was given up: the log is only longer than it need be.
      logger.log('warn', 'group partition snapshot failed', { partition: index, error });
    } finally {
      partition.snapshotUnderWay = false;
      partition.expectSnapshot(partition.log.bytes());
    }
  }

  /** Where a group's state comes from and its records go. */
  bind(groupId: string): Binding<GroupState, GroupRecord> {
    let partition: CoordinatedPartition | undefined;
    let entry: GroupEntry | undefined;
    return {
      load: async () => {
        partition = await this.#loadedPartition(groupId);
        entry = await partition.lend(groupId);
        return entry.state;
      },
      commit: (records, trace) => this.#commit(partition as CoordinatedPartition, entry as GroupEntry, records, trace),
      restartable: (error) => {
        if (entry !== undefined) partition?.distrust(groupId, entry);
        if (error instanceof CoordinatorFault) return false;
        return !(error instanceof StorageFault && (error.code === 'fenced' || error.code === 'corrupt'));
      },
      stopped: () => {
        if (entry !== undefined) partition?.takeBack(groupId, entry);
      },
    };
  }

  async #loadedPartition(groupId: string): Promise<CoordinatedPartition> {
    const { clock, partitionCount } = this.#environment;
    const count = partitionCount();
    const partition = count === 0 ? undefined : this.#partitions.get(groupPartition(groupId, count));
    if (partition !== undefined && !partition.isLoaded) {
      let timer: TimerHandle | undefined;
      const late = new Promise<void>((resolve) => {
        timer = clock.setTimer(loadWaitMs, resolve);
      });
      await Promise.race([partition.loaded, late]);
      clock.clearTimer(timer as TimerHandle);
    }
    if (partition === undefined || partition.closed) {
      throw new CoordinatorFault('not-coordinator', `group ${groupId} does not belong to this node`);
    }
    if (!partition.isLoaded) throw new CoordinatorFault('load-in-progress', `partition ${partition.index} is loading`);
    return partition;
  }

  async #commit(
    partition: CoordinatedPartition,
    entry: GroupEntry,
    records: readonly GroupRecord[],
    trace: TraceContext | undefined,
  ): Promise<void> {
    await partition.commit(entry, records, trace);
    if (partition.log.bytes() >= partition.snapshotDueBytes) void this.snapshotPartition(partition.index);
  }

  async #afterLoad(partition: CoordinatedPartition): Promise<void> {
    const { logger, topicId } = this.#environment;
    const asked: Promise<unknown>[] = [];
    for (const [groupId, { state }] of partition.groups) {
      // Members' sessions run from the load on, so their group has to be there to end them.
      if (state.generation !== undefined && state.generation.members.length > 0) {
        asked.push(this.#groups.ask(groupId, 'summary', {}));
      }
      for (const [topic, offsets] of state.offsets) {
        // Topics that went while nobody coordinated this group.
        const id = topicId(topic);
        const ids = new Set([...offsets.values()].map((offset) => offset.topicId));
        for (const gone of ids) {
          if (id === undefined) asked.push(this.#forgetTopic(groupId, topic, gone));
          else if (gone !== zeroUuid && gone !== id) asked.push(this.#forgetTopic(groupId, topic, gone));
        }
      }
    }
    if (partition.foreign !== undefined) {
      const { offset, error } = partition.foreign;
      logger.log('warn', 'group partition holds records that are not understood', {
        partition: partition.index,
        offset,
        error,
        consequence: 'they are passed over, and the log is not shortened',
      });
    }
    logger.log('debug', 'group partition loaded', { partition: partition.index, groups: partition.groups.size });
    const failed = (await Promise.allSettled(asked)).filter(({ status }) => status === 'rejected');
    if (failed.length > 0 && !partition.closed) {
      logger.log('warn', 'groups did not start', { partition: partition.index, failed: failed.length });
    }
  }

  async #forgetTopic(groupId: string, topic: string, topicId: string): Promise<void> {
    try {
      await this.#groups.ask(groupId, 'topicDeleted', { topic, topicId });
    } catch (error) {
      this.#environment.logger.log('warn', 'offsets of a deleted topic stay', { groupId, topic, error });
    }
  }

  async #snapshotLive(groupId: string): Promise<void> {
    let remaining = await this.#groups.ask(groupId, 'snapshot', { begin: true });
    while (remaining > 0) remaining = await this.#groups.ask(groupId, 'snapshot', { begin: false });
    if (remaining < 0) throw new StorageFault('unavailable', `group ${groupId} restarted during its snapshot`);
  }
}

/** Nobody works on it: its state is what the log has. */
function isAtRest(entry: GroupEntry): boolean {
  return !entry.lent && !entry.dirty && entry.commitsInFlight === 0;
}
