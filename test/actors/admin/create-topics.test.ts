import { expect } from 'chai';
import { handleCreateTopics } from '../../../src/actors/router/handlers/create-topics.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { configsOf, creatable, create, createTopicsRequest } from './requests.ts';
import { settle, startNode } from './world.ts';

describe('CreateTopics', () => {
  it('creates a topic and answers its id, its shape and its configs', async () => {
    const world = await startNode();

    const answer = await create(world, 'orders', { numPartitions: 3, configs: configsOf({ 'retention.ms': '1000' }) });

    const topic = world.services.catalog.byName('orders')!;
    expect(answer).to.include({ errorCode: ErrorCode.NONE, numPartitions: 3, replicationFactor: 1, topicId: topic.id });
    expect(topic.id).to.match(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/);
    expect(topic.createdMs).to.equal(world.clock.nowMs());
    expect(topic.values.retentionMs).to.equal(1000n);
    const configs = answer.configs!;
    expect(configs.map(({ name }) => name)).to.deep.equal(configs.map(({ name }) => name).sort());
    expect(configs.find(({ name }) => name === 'retention.ms')).to.include({ value: '1000', configSource: 1 });
    expect(configs.find(({ name }) => name === 'max.message.bytes')).to.include({ value: '1048588', configSource: 5 });
  });

  it('takes the numbers of the broker for a topic that has none', async () => {
    const world = await startNode({ config: { 'num.partitions': '6' }, memberIds: [1, 2] });

    const answer = await create(world, 'orders', { numPartitions: -1, replicationFactor: -1 });

    expect(answer).to.include({ errorCode: ErrorCode.NONE, numPartitions: 6, replicationFactor: 1 });
  });

  it('only validates when asked to, with the same answer', async () => {
    const world = await startNode();

    const answer = await create(world, 'orders', { numPartitions: 3 }, true);
    const refused = await create(world, 'orders', { numPartitions: 0 }, true);

    expect(answer).to.include({ errorCode: ErrorCode.NONE, numPartitions: 3 });
    expect(refused.errorCode).to.equal(ErrorCode.INVALID_PARTITIONS);
    expect(world.services.catalog.size).to.equal(0);
  });

  const refusals: {
    what: string;
    name?: string;
    fields: Parameters<typeof creatable>[1];
    code: number;
    says: string;
  }[] = [
    {
      what: 'an empty name',
      name: '',
      fields: {},
      code: ErrorCode.INVALID_TOPIC_EXCEPTION,
      says: 'Topic name is invalid: the empty string is not allowed',
    },
    {
      what: 'the name ..',
      name: '..',
      fields: {},
      code: ErrorCode.INVALID_TOPIC_EXCEPTION,
      says: "Topic name is invalid: '..' is not allowed",
    },
    {
      what: 'a slash in the name',
      name: 'a/b',
      fields: {},
      code: ErrorCode.INVALID_TOPIC_EXCEPTION,
      says: "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
    },
    {
      what: 'a name that is too long',
      name: 'n'.repeat(250),
      fields: {},
      code: ErrorCode.INVALID_TOPIC_EXCEPTION,
      says: `Topic name is invalid: the length of '${'n'.repeat(250)}' is longer than the max allowed length 249`,
    },
    {
      what: "Kafka's metadata log",
      name: '__cluster_metadata',
      fields: {},
      code: ErrorCode.INVALID_REQUEST,
      says: 'Creation of internal topic __cluster_metadata is prohibited.',
    },
    {
      what: 'no partitions',
      fields: { numPartitions: 0 },
      code: ErrorCode.INVALID_PARTITIONS,
      says: 'Number of partitions was set to an invalid non-positive value.',
    },
    {
      what: 'no replicas',
      fields: { replicationFactor: 0 },
      code: ErrorCode.INVALID_REPLICATION_FACTOR,
      says: 'Replication factor must be larger than 0, or -1 to use the default value.',
    },
    {
      what: 'more replicas than nodes',
      fields: { replicationFactor: 3 },
      code: ErrorCode.INVALID_REPLICATION_FACTOR,
      says: 'Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 1 broker(s) are registered.',
    },
    {
      what: 'a config that does not exist',
      fields: { configs: configsOf({ nonsense: '1' }) },
      code: ErrorCode.INVALID_CONFIG,
      says: 'Unknown topic config name: nonsense',
    },
    {
      what: 'a config without a value',
      fields: { configs: configsOf({ 'retention.ms': null }) },
      code: ErrorCode.INVALID_CONFIG,
      says: 'Null value not supported for topic configs: retention.ms',
    },
    {
      what: 'a config out of range',
      fields: { configs: configsOf({ 'retention.ms': '-2' }) },
      code: ErrorCode.INVALID_CONFIG,
      says: 'Invalid value -2 for configuration retention.ms: Value must be at least -1',
    },
    {
      what: 'assignments with a partition count',
      fields: { replicationFactor: -1, numPartitions: 2, assignments: [{ partitionIndex: 0, brokerIds: [1] }] },
      code: ErrorCode.INVALID_REQUEST,
      says: 'A manual partition assignment was specified, but numPartitions was not set to -1.',
    },
    {
      what: 'assignments with a replication factor',
      fields: { numPartitions: -1, assignments: [{ partitionIndex: 0, brokerIds: [1] }] },
      code: ErrorCode.INVALID_REQUEST,
      says: 'A manual partition assignment was specified, but replication factor was not set to -1.',
    },
    {
      what: 'an assignment to a node that is not there',
      fields: { replicationFactor: -1, numPartitions: -1, assignments: [{ partitionIndex: 0, brokerIds: [9] }] },
      code: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      says: 'The manual partition assignment includes broker 9, but no such broker is registered.',
    },
    {
      what: 'an assignment to nobody',
      fields: { replicationFactor: -1, numPartitions: -1, assignments: [{ partitionIndex: 0, brokerIds: [] }] },
      code: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      says: 'The manual partition assignment includes an empty replica list.',
    },
    {
      what: 'an assignment to one node twice',
      fields: { replicationFactor: -1, numPartitions: -1, assignments: [{ partitionIndex: 0, brokerIds: [1, 1] }] },
      code: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      says: 'The manual partition assignment includes the broker 1 more than once.',
    },
    {
      what: 'assignments with a gap',
      fields: { replicationFactor: -1, numPartitions: -1, assignments: [{ partitionIndex: 1, brokerIds: [1] }] },
      code: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      says: 'partitions should be a consecutive 0-based integer sequence',
    },
  ];
  for (const { what, name = 'orders', fields, code, says } of refusals) {
    it(`refuses ${what}`, async () => {
      const world = await startNode();

      const answer = await create(world, name, fields);

      expect(answer).to.include({ name, errorCode: code, errorMessage: says });
      expect(world.services.catalog.size).to.equal(0);
    });
  }

  it('takes the shape of a topic from its assignments', async () => {
    const world = await startNode({ memberIds: [1, 2, 3] });
    const assignments = [
      { partitionIndex: 1, brokerIds: [2, 3] },
      { partitionIndex: 0, brokerIds: [1, 2] },
    ];

    const answer = await create(world, 'orders', { numPartitions: -1, replicationFactor: -1, assignments });

    expect(answer).to.include({ errorCode: ErrorCode.NONE, numPartitions: 2, replicationFactor: 2 });
  });

  it('refuses a name that exists, and one whose metrics would collide with it', async () => {
    const world = await startNode();
    await create(world, 'a.b');

    expect(await create(world, 'a.b')).to.include({
      errorCode: ErrorCode.TOPIC_ALREADY_EXISTS,
      errorMessage: "Topic 'a.b' already exists.",
    });
    expect(await create(world, 'a_b')).to.include({
      errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION,
      errorMessage: "Topic 'a_b' collides with existing topic: a.b",
    });
    await world.services.topics.delete('a.b');
    expect((await create(world, 'a_b')).errorCode).to.equal(ErrorCode.NONE);
  });

  it('refuses a name that occurs twice and still creates the others', async () => {
    const world = await startNode();

    const { topics } = await world.call(
      handleCreateTopics,
      createTopicsRequest([creatable('twice'), creatable('once'), creatable('twice')]),
    );

    expect(topics.map(({ name, errorCode, errorMessage }) => [name, errorCode, errorMessage])).to.deep.equal([
      ['twice', ErrorCode.INVALID_REQUEST, 'Duplicate topic name.'],
      ['once', ErrorCode.NONE, null],
    ]);
    expect(world.services.catalog.byName('twice')).to.equal(undefined);
  });

  it('lets only one of two nodes create a topic, even while neither knows of the other', async () => {
    const first = await startNode();
    const second = await startNode({ disk: first.disk, nodeId: 2 });

    const answers = await Promise.all([create(first, 'orders'), create(second, 'orders', { numPartitions: 5 })]);
    await settle();

    expect(answers.map(({ errorCode }) => errorCode).sort()).to.deep.equal([
      ErrorCode.NONE,
      ErrorCode.TOPIC_ALREADY_EXISTS,
    ]);
    const ids = [first, second].map(({ services }) => services.catalog.byName('orders')!.id);
    expect(ids[0]).to.equal(ids[1]);
  });

  it('tells when the store is full or away, topic by topic', async () => {
    const world = await startNode({
      faults: {
        beforePut: (key) => (key === 'topics/full' ? 'fail-full' : key === 'topics/away' ? 'unavailable' : 'ok'),
      },
    });

    const { topics } = await world.call(
      handleCreateTopics,
      createTopicsRequest([creatable('full'), creatable('away'), creatable('fine')]),
    );

    expect(topics.map(({ name, errorCode }) => [name, errorCode])).to.deep.equal([
      ['full', ErrorCode.KAFKA_STORAGE_ERROR],
      ['away', ErrorCode.REQUEST_TIMED_OUT],
      ['fine', ErrorCode.NONE],
    ]);
  });

  it('answers in the time that the client gives, though the creation goes on', async () => {
    const held: (() => void)[] = [];
    let holding = false;
    const world = await startNode({
      schedule: (_, run) => {
        if (holding) held.push(run);
        else queueMicrotask(run);
      },
    });
    holding = true;

    const creating = world.call(handleCreateTopics, createTopicsRequest([creatable('slow')], { timeoutMs: 1_000 }));
    await settle();
    world.clock.advance(1_000);
    const { topics } = await creating;
    for (const run of held) run();
    await settle();

    expect(topics[0]!.errorCode).to.equal(ErrorCode.REQUEST_TIMED_OUT);
    expect(world.services.catalog.byName('slow')).not.to.equal(undefined);
  });
});

describe('the topics of the coordinators', () => {
  it("are created with Kafka's settings, once, and with as many replicas as there are nodes", async () => {
    const world = await startNode({ memberIds: [1, 2], config: { 'offsets.topic.num.partitions': '7' } });

    const outcomes = await Promise.all([
      world.services.topics.ensureInternal('__consumer_offsets'),
      world.services.topics.ensureInternal('__consumer_offsets'),
    ]);

    expect(outcomes[0]).to.deep.equal(outcomes[1]);
    const topic = outcomes[0].topic!;
    expect(topic).to.include({ internal: true, partitionCount: 7, replicationFactor: 2 });
    expect(Object.fromEntries(topic.configs)).to.deep.equal({
      'cleanup.policy': 'compact',
      'compression.type': 'producer',
      'segment.bytes': '104857600',
    });
    expect((await world.services.topics.ensureInternal('__consumer_offsets')).topic).to.equal(topic);
  });

  it('are found when another node has just created them', async () => {
    const first = await startNode();
    const second = await startNode({ disk: first.disk, nodeId: 2 });

    const [one, other] = await Promise.all([
      first.services.topics.ensureInternal('__consumer_offsets'),
      second.services.topics.ensureInternal('__consumer_offsets'),
    ]);

    expect(one.errorCode).to.equal(ErrorCode.NONE);
    expect(other.errorCode).to.equal(ErrorCode.NONE);
    expect(one.topic!.id).to.equal(other.topic!.id);
  });
});
