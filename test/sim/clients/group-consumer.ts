// A simulated member of a consumer group (classic protocol): joins, is assigned partitions by the leader's range
// assignor, goes on from the committed offsets, heartbeats and commits, and rejoins when it is told to.
//
//   joining ──▶ syncing ──▶ fetching offsets ──▶ consuming ──rebalance, fenced, coordinator moved──▶ joining

import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../src/protocol/coordinator-records/consumer-protocol.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { type ClusterClient, partitionId, type TopicPartition } from './cluster-client.ts';
import { EARLIEST, type SimConsumer } from './consumer.ts';
import { GroupCoordinatorClient, type Membership } from './group-coordinator.ts';
import { ClientFault } from './kafka-connection.ts';

export interface GroupMemberOptions {
  readonly groupId: string;
  /** A static member's name (KIP-345). */
  readonly instanceId: string | null;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly commitMs: number;
  readonly maxWaitMs: number;
}

const RETRY_MS = 60;
const COORDINATOR_MOVED = new Set<number>([
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
]);
/** The member must begin again under a new id. */
const FENCED = new Set<number>([ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID]);
/** Commits that these answer have certainly not been stored. */
const COMMIT_REFUSED = new Set<number>([
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.FENCED_INSTANCE_ID,
  ErrorCode.REBALANCE_IN_PROGRESS,
]);

export class GroupConsumer {
  readonly consumer: SimConsumer;
  readonly #coordinator: GroupCoordinatorClient;
  readonly #partitions: readonly TopicPartition[];
  readonly #options: GroupMemberOptions;
  #memberId = '';
  #generationId = -1;
  #stopping: 'no' | 'leave' | 'die' = 'no';
  /** Set while consuming, when something says that the assignment is over. */
  #revoked = false;
  #owned: readonly TopicPartition[] = [];
  /** Offsets whose commit has been acknowledged in this generation. */
  readonly #committed = new Map<string, bigint>();

  /** @param client for the coordinator; `consumer` has connections of its own, as its fetches wait */
  constructor(
    client: ClusterClient,
    consumer: SimConsumer,
    partitions: readonly TopicPartition[],
    options: GroupMemberOptions,
  ) {
    this.#coordinator = new GroupCoordinatorClient(client, options.groupId, options.instanceId);
    this.consumer = consumer;
    this.#partitions = partitions;
    this.#options = options;
  }

  get name(): string {
    return this.#client.name;
  }

  /** Generation and partitions of a member that consumes; undefined of one that does not. */
  get assignment(): { readonly generationId: number; readonly partitions: readonly TopicPartition[] } | undefined {
    if (this.#generationId < 0 || this.#revoked) return undefined;
    return { generationId: this.#generationId, partitions: this.#owned };
  }

  /** The offset of a partition that this member has committed in its generation. */
  committedOffset(partition: TopicPartition): bigint | undefined {
    return this.#committed.get(partitionId(partition));
  }

  /** Ends it: with a commit and a LeaveGroup, or without a word. */
  stop(how: 'leave' | 'die'): void {
    this.#stopping = how;
  }

  async run(): Promise<void> {
    const { scheduler } = this.#client.environment;
    while (this.#stopping === 'no') {
      try {
        const joined = await this.#join();
        if (joined !== undefined) await this.#consume(joined);
        else await scheduler.sleep(RETRY_MS);
      } catch (fault) {
        if (!(fault instanceof ClientFault)) throw fault;
        this.#coordinator.moved();
        await scheduler.sleep(RETRY_MS);
      }
    }
    if (this.#stopping === 'leave' && this.#memberId !== '') await this.#leave();
    this.#client.disconnect();
    this.consumer.client.disconnect();
  }

  get #client(): ClusterClient {
    return this.#coordinator.client;
  }

  /** One attempt at becoming a member of the next generation. @throws ClientFault */
  async #join(): Promise<Membership | undefined> {
    const nodeId = await this.#coordinator.find();
    if (nodeId === undefined) return undefined;
    const topics = [...new Set(this.#partitions.map(({ topic }) => topic))];
    const metadata = consumerProtocolSubscription.encode(1, { topics, ownedPartitions: [] });
    const joined = await this.#coordinator.join(nodeId, this.#memberId, { ...this.#options, metadata });
    if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.#memberId = joined.memberId;
      return undefined;
    }
    if (joined.errorCode !== ErrorCode.NONE) {
      this.#refused('join', joined.errorCode);
      return undefined;
    }
    this.#memberId = joined.memberId;
    const membership = { memberId: joined.memberId, generationId: joined.generationId };
    const leads = joined.leader === joined.memberId && !joined.skipAssignment;
    const assignments = leads ? this.#assign(joined.members) : [];
    const synced = await this.#coordinator.sync(nodeId, membership, assignments, this.#options.rebalanceTimeoutMs);
    if (synced.errorCode !== ErrorCode.NONE) {
      this.#refused('sync', synced.errorCode);
      return undefined;
    }
    this.#owned = this.#decode(synced.assignment);
    this.#client.environment.history.add(this.name, {
      kind: 'assigned',
      group: this.#options.groupId,
      generation: membership.generationId,
      // A static member that comes back takes its own place, within the generation (KIP-345).
      member: this.#options.instanceId ?? membership.memberId,
      partitions: this.#owned.map(partitionId),
    });
    return membership;
  }

  /** Kafka's range assignor: each topic's partitions in runs, over the members in order of their ids. */
  #assign(
    members: readonly { readonly memberId: string; readonly metadata: Buffer }[],
  ): { memberId: string; assignment: Buffer }[] {
    const subscribed = members
      .map(({ memberId, metadata }) => ({
        memberId,
        topics: new Set(consumerProtocolSubscription.decode(metadata).value.topics),
      }))
      .sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
    const given = new Map(members.map(({ memberId }) => [memberId, new Map<string, number[]>()]));
    for (const topic of new Set(this.#partitions.map((partition) => partition.topic))) {
      const interested = subscribed.filter(({ topics }) => topics.has(topic));
      const count = this.#partitions.filter((partition) => partition.topic === topic).length;
      for (let index = 0; index < count; index++) {
        const { memberId } = interested[Math.floor((index * interested.length) / count)] as { memberId: string };
        const topics = given.get(memberId) as Map<string, number[]>;
        topics.set(topic, [...(topics.get(topic) ?? []), index]);
      }
    }
    return [...given].map(([memberId, topics]) => ({
      memberId,
      assignment: consumerProtocolAssignment.encode(1, {
        assignedPartitions: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
      }),
    }));
  }

  #decode(assignment: Buffer): TopicPartition[] {
    if (assignment.length === 0) return [];
    const { assignedPartitions } = consumerProtocolAssignment.decode(assignment).value;
    return this.#partitions.filter(({ topic, index }) =>
      assignedPartitions.some((assigned) => assigned.topic === topic && assigned.partitions.includes(index)),
    );
  }

  /** Consumes what is assigned until the assignment is over. @throws ClientFault */
  async #consume(membership: Membership): Promise<void> {
    const { scheduler } = this.#client.environment;
    const offsets = await this.#committedOffsets(membership);
    if (offsets === undefined) return;
    this.#revoked = false;
    this.#generationId = membership.generationId;
    this.#committed.clear();
    for (const [partition, offset] of offsets) if (offset >= 0n) this.#committed.set(partitionId(partition), offset);
    this.consumer.assign(offsets.map(([partition, offset]) => [partition, offset < 0n ? EARLIEST : offset]));
    const over = { now: false };
    void this.#heartbeats(membership, over);
    try {
      let commitMs = scheduler.nowMs + this.#options.commitMs;
      while (this.#stopping === 'no' && !this.#revoked) {
        await this.consumer.pollOnce();
        if (scheduler.nowMs < commitMs) continue;
        await this.#commit(membership);
        commitMs = scheduler.nowMs + this.#options.commitMs;
      }
      // The last word of a member that knows that it must go; a fenced one has nothing to say.
      if (this.#stopping !== 'die' && this.#memberId !== '') await this.#commit(membership);
    } finally {
      over.now = true;
      this.#generationId = -1;
      this.consumer.assign([]);
    }
  }

  async #heartbeats(membership: Membership, over: { now: boolean }): Promise<void> {
    const { scheduler } = this.#client.environment;
    while (!over.now) {
      await scheduler.sleep(this.#options.heartbeatMs);
      if (over.now || this.#stopping !== 'no') return;
      try {
        const nodeId = await this.#coordinator.find();
        if (nodeId === undefined || over.now) continue;
        const errorCode = await this.#coordinator.heartbeat(nodeId, membership);
        if (errorCode !== ErrorCode.NONE && !over.now) this.#refused('heartbeat', errorCode);
      } catch (fault) {
        if (!(fault instanceof ClientFault)) throw fault;
        this.#coordinator.moved();
      }
    }
  }

  /** Where the group stands in what this member has been assigned. @throws ClientFault */
  async #committedOffsets({ generationId }: Membership): Promise<(readonly [TopicPartition, bigint])[] | undefined> {
    const { history, scheduler } = this.#client.environment;
    // A member whose session ends over this is told so by its next heartbeat; it need not ask for ever.
    for (let attempt = 0; attempt < 20 && this.#stopping === 'no'; attempt++) {
      const operation = history.operation();
      const nodeId = await this.#coordinator.find();
      if (nodeId !== undefined) {
        history.add(this.name, { kind: 'fetchOffsets', operation, group: this.#options.groupId });
        const offsets = await this.#coordinator.offsets(nodeId, this.#owned);
        if (typeof offsets !== 'number') {
          const seen = offsets.map(([partition, offset]) => [partitionId(partition), offset] as const);
          history.add(this.name, { kind: 'offsetsFetched', operation, offsets: seen });
          return offsets;
        }
        if (!COORDINATOR_MOVED.has(offsets)) {
          this.#client.anomaly(`offsets of generation ${generationId} not fetched: error code ${offsets}`);
        }
        this.#coordinator.moved();
      }
      await scheduler.sleep(RETRY_MS);
    }
    return undefined;
  }

  async #commit(membership: Membership): Promise<void> {
    const { history } = this.#client.environment;
    const offsets = this.consumer.positions();
    if (offsets.length === 0) return;
    const operation = history.operation();
    const { groupId } = this.#options;
    const { generationId } = membership;
    const begin = offsets.map(([partition, offset]) => [partitionId(partition), offset] as const);
    let outcome: 'ok' | 'fail' | 'unknown' = 'unknown';
    let errorCode: number = ErrorCode.NETWORK_EXCEPTION;
    try {
      const nodeId = await this.#coordinator.find();
      if (nodeId === undefined) return;
      history.add(this.name, { kind: 'commit', operation, group: groupId, generation: generationId, offsets: begin });
      errorCode = await this.#coordinator.commit(nodeId, membership, offsets);
      if (errorCode === ErrorCode.NONE) outcome = 'ok';
      else {
        if (COMMIT_REFUSED.has(errorCode)) outcome = 'fail';
        this.#refused('commit', errorCode);
      }
    } catch (fault) {
      if (!(fault instanceof ClientFault)) throw fault;
      this.#coordinator.moved();
    }
    history.add(this.name, { kind: 'committed', operation, outcome, errorCode });
    if (outcome !== 'ok') return;
    for (const [partition, offset] of begin) this.#committed.set(partition, offset);
  }

  async #leave(): Promise<void> {
    try {
      const nodeId = await this.#coordinator.find();
      if (nodeId === undefined) return;
      await this.#coordinator.leave(nodeId, { memberId: this.#memberId, generationId: this.#generationId });
    } catch (fault) {
      if (!(fault instanceof ClientFault)) throw fault;
    }
  }

  /** Draws the conclusion from a refusal. */
  #refused(what: string, errorCode: number): void {
    if (COORDINATOR_MOVED.has(errorCode)) this.#coordinator.moved();
    else if (FENCED.has(errorCode)) {
      this.#memberId = '';
      this.#revoked = true;
    } else if (errorCode === ErrorCode.ILLEGAL_GENERATION || errorCode === ErrorCode.REBALANCE_IN_PROGRESS) {
      this.#revoked = true;
    } else this.#client.anomaly(`${what} refused with error code ${errorCode}`);
  }
}
