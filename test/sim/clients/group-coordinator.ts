// A simulated client's view of its group's coordinator: who it is, and the group requests, each in the version that the
// client happens to speak.

import { findCoordinator } from '../../../src/protocol/apis/find-coordinator.ts';
import { heartbeat } from '../../../src/protocol/apis/heartbeat.ts';
import { joinGroup } from '../../../src/protocol/apis/join-group.ts';
import { leaveGroup } from '../../../src/protocol/apis/leave-group.ts';
import { offsetCommit } from '../../../src/protocol/apis/offset-commit.ts';
import { offsetFetch } from '../../../src/protocol/apis/offset-fetch.ts';
import { syncGroup } from '../../../src/protocol/apis/sync-group.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import type { DecodedResponseOf } from '../../../src/protocol/schema/define.ts';
import type { ClusterClient, TopicPartition } from './cluster-client.ts';

/** First versions of features. */
const BATCHED_FIND = 4;
const BATCHED_LEAVE = 3;
const BATCHED_OFFSETS = 8;
const OFFSETS_BY_ID = 10;

export interface Membership {
  readonly memberId: string;
  readonly generationId: number;
}

export class GroupCoordinatorClient {
  readonly client: ClusterClient;
  readonly groupId: string;
  readonly instanceId: string | null;
  #nodeId: number | undefined;

  constructor(client: ClusterClient, groupId: string, instanceId: string | null) {
    this.client = client;
    this.groupId = groupId;
    this.instanceId = instanceId;
  }

  /** What is known of the coordinator is not right any more. */
  moved(): void {
    this.#nodeId = undefined;
  }

  /** The coordinator's node; undefined when nobody can tell now. @throws ClientFault */
  async find(): Promise<number | undefined> {
    if (this.#nodeId !== undefined) return this.#nodeId;
    const { client, groupId } = this;
    const version = client.versionOf(findCoordinator);
    const answer = await client.request(
      client.anyNode(),
      findCoordinator,
      version >= BATCHED_FIND ? { keyType: 0, coordinatorKeys: [groupId] } : { key: groupId },
    );
    const found = version >= BATCHED_FIND ? answer.coordinators[0] : answer;
    if (found?.errorCode === ErrorCode.NONE) this.#nodeId = found.nodeId;
    else if (found?.errorCode !== ErrorCode.COORDINATOR_NOT_AVAILABLE) {
      client.anomaly(`no coordinator: error code ${found?.errorCode}`);
    }
    return this.#nodeId;
  }

  /** @throws ClientFault */
  join(
    nodeId: number,
    memberId: string,
    options: { readonly sessionTimeoutMs: number; readonly rebalanceTimeoutMs: number; readonly metadata: Buffer },
  ): Promise<DecodedResponseOf<typeof joinGroup>> {
    const { sessionTimeoutMs, rebalanceTimeoutMs, metadata } = options;
    return this.client.request(
      nodeId,
      joinGroup,
      {
        groupId: this.groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId,
        ...this.#instance(),
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata }],
      },
      { timeoutMs: Math.max(sessionTimeoutMs, rebalanceTimeoutMs) + 5_000 },
    );
  }

  /** @throws ClientFault */
  sync(
    nodeId: number,
    { memberId, generationId }: Membership,
    assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[],
    timeoutMs: number,
  ): Promise<DecodedResponseOf<typeof syncGroup>> {
    const request = {
      groupId: this.groupId,
      generationId,
      memberId,
      ...this.#instance(),
      protocolType: 'consumer',
      protocolName: 'range',
      assignments,
    };
    return this.client.request(nodeId, syncGroup, request, { timeoutMs: timeoutMs + 5_000 });
  }

  /** @returns an error code @throws ClientFault */
  async heartbeat(nodeId: number, { memberId, generationId }: Membership): Promise<number> {
    const request = { groupId: this.groupId, generationId, memberId, ...this.#instance() };
    return (await this.client.request(nodeId, heartbeat, request)).errorCode;
  }

  /** @throws ClientFault */
  async leave(nodeId: number, { memberId }: Membership): Promise<void> {
    const batched = this.client.versionOf(leaveGroup) >= BATCHED_LEAVE;
    const who = batched ? { members: [{ memberId, groupInstanceId: this.instanceId }] } : { memberId };
    await this.client.request(nodeId, leaveGroup, { groupId: this.groupId, ...who });
  }

  /** @returns an error code: the first partition's that has one @throws ClientFault */
  async commit(
    nodeId: number,
    { memberId, generationId }: Membership,
    offsets: readonly (readonly [TopicPartition, bigint])[],
  ): Promise<number> {
    const byId = this.client.versionOf(offsetCommit) >= OFFSETS_BY_ID;
    const answer = await this.client.request(nodeId, offsetCommit, {
      groupId: this.groupId,
      generationIdOrMemberEpoch: generationId,
      memberId,
      ...this.#instance(),
      topics: offsets.map(([{ topic, topicId, index }, committedOffset]) => ({
        ...(byId ? { topicId } : { name: topic }),
        partitions: [{ partitionIndex: index, committedOffset, committedMetadata: '' }],
      })),
    });
    const codes = answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
    return codes.find((errorCode) => errorCode !== ErrorCode.NONE) ?? ErrorCode.NONE;
  }

  /** Committed offsets, -1n where there is none; or an error code. @throws ClientFault */
  async offsets(
    nodeId: number,
    partitions: readonly TopicPartition[],
  ): Promise<(readonly [TopicPartition, bigint])[] | number> {
    const version = this.client.versionOf(offsetFetch);
    const byId = version >= OFFSETS_BY_ID;
    const topics = partitions.map(({ topic, topicId, index }) => ({
      ...(byId ? { topicId } : { name: topic }),
      partitionIndexes: [index],
    }));
    const answer = await this.client.request(
      nodeId,
      offsetFetch,
      (version >= BATCHED_OFFSETS
        ? { groups: [{ groupId: this.groupId, topics }] }
        : { groupId: this.groupId, topics }) as never,
    );
    const result = version >= BATCHED_OFFSETS ? answer.groups[0] : answer;
    if (result === undefined) return ErrorCode.UNKNOWN_SERVER_ERROR;
    if (result.errorCode !== ErrorCode.NONE) return result.errorCode;
    const offsets: (readonly [TopicPartition, bigint])[] = [];
    for (const partition of partitions) {
      const found = result.topics
        .filter((topic) =>
          byId ? 'topicId' in topic && topic.topicId === partition.topicId : topic.name === partition.topic,
        )
        .flatMap((topic) => topic.partitions)
        .find(({ partitionIndex }) => partitionIndex === partition.index);
      if (found === undefined) {
        this.client.anomaly('offsets without a partition asked for');
        return ErrorCode.UNKNOWN_SERVER_ERROR;
      }
      if (found.errorCode !== ErrorCode.NONE) return found.errorCode;
      offsets.push([partition, found.committedOffset]);
    }
    return offsets;
  }

  #instance(): { groupInstanceId?: string } {
    return this.instanceId === null ? {} : { groupInstanceId: this.instanceId };
  }
}
