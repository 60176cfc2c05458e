// Whatever ApiVersions advertises is served: every version of every API gets an answer that it can carry.

import { expect } from 'chai';
import { routes } from '../../../src/actors/router/routes.ts';
import { createTopics } from '../../../src/protocol/apis/create-topics.ts';
import { findCoordinator } from '../../../src/protocol/apis/find-coordinator.ts';
import { initProducerId } from '../../../src/protocol/apis/init-producer-id.ts';
import { metadata } from '../../../src/protocol/apis/metadata.ts';
import { encodeBatch } from '../../../src/protocol/records/record.ts';
import { type LocalClient, type LocalNode, startLocalNode } from './local-node.ts';

const topic = 'every-version';
const group = 'every-version-group';

/** A batch of one record. Versions of Produce below 3 take batches of any format. */
function oneRecord(): Buffer {
  return encodeBatch({
    baseOffset: 0n,
    records: [{ key: null, value: Buffer.from('value'), headers: [], timestampMs: BigInt(Date.now()) }],
  });
}

type Requests = Readonly<Record<string, (version: number, topicId: string) => object>>;

/** One request of each API that asks for something real, in the newest shape; a version takes what it has of it. */
const requests: Requests = {
  Produce: (version, topicId) => ({
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ ...named(version, 13, topicId, 'name'), partitionData: [{ index: 0, records: oneRecord() }] }],
  }),
  Fetch: (version, topicId) => ({
    maxWaitMs: 0,
    minBytes: 0,
    topics: [
      {
        ...named(version, 13, topicId, 'topic'),
        partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1_000_000 }],
      },
    ],
    forgottenTopicsData: [],
  }),
  ListOffsets: (version) => ({
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: version === 0 ? -1n : 0n }] }],
  }),
  Metadata: () => ({ topics: [{ name: topic }], allowAutoTopicCreation: true }),
  OffsetCommit: (version, topicId) => ({
    groupId: group,
    topics: [
      {
        ...named(version, 10, topicId, 'name'),
        partitions: [{ partitionIndex: 0, committedOffset: 1n, committedMetadata: '' }],
      },
    ],
  }),
  OffsetFetch: (version, topicId) =>
    version >= 8
      ? {
          groups: [{ groupId: group, topics: [{ ...named(version, 10, topicId, 'name'), partitionIndexes: [0] }] }],
        }
      : { groupId: group, topics: [{ name: topic, partitionIndexes: [0] }] },
  FindCoordinator: (version) => (version >= 4 ? { keyType: 0, coordinatorKeys: [group] } : { key: group, keyType: 0 }),
  // A group of its own: in one that has a member already, it would have to be waited for.
  JoinGroup: (version) => ({
    groupId: `${group}-join-${version}`,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
  }),
  Heartbeat: () => ({ groupId: group, generationId: 1, memberId: 'nobody' }),
  LeaveGroup: (version) =>
    version >= 3 ? { groupId: group, members: [{ memberId: 'nobody' }] } : { groupId: group, memberId: 'nobody' },
  SyncGroup: (version) => ({
    groupId: group,
    generationId: 1,
    memberId: 'nobody',
    assignments: [],
    ...(version >= 5 ? { protocolType: 'consumer', protocolName: 'range' } : {}),
  }),
  DescribeGroups: () => ({ groups: [group] }),
  ListGroups: () => ({}),
  ApiVersions: () => ({ clientSoftwareName: 'test', clientSoftwareVersion: '1.0' }),
  CreateTopics: (version) => ({
    topics: [{ name: `created-${version}`, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 1000,
  }),
  DeleteTopics: (version) =>
    version >= 6 ? { topics: [{ name: 'nowhere' }], timeoutMs: 1000 } : { topicNames: ['nowhere'], timeoutMs: 1000 },
  DeleteRecords: () => ({
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, offset: 0n }] }],
    timeoutMs: 1000,
  }),
  InitProducerId: () => ({ transactionalId: null, transactionTimeoutMs: 1000 }),
  OffsetForLeaderEpoch: () => ({ topics: [{ topic, partitions: [{ partition: 0, leaderEpoch: 1 }] }] }),
  DescribeConfigs: () => ({ resources: [{ resourceType: 2, resourceName: topic, configurationKeys: null }] }),
  AlterConfigs: () => ({
    resources: [{ resourceType: 2, resourceName: topic, configs: [{ name: 'retention.ms', value: '86400000' }] }],
    validateOnly: false,
  }),
  DescribeLogDirs: () => ({ topics: null }),
  CreatePartitions: () => ({
    topics: [{ name: topic, count: 2, assignments: null }],
    timeoutMs: 1000,
    validateOnly: true,
  }),
  DeleteGroups: () => ({ groupsNames: ['no-such-group'] }),
  ElectLeaders: () => ({ topicPartitions: null, timeoutMs: 1000 }),
  IncrementalAlterConfigs: () => ({
    resources: [
      {
        resourceType: 2,
        resourceName: topic,
        configs: [{ name: 'retention.ms', configOperation: 0, value: '86400000' }],
      },
    ],
    validateOnly: false,
  }),
  OffsetDelete: () => ({ groupId: group, topics: [{ name: topic, partitions: [{ partitionIndex: 0 }] }] }),
  DescribeCluster: () => ({}),
  DescribeTopicPartitions: () => ({ topics: [{ name: topic }], responsePartitionLimit: 100, cursor: null }),
};

function named(version: number, byIdSince: number, topicId: string, field: string): object {
  return version >= byIdSince ? { topicId } : { [field]: topic };
}

/** Every error code in a response, with where it is. */
function errorCodes(message: unknown, path = ''): [path: string, code: number][] {
  if (Array.isArray(message)) return message.flatMap((element, index) => errorCodes(element, `${path}[${index}]`));
  if (message === null || typeof message !== 'object' || Buffer.isBuffer(message)) return [];
  return Object.entries(message).flatMap(([name, value]): [string, number][] =>
    name === 'errorCode' ? [[`${path}.${name}`, value as number]] : errorCodes(value, `${path}.${name}`),
  );
}

/** The answers that are not NONE, and why they are right. */
const expectedCodes: Readonly<Record<string, number>> = {
  Heartbeat: 25, // UNKNOWN_MEMBER_ID
  LeaveGroup: 25,
  SyncGroup: 25,
  DeleteTopics: 3, // UNKNOWN_TOPIC_OR_PARTITION
  DeleteGroups: 69, // GROUP_ID_NOT_FOUND
};

describe('every advertised version', () => {
  let local: LocalNode;
  let client: LocalClient;
  let topicId: string;

  before(async () => {
    local = await startLocalNode();
    client = local.connect();
    await client.ask(createTopics, 7, {
      topics: [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 1000,
    });
    await client.ask(findCoordinator, 3, { key: group, keyType: 0 });
    await client.ask(initProducerId, 0, { transactionalId: null, transactionTimeoutMs: 1000 });
    topicId = (await client.ask(metadata, 12, { topics: [{ name: topic }] })).topics[0].topicId;
  });

  after(() => local.stop());

  for (const { api } of routes) {
    for (let version = api.versions.min; version <= api.versions.max; version++) {
      it(`${api.name} v${version} is answered`, async () => {
        const request = requests[api.name];
        expect(request, `a request of ${api.name}`).to.be.a('function');
        const asked = request?.(version, topicId);
        const response = await client.ask(api, version, asked);
        const wrong = errorCodes(response).filter(([, code]) => {
          if (api.name === 'JoinGroup' && version >= 4) return code !== 79; // MEMBER_ID_REQUIRED (KIP-394)
          if (api.name === 'ElectLeaders') return code !== 0 && code !== 84; // ELECTION_NOT_NEEDED
          return code !== 0 && code !== expectedCodes[api.name];
        });
        expect(wrong).to.deep.equal([]);
        expect(client.closedBy).to.equal(undefined);
      });
    }
  }
});
