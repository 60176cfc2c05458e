// One request of each API that asks for something real, in every version: what the router's tests send.

import { encodeBatch } from '../../../src/protocol/records/record.ts';

/** The topic that the requests are about; it has to exist. */
export const topic = 'every-version';
/** The group that they are about; it has no members. */
export const group = 'every-version-group';

/** A batch of one record. Versions of Produce below 3 take batches of any format. */
function oneRecord(): Buffer {
  return encodeBatch({
    baseOffset: 0n,
    records: [{ key: null, value: Buffer.from('value'), headers: [], timestampMs: BigInt(Date.now()) }],
  });
}

type Requests = Readonly<Record<string, (version: number, topicId: string) => object>>;

/** One request of each API that asks for something real, in the newest shape; a version takes what it has of it. */
export const requests: Requests = {
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
