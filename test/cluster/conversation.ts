// A client's side of the exchanges that these tests need, request by request over a real socket.

import { createTopics } from '../../src/protocol/apis/create-topics.ts';
import { fetch } from '../../src/protocol/apis/fetch.ts';
import { findCoordinator } from '../../src/protocol/apis/find-coordinator.ts';
import { heartbeat } from '../../src/protocol/apis/heartbeat.ts';
import { joinGroup } from '../../src/protocol/apis/join-group.ts';
import { listOffsets } from '../../src/protocol/apis/list-offsets.ts';
import { metadata } from '../../src/protocol/apis/metadata.ts';
import { offsetCommit } from '../../src/protocol/apis/offset-commit.ts';
import { offsetFetch } from '../../src/protocol/apis/offset-fetch.ts';
import { produce } from '../../src/protocol/apis/produce.ts';
import { syncGroup } from '../../src/protocol/apis/sync-group.ts';
import type { CompressionType } from '../../src/protocol/records/compression.ts';
import { encodeBatch, type RecordHeader } from '../../src/protocol/records/record.ts';
import { subscription } from '../actors/group/world.ts';
import { ProtocolClient } from '../support/protocol-client.ts';

export interface ProduceOptions {
  readonly headers?: readonly RecordHeader[];
  readonly compression?: CompressionType;
}

export interface GroupMember {
  readonly memberId: string;
  readonly generationId: number;
}

export class Conversation {
  readonly #client: ProtocolClient;

  private constructor(client: ProtocolClient) {
    this.#client = client;
  }

  static async begin(bootstrap: string): Promise<Conversation> {
    return new Conversation(await ProtocolClient.connect(bootstrap));
  }

  end(): void {
    this.#client.close();
  }

  /** @returns the error code of each topic */
  async createTopics(names: readonly string[], numPartitions = 1): Promise<number[]> {
    const { topics } = await this.#client.send(createTopics, 5, {
      topics: names.map((name) => ({ name, numPartitions, replicationFactor: -1, assignments: [], configs: [] })),
      timeoutMs: 10_000,
      validateOnly: false,
    });
    return topics.map(({ errorCode }) => errorCode);
  }

  /** One batch with these values. @returns the partition's error code and the batch's size */
  async produce(
    topic: string,
    partition: number,
    values: readonly string[],
    options: ProduceOptions = {},
  ): Promise<{ readonly errorCode: number; readonly bytes: number }> {
    const batch = batchOf(values, options);
    return { errorCode: await this.produceBatch(topic, partition, batch), bytes: batch.length };
  }

  /** One batch that is there already. @returns the partition's error code */
  async produceBatch(topic: string, partition: number, batch: Buffer): Promise<number> {
    const { responses } = await this.#client.send(produce, 9, {
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: topic, partitionData: [{ index: partition, records: batch }] }],
    });
    return responses[0]!.partitionResponses[0]!.errorCode;
  }

  /** All batches from an offset on. @returns their size, bytes */
  async fetch(topic: string, partition: number, fetchOffset: bigint): Promise<number> {
    return (await this.fetchRecords(topic, partition, fetchOffset)).length;
  }

  async fetchRecords(topic: string, partition: number, fetchOffset: bigint): Promise<Buffer> {
    const { responses } = await this.#client.send(fetch, 11, {
      maxWaitMs: 500,
      minBytes: 1,
      topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: 1 << 20 }] }],
      forgottenTopicsData: [],
    });
    return responses[0]!.partitions[0]!.records ?? Buffer.alloc(0);
  }

  /** One above a partition's last record. */
  async endOffset(topic: string, partition: number): Promise<bigint> {
    const { topics } = await this.#client.send(listOffsets, 5, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp: -1n }] }],
    });
    return topics[0]!.partitions[0]!.offset;
  }

  /** Becomes the only member of a group, with an assignment. */
  async join(groupId: string, topic: string): Promise<GroupMember> {
    await this.#client.send(findCoordinator, 0, { key: groupId });
    let memberId = '';
    for (;;) {
      const joined = await this.#client.send(joinGroup, 5, {
        groupId,
        sessionTimeoutMs: 30_000,
        rebalanceTimeoutMs: 30_000,
        memberId,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: subscription(topic) }],
      });
      memberId = joined.memberId;
      // 14, 15, 16: the coordinator is on its way; 79: the id is given, join with it.
      if ([14, 15, 16, 79].includes(joined.errorCode)) continue;
      if (joined.errorCode !== 0) throw new Error(`join: error code ${joined.errorCode}`);
      const { generationId } = joined;
      const synced = await this.#client.send(syncGroup, 3, {
        groupId,
        generationId,
        memberId,
        assignments: [{ memberId, assignment: Buffer.from('all') }],
      });
      if (synced.errorCode !== 0) throw new Error(`sync: error code ${synced.errorCode}`);
      return { memberId, generationId };
    }
  }

  /** @returns the error code */
  async heartbeat(groupId: string, { memberId, generationId }: GroupMember): Promise<number> {
    return (await this.#client.send(heartbeat, 3, { groupId, generationId, memberId })).errorCode;
  }

  /** Node ids of the groups' coordinators; -1 where there is none now. */
  async coordinators(groupIds: readonly string[]): Promise<Map<string, number>> {
    const { coordinators } = await this.#client.send(findCoordinator, 4, {
      keyType: 0,
      coordinatorKeys: [...groupIds],
    });
    return new Map(coordinators.map(({ key, nodeId }) => [key, nodeId]));
  }

  /** Node ids of the partitions' leaders, by partition. */
  async leaders(topic: string): Promise<Map<number, number>> {
    const { topics } = await this.#client.send(metadata, 7, {
      topics: [{ name: topic }],
      allowAutoTopicCreation: false,
    });
    return new Map(topics[0]!.partitions.map(({ partitionIndex, leaderId }) => [partitionIndex, leaderId]));
  }

  /** @throws Error unless all is committed */
  async commit(groupId: string, member: GroupMember, topic: string, offsets: readonly bigint[]): Promise<void> {
    const errorCode = await this.tryCommit(groupId, member, topic, offsets);
    if (errorCode !== 0) throw new Error(`commit: error code ${errorCode}`);
  }

  /** Commits the offsets of partitions 0, 1, …. @returns the first error code, 0 if there is none */
  async tryCommit(groupId: string, member: GroupMember, topic: string, offsets: readonly bigint[]): Promise<number> {
    const { topics } = await this.#client.send(offsetCommit, 7, {
      groupId,
      generationIdOrMemberEpoch: member.generationId,
      memberId: member.memberId,
      topics: [
        {
          name: topic,
          partitions: offsets.map((committedOffset, partitionIndex) => ({
            partitionIndex,
            committedOffset,
            committedMetadata: '',
          })),
        },
      ],
    });
    return topics[0]!.partitions.find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0;
  }

  /** The offset that a group has committed. @throws Error when the answer is an error code */
  async committed(groupId: string, topic: string, partition: number): Promise<bigint> {
    const { errorCode, topics } = await this.#client.send(offsetFetch, 5, {
      groupId,
      topics: [{ name: topic, partitionIndexes: [partition] }],
    });
    const found = topics[0]?.partitions[0];
    const problem = errorCode || (found?.errorCode ?? 0);
    if (problem !== 0) throw new Error(`offset fetch: error code ${problem}`);
    return found!.committedOffset;
  }
}

/** A batch with these values, as a producer sends it. */
export function batchOf(
  values: readonly string[],
  { headers = [], compression = 'none' }: ProduceOptions = {},
): Buffer {
  return encodeBatch({
    baseOffset: 0n,
    compression,
    records: values.map((value) => ({
      timestampMs: BigInt(Date.now()),
      key: null,
      value: Buffer.from(value),
      headers,
    })),
  });
}
