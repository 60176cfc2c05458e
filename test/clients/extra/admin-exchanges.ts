// The admin requests that this broker and Apache Kafka are both asked, in this order: what one makes, a later one sees.
// Left out is what has to differ: producer ids, group and client-metrics configs (not served), unknown broker configs
// (Kafka keeps them), and answers that are UNKNOWN_SERVER_ERROR from Kafka.

import { alterConfigs } from '../../../src/protocol/apis/alter-configs.ts';
import { createPartitions } from '../../../src/protocol/apis/create-partitions.ts';
import { createTopics } from '../../../src/protocol/apis/create-topics.ts';
import { deleteRecords } from '../../../src/protocol/apis/delete-records.ts';
import { deleteTopics } from '../../../src/protocol/apis/delete-topics.ts';
import { describeCluster } from '../../../src/protocol/apis/describe-cluster.ts';
import { describeConfigs } from '../../../src/protocol/apis/describe-configs.ts';
import { describeLogDirs } from '../../../src/protocol/apis/describe-log-dirs.ts';
import { describeTopicPartitions } from '../../../src/protocol/apis/describe-topic-partitions.ts';
import { electLeaders } from '../../../src/protocol/apis/elect-leaders.ts';
import { incrementalAlterConfigs } from '../../../src/protocol/apis/incremental-alter-configs.ts';
import { metadata } from '../../../src/protocol/apis/metadata.ts';
import type { AnyApi, Api, RequestInputOf, StructFields } from '../../../src/protocol/schema/define.ts';

/** Topic ids by name, as the broker that is asked has given them. */
export type Ids = ReadonlyMap<string, string>;

export interface Exchange {
  readonly what: string;
  readonly api: AnyApi;
  readonly versions: 'all' | 'latest' | readonly number[];
  readonly request: (version: number, ids: Ids) => unknown;
}

export const zeroId = 'AAAAAAAAAAAAAAAAAAAAAA';
const unknownId = 'Zm9vYmFyYmF6cXV4MTIzNA';
const timeoutMs = 10_000;

function ask<Request extends StructFields, Response extends StructFields>(
  what: string,
  api: Api<Request, Response>,
  request:
    | RequestInputOf<Api<Request, Response>>
    | ((version: number, ids: Ids) => RequestInputOf<Api<Request, Response>>),
  versions: Exchange['versions'] = 'latest',
): Exchange {
  return {
    what,
    api: api as AnyApi,
    versions,
    request: (version, ids) => (typeof request === 'function' ? request(version, ids) : request),
  };
}

type Creatable = RequestInputOf<typeof createTopics>['topics'][number];

const topic = (name: string, fields: Partial<Creatable> = {}): Creatable => ({
  name,
  numPartitions: 1,
  replicationFactor: 1,
  assignments: [],
  configs: [],
  ...fields,
});
const byHand = (...brokers: number[][]): Partial<Creatable> => ({
  numPartitions: -1,
  replicationFactor: -1,
  assignments: brokers.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
});
const config = (name: string, value: string | null) => ({ configs: [{ name, value }] });

const creations: Exchange[] = [
  ask(
    'in each version',
    createTopics,
    (version) => ({
      topics: [topic(`v${version}`, { numPartitions: 3, ...config('retention.ms', '1000') })],
      timeoutMs,
    }),
    'all',
  ),
  ask('the topics of what follows', createTopics, {
    topics: [
      topic('c0', { numPartitions: 3 }),
      topic('c1', { numPartitions: 3 }),
      topic('compacted', config('cleanup.policy', 'compact')),
      topic('a.b'),
    ],
    timeoutMs,
  }),
  ...[
    topic('defaults', { numPartitions: -1, replicationFactor: -1 }),
    topic(''),
    topic('..'),
    topic('a/b'),
    topic('n'.repeat(250)),
    topic('__cluster_metadata'),
    topic('p', { numPartitions: 0 }),
    topic('p', { numPartitions: -2 }),
    topic('p', { numPartitions: 10_001 }),
    topic('r', { replicationFactor: 0 }),
    topic('r', { replicationFactor: -2 }),
    topic('c', config('nonsense', '1')),
    topic('c', config('retention.ms', null)),
    topic('c', config('retention.ms', '-2')),
    topic('c', config('retention.ms', 'soon')),
    topic('c', config('cleanup.policy', 'shred')),
    topic('c', config('cleanup.policy', '')),
    topic('h', { ...byHand([1]), numPartitions: 2 }),
    topic('h', { ...byHand([1]), replicationFactor: 1 }),
    topic('h', byHand([7])),
    topic('h', byHand([])),
    topic('h', byHand([1, 1])),
    topic('h', byHand([1], [1])),
    topic('h', { ...byHand(), assignments: [{ partitionIndex: 1, brokerIds: [1] }] }),
    topic('h', {
      ...byHand([1]),
      assignments: [
        { partitionIndex: 0, brokerIds: [1] },
        { partitionIndex: 0, brokerIds: [1] },
      ],
    }),
    topic('h', { ...byHand([7]), ...config('nonsense', '1') }),
    topic('c0'),
    topic('a_b'),
  ].map((creatable) =>
    ask(JSON.stringify(creatable).slice(0, 120), createTopics, { topics: [creatable], timeoutMs, validateOnly: true }),
  ),
  ask('a name twice', createTopics, { topics: [topic('twice'), topic('twice'), topic('once')], timeoutMs }),
];

const grow = (name: string, count: number, ...brokers: number[][]) => ({
  name,
  count,
  assignments: brokers.length === 0 ? null : brokers.map((brokerIds) => ({ brokerIds })),
});

const additions: Exchange[] = [
  ask(
    'in each version',
    createPartitions,
    (version) => ({ topics: [grow('c0', 4 + version)], timeoutMs, validateOnly: false }),
    'all',
  ),
  ...[
    [grow('c1', 3)],
    [grow('c1', 2)],
    [grow('c1', -1)],
    [grow('none', 2)],
    [grow('a/b', 2)],
    [grow('c1', 5), grow('c1', 6)],
    [grow('c1', 5, [1])],
    [grow('c1', 4, [7])],
    [grow('c1', 4, [1, 1])],
    [grow('c1', 4, [])],
    [grow('c1', 4, [1])],
  ].map((topics) => ask(JSON.stringify(topics), createPartitions, { topics, timeoutMs, validateOnly: true })),
];

const named = (names: readonly string[]) => (version: number) => ({
  topics: names.map((name) => (version >= 10 ? { name, topicId: zeroId } : { name })),
  ...(version >= 4 ? { allowAutoTopicCreation: false } : {}),
  ...(version >= 8 && version <= 10 ? { includeClusterAuthorizedOperations: true } : {}),
  ...(version >= 8 ? { includeTopicAuthorizedOperations: true } : {}),
});
const page = (names: readonly string[], responsePartitionLimit: number, cursor: [string, number] | null = null) => ({
  topics: names.map((name) => ({ name })),
  responsePartitionLimit,
  cursor: cursor && { topicName: cursor[0], partitionIndex: cursor[1] },
});

const descriptions: Exchange[] = [
  ask('topics that exist', metadata, named(['c0', 'c1', 'a.b']), 'all'),
  ask('topics that do not', metadata, named(['a/b', 'none']), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
  ask('no topics', metadata, named([]), [1, 2, 3, 4, 8, 10, 13]),
  ask(
    'by id',
    metadata,
    (_, ids) => ({
      topics: [ids.get('c1')!, unknownId].map((topicId) => ({ name: null, topicId })),
      allowAutoTopicCreation: false,
    }),
    [12, 13],
  ),
  ask('invalid names that may be created', metadata, {
    topics: ['a/b', ''].map((name) => ({ name, topicId: zeroId })),
    allowAutoTopicCreation: true,
  }),
  ...[
    page(['c0', 'c1', 'none', 'a/b', 'a.b'], 2_000),
    page(['c0', 'c1', 'none'], 2),
    page(['c0', 'c1', 'none'], 7),
    page(['c0', 'c1'], 2, ['c0', 6]),
    page(['c0', 'c1'], 2, ['c0', 60]),
    page(['c0', 'c1'], 2, ['b', 0]),
    page(['c0', 'c1'], 2, ['c0', -1]),
    page(['c0', 'c1'], 0),
    page(['c0', 'c0'], -5),
  ].map((request) => ask(JSON.stringify(request), describeTopicPartitions, request)),
  ask('in each version', describeCluster, { includeClusterAuthorizedOperations: true }, 'all'),
  ask('of a controller', describeCluster, { includeClusterAuthorizedOperations: false, endpointType: 2 }, [1, 2]),
  ask('of nothing known', describeCluster, { includeClusterAuthorizedOperations: false, endpointType: 5 }, [1, 2]),
  ask(
    'in each version',
    describeLogDirs,
    {
      topics: [
        { topic: 'c0', partitions: [0, 1, 77] },
        { topic: 'none', partitions: [0] },
      ],
    },
    'all',
  ),
  ask('of no topics', describeLogDirs, { topics: [] }),
  ask(
    'in each version',
    electLeaders,
    {
      topicPartitions: [
        { topic: 'none', partitions: [0] },
        { topic: 'c0', partitions: [77] },
      ],
    },
    'all',
  ),
  ask('of a kind that does not exist', electLeaders, {
    electionType: 7,
    topicPartitions: [{ topic: 'c0', partitions: [0] }],
  }),
];

const cut = (name: string, partitionIndex: number, offset: bigint) => ({
  topics: [{ name, partitions: [{ partitionIndex, offset }] }],
  timeoutMs,
});

const cuts: Exchange[] = [
  ask('in each version', deleteRecords, cut('c0', 0, -1n), 'all'),
  ...[
    cut('c0', 0, 5n),
    cut('c0', 0, -2n),
    cut('c0', 99, 0n),
    cut('c0', -1, 0n),
    cut('none', 0, 0n),
    cut('compacted', 0, -1n),
  ].map((request) =>
    ask(`${request.topics[0]!.name} ${request.topics[0]!.partitions[0]!.offset}`, deleteRecords, request),
  ),
];

type Change = readonly [name: string, operation: number, value: string | null];

const described = (resourceType: number, resourceName: string, configurationKeys: string[] | null = null) => ({
  resources: [{ resourceType, resourceName, configurationKeys }],
});
const changed = (resourceType: number, resourceName: string, changes: readonly Change[]) => ({
  resources: [
    {
      resourceType,
      resourceName,
      configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value })),
    },
  ],
  validateOnly: false,
});
const replaced = (
  resourceType: number,
  resourceName: string,
  configs: readonly (readonly [string, string | null])[],
) => ({
  resources: [{ resourceType, resourceName, configs: configs.map(([name, value]) => ({ name, value })) }],
  validateOnly: false,
});
/** What later reads show of the changes before them. */
const effects: readonly Exchange[] = [
  ask('of the topic, with synonyms', describeConfigs, {
    ...described(2, 'c1', ['retention.ms', 'cleanup.policy', 'segment.ms', 'max.message.bytes']),
    includeSynonyms: true,
  }),
  ask('of the broker, with synonyms', describeConfigs, {
    ...described(4, '1', ['message.max.bytes', 'log.cleanup.policy', 'log.retention.ms']),
    includeSynonyms: true,
  }),
];

const configs: Exchange[] = [
  ask(
    'in each version',
    describeConfigs,
    (version) => ({
      ...described(2, 'c1'),
      ...(version >= 1 ? { includeSynonyms: true } : {}),
      ...(version >= 3 ? { includeDocumentation: true } : {}),
    }),
    'all',
  ),
  ...[
    described(2, 'c1', ['retention.ms', 'nonsense']),
    described(2, 'c1', []),
    described(2, 'none'),
    described(2, 'a/b'),
    described(2, ''),
    described(4, '2'),
    described(4, 'x'),
    described(8, ''),
    described(8, 'x'),
    described(8, '2'),
  ].map((request) => ask(JSON.stringify(request), describeConfigs, request)),
  ask('in each version', incrementalAlterConfigs, changed(2, 'c1', [['retention.ms', 0, '55']]), 'all'),
  ...[
    changed(2, 'c1', [['cleanup.policy', 2, 'compact']]),
    changed(2, 'c1', [['cleanup.policy', 3, 'delete']]),
    changed(2, 'c1', [['cleanup.policy', 3, 'compact']]),
    changed(2, 'c1', [['cleanup.policy', 1, null]]),
    changed(2, 'c1', [['nonsense', 0, '1']]),
    changed(2, 'c1', [['nonsense', 1, null]]),
    changed(2, 'c1', [['retention.ms', 2, '1']]),
    changed(2, 'c1', [['retention.ms', 0, null]]),
    changed(2, 'c1', [
      ['retention.ms', 0, '1'],
      ['retention.ms', 0, '2'],
    ]),
    changed(2, 'c1', [['retention.ms', 0, 'x']]),
    changed(2, 'none', [['retention.ms', 0, '1']]),
    changed(2, 'a/b', [['retention.ms', 0, '1']]),
    changed(2, '', [['retention.ms', 0, '1']]),
    changed(4, '1', [
      ['message.max.bytes', 0, '2000000'],
      ['log.cleanup.policy', 2, 'compact'],
    ]),
    changed(4, '', [['message.max.bytes', 0, '1900000']]),
    changed(4, '2', [['message.max.bytes', 0, '1900000']]),
    changed(4, 'x', [['message.max.bytes', 0, '1900000']]),
    changed(4, '1', [['num.partitions', 0, '2']]),
    changed(4, '1', [['message.max.bytes', 0, 'x']]),
    changed(4, '1', [
      ['message.max.bytes', 1, null],
      ['log.cleanup.policy', 1, null],
    ]),
    changed(4, '', [['message.max.bytes', 1, null]]),
    changed(8, '1', [['root', 0, 'LOUD']]),
    changed(8, '1', [['none', 0, 'INFO']]),
    changed(8, '1', [['root', 1, null]]),
    changed(8, '1', [['root', 2, 'INFO']]),
    changed(8, 'x', [['root', 0, 'INFO']]),
    changed(0, 'x', []),
    changed(77, 'x', []),
  ].flatMap((request) => [ask(JSON.stringify(request.resources), incrementalAlterConfigs, request), ...effects]),
  ask('in each version', alterConfigs, replaced(2, 'c1', [['segment.ms', '55']]), 'all'),
  ...[
    replaced(2, 'c1', []),
    replaced(2, 'c1', [['retention.ms', null]]),
    replaced(2, 'c1', [['nonsense', '1']]),
    replaced(2, 'none', []),
    replaced(2, 'a/b', []),
    replaced(8, '1', [['root', 'INFO']]),
    replaced(4, '1', [['message.max.bytes', '1234567']]),
    replaced(4, '1', []),
    replaced(0, 'x', []),
    replaced(2, 'c1', [
      ['retention.ms', '1'],
      ['retention.ms', '2'],
    ]),
  ].flatMap((request) => [ask(JSON.stringify(request.resources), alterConfigs, request), ...effects]),
];

const removed = (...topics: [name: string | null, topicId: string][]) => ({
  topics: topics.map(([name, topicId]) => ({ name, topicId })),
  timeoutMs,
});

const deletions: Exchange[] = [
  ask(
    'by name in each version',
    deleteTopics,
    (version) =>
      version >= 6
        ? removed([`v${version}`, zeroId], ['none', zeroId])
        : { topicNames: [`v${version}`, 'none', 'a/b'], timeoutMs },
    'all',
  ),
  ask('a name twice', deleteTopics, removed(['c1', zeroId], ['c1', zeroId])),
  ask('neither name nor id', deleteTopics, removed([null, zeroId])),
  ask('both name and id', deleteTopics, removed(['c1', unknownId])),
  ask('an unknown id', deleteTopics, removed([null, unknownId])),
  ask('the same topic by name and id', deleteTopics, (_, ids) => removed([null, ids.get('c1')!], ['c1', zeroId])),
  ask('by id', deleteTopics, (_, ids) => removed([null, ids.get('c1')!])),
  ask('what is gone', metadata, named(['c1'])),
];

export const exchanges: readonly Exchange[] = [
  ...creations,
  ...additions,
  ...descriptions,
  ...cuts,
  ...configs,
  ...deletions,
];
