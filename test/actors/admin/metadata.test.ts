import { expect } from 'chai';
import { ZERO_TOPIC_ID } from '../../../src/actors/admin/topic-ids.ts';
import { handleDescribeCluster } from '../../../src/actors/router/handlers/describe-cluster.ts';
import { handleElectLeaders } from '../../../src/actors/router/handlers/elect-leaders.ts';
import { handleMetadata } from '../../../src/actors/router/handlers/metadata.ts';
import { metadata } from '../../../src/protocol/apis/metadata.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { create, metadataRequest } from './requests.ts';
import { startNode } from './world.ts';

describe('Metadata', () => {
  it('names the cluster and its nodes by the addresses of the listener that was used', async () => {
    const world = await startNode({ nodeId: 2, memberIds: [1, 2, 3] });

    const inside = await world.call(handleMetadata, metadataRequest([]), 13);
    const outside = await world.call(handleMetadata, metadataRequest([]), 13, 'OUTSIDE');

    expect(inside).to.deep.include({ clusterId: 'A-cluster-of-22-chars-', controllerId: 1, topics: [] });
    expect(inside.brokers[1]).to.deep.equal({ nodeId: 2, host: 'node2.example', port: 9092, rack: 'rack-2' });
    expect(outside.brokers[1]).to.deep.equal({ nodeId: 2, host: 'proxy.example', port: 10_002, rack: 'rack-2' });
  });

  it('tells of all topics on a null list, of none on an empty one, except in version 0', async () => {
    const world = await startNode();
    await create(world, 'orders');
    await create(world, 'payments');
    const namesOf = async (asked: string[] | null, version: number) =>
      (await world.call(handleMetadata, metadataRequest(asked), version)).topics.map(({ name }) => name).sort();

    expect(await namesOf(null, 1)).to.deep.equal(['orders', 'payments']);
    expect(await namesOf([], 1)).to.deep.equal([]);
    expect(await namesOf([], 0)).to.deep.equal(['orders', 'payments']);
  });

  it('says where the partitions of a topic are', async () => {
    const world = await startNode({ nodeId: 1, memberIds: [1, 2, 3] });
    await create(world, 'orders', { numPartitions: 8, replicationFactor: 2 });

    const { topics } = await world.call(handleMetadata, metadataRequest(['orders']), 13);

    const { view, catalog } = world.services;
    const topic = catalog.byName('orders')!;
    expect(topics[0]).to.include({ errorCode: ErrorCode.NONE, name: 'orders', topicId: topic.id, isInternal: false });
    const leaders = new Set<number>();
    for (const [index, partition] of topics[0]!.partitions.entries()) {
      const owner = view.ownerOfPartition(topic.id, index);
      const next = owner === 3 ? 1 : owner + 1;
      leaders.add(owner);
      expect(partition).to.deep.include({
        errorCode: ErrorCode.NONE,
        partitionIndex: index,
        leaderId: owner,
        replicaNodes: [owner, next],
        isrNodes: [owner, next],
        offlineReplicas: [],
      });
      // Only the owner knows the epoch of its shard; 0 is the first opening.
      expect(partition.leaderEpoch).to.equal(owner === 1 ? 0 : -1);
    }
    expect([...leaders].sort()).to.deep.equal([1, 2, 3]);
  });

  it('says that a partition has no leader while its shard is not open', async () => {
    const world = await startNode();
    await create(world, 'orders');
    await world.services.shards.close();

    const { topics } = await world.call(handleMetadata, metadataRequest(['orders']), 13);

    expect(topics[0]!.errorCode).to.equal(ErrorCode.NONE);
    expect(topics[0]!.partitions[0]).to.deep.include({ errorCode: ErrorCode.LEADER_NOT_AVAILABLE, leaderId: -1 });
  });

  it('says that the leader does not have the listener of the client', async () => {
    const world = await startNode();
    await create(world, 'orders');
    const codeIn = async (version: number) =>
      (await world.call(handleMetadata, metadataRequest(['orders']), version, 'ELSEWHERE')).topics[0]!.partitions[0]!
        .errorCode;

    expect(await codeIn(13)).to.equal(ErrorCode.LISTENER_NOT_FOUND);
    expect(await codeIn(5)).to.equal(ErrorCode.LEADER_NOT_AVAILABLE);
  });

  it('finds topics by id', async () => {
    const world = await startNode();
    const { topicId } = await create(world, 'orders');
    const unknown = 'Zm9vYmFyYmF6cXV4MTIzNA';

    const { topics } = await world.call(
      handleMetadata,
      metadataRequest([], {
        topics: [
          { name: null, topicId: topicId! },
          { name: null, topicId: unknown },
        ],
      }),
      13,
    );

    expect(topics.map(({ errorCode, name, topicId: id }) => [errorCode, name, id])).to.deep.equal([
      [ErrorCode.NONE, 'orders', topicId],
      [ErrorCode.UNKNOWN_TOPIC_ID, null, unknown],
    ]);
  });

  it('refuses ids before version 12, in an answer that those versions can carry', async () => {
    const world = await startNode();

    for (const version of [10, 11]) {
      const answer = await world.call(
        handleMetadata,
        metadataRequest([], { topics: [{ name: null, topicId: 'Zm9vYmFyYmF6cXV4MTIzNA' }] }),
        version,
      );
      expect(answer.topics[0]!.errorCode).to.equal(ErrorCode.INVALID_REQUEST);
      expect(() => metadata.encodeResponse(version, answer)).not.to.throw();
    }
  });

  it('refuses a topic that has neither a name nor an id', async () => {
    const world = await startNode();

    const answer = await world.call(
      handleMetadata,
      metadataRequest([], { topics: [{ name: null, topicId: ZERO_TOPIC_ID }] }),
      13,
    );

    expect(answer).to.deep.include({ errorCode: ErrorCode.INVALID_REQUEST });
    expect(() => metadata.encodeResponse(13, answer)).not.to.throw();
  });

  it('tells what a client may do, when asked', async () => {
    const world = await startNode();
    await create(world, 'orders');
    const request = metadataRequest(['orders'], {
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: true,
    });

    const asked = await world.call(handleMetadata, request, 8);
    const laterAsked = await world.call(handleMetadata, request, 13);
    const notAsked = await world.call(handleMetadata, metadataRequest(['orders']), 8);

    // The sums of 1 << AclOperation.code that Kafka 4.3.1 answers without an authorizer.
    expect(asked.clusterAuthorizedOperations).to.equal(8096);
    expect(asked.topics[0]!.topicAuthorizedOperations).to.equal(3576);
    expect(laterAsked.clusterAuthorizedOperations).to.equal(-2147483648);
    expect(notAsked.clusterAuthorizedOperations).to.equal(-2147483648);
    expect(notAsked.topics[0]!.topicAuthorizedOperations).to.equal(-2147483648);
  });

  describe('of a topic that does not exist', () => {
    it('creates it and tells of it at once', async () => {
      const world = await startNode({ config: { 'num.partitions': '3' } });

      const { topics } = await world.call(handleMetadata, metadataRequest(['new', 'new']), 4);

      expect(topics).to.have.length(1);
      expect(topics[0]).to.include({ errorCode: ErrorCode.NONE, name: 'new' });
      expect(topics[0]!.partitions.map(({ leaderId }) => leaderId)).to.deep.equal([1, 1, 1]);
      expect(world.services.catalog.byName('new')!.partitionCount).to.equal(3);
    });

    it('creates it for several clients that ask at once, once', async () => {
      const world = await startNode();

      const answers = await Promise.all([1, 2, 3].map(() => world.call(handleMetadata, metadataRequest(['new']), 4)));

      const ids = answers.map(({ topics }) => [topics[0]!.errorCode, topics[0]!.topicId]);
      expect(ids).to.deep.equal(ids.map(() => [ErrorCode.NONE, world.services.catalog.byName('new')!.id]));
    });

    it('gives the topic of the consumer groups the shape that the coordinator needs', async () => {
      const world = await startNode();

      const { topics } = await world.call(handleMetadata, metadataRequest(['__consumer_offsets']), 4);

      expect(topics[0]).to.include({ errorCode: ErrorCode.NONE, isInternal: true });
      expect(topics[0]!.partitions).to.have.length(50);
    });

    it('does not create it unless both the client and the broker let it', async () => {
      const willing = await startNode();
      const unwilling = await startNode({ config: { 'auto.create.topics.enable': 'false' } });
      const unknown = { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name: 'new', topicId: ZERO_TOPIC_ID };

      const one = await willing.call(handleMetadata, metadataRequest(['new'], { allowAutoTopicCreation: false }), 4);
      const other = await unwilling.call(handleMetadata, metadataRequest(['new']), 4);

      expect(one.topics[0]).to.include(unknown);
      expect(other.topics[0]).to.include(unknown);
      expect(willing.services.catalog.size + unwilling.services.catalog.size).to.equal(0);
    });

    it('does not create it under a name that is not valid', async () => {
      const world = await startNode();
      await create(world, 'a.b');

      const { topics } = await world.call(handleMetadata, metadataRequest(['no/name', '', 'a_b']), 4);

      expect(topics.map(({ name, errorCode }) => [name, errorCode])).to.deep.equal([
        ['no/name', ErrorCode.INVALID_TOPIC_EXCEPTION],
        ['', ErrorCode.INVALID_TOPIC_EXCEPTION],
        ['a_b', ErrorCode.INVALID_TOPIC_EXCEPTION],
      ]);
    });

    it('says so when it cannot be created', async () => {
      const world = await startNode({ faults: { beforePut: () => 'unavailable' } });

      const { topics } = await world.call(handleMetadata, metadataRequest(['new']), 4);

      expect(topics[0]!.errorCode).to.equal(ErrorCode.REQUEST_TIMED_OUT);
    });
  });
});

describe('DescribeCluster', () => {
  const request = { includeClusterAuthorizedOperations: false, endpointType: 1, includeFencedBrokers: false };

  it('names the nodes by the listener that was used', async () => {
    const world = await startNode({ memberIds: [1, 2] });

    const answer = await world.call(handleDescribeCluster, { ...request, includeClusterAuthorizedOperations: true });
    const elsewhere = await world.call(handleDescribeCluster, request, 2, 'ELSEWHERE');

    expect(answer).to.deep.include({
      errorCode: ErrorCode.NONE,
      clusterId: 'A-cluster-of-22-chars-',
      controllerId: 1,
      clusterAuthorizedOperations: 8096,
    });
    expect(answer.brokers).to.deep.equal([
      { brokerId: 1, host: 'node1.example', port: 9092, rack: 'rack-1', isFenced: false },
      { brokerId: 2, host: 'node2.example', port: 9092, rack: 'rack-2', isFenced: false },
    ]);
    expect(elsewhere).to.deep.include({ brokers: [], controllerId: -1, clusterAuthorizedOperations: -2147483648 });
  });

  it('says that it is no controller', async () => {
    const world = await startNode();

    expect((await world.call(handleDescribeCluster, { ...request, endpointType: 2 })).errorCode).to.equal(
      ErrorCode.MISMATCHED_ENDPOINT_TYPE,
    );
    expect((await world.call(handleDescribeCluster, { ...request, endpointType: 9 })).errorCode).to.equal(
      ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
    );
  });
});

describe('ElectLeaders', () => {
  it('has nothing to elect where there is a leader', async () => {
    const world = await startNode();
    await create(world, 'orders');
    const elect = async (electionType: number, topicPartitions: { topic: string; partitions: number[] }[] | null) =>
      world.call(handleElectLeaders, { electionType, topicPartitions, timeoutMs: 1_000 });

    const asked = await elect(0, [
      { topic: 'orders', partitions: [0, 1] },
      { topic: 'none', partitions: [0] },
    ]);
    expect(asked.replicaElectionResults.map(({ partitionResult }) => partitionResult)).to.deep.equal([
      [
        { partitionId: 0, errorCode: ErrorCode.ELECTION_NOT_NEEDED, errorMessage: null },
        {
          partitionId: 1,
          errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          errorMessage: 'No such partition as orders-1',
        },
      ],
      [{ partitionId: 0, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: 'No such topic as none' }],
    ]);
    expect((await elect(1, null)).replicaElectionResults).to.deep.equal([{ topic: 'orders', partitionResult: [] }]);
    expect((await elect(7, null)).errorCode).to.equal(ErrorCode.INVALID_REQUEST);
  });

  it('says that a partition is between two leaders', async () => {
    const world = await startNode();
    await create(world, 'orders');
    await world.services.shards.close();

    const codes = await Promise.all(
      [0, 1].map(async (electionType) => {
        const { replicaElectionResults } = await world.call(handleElectLeaders, {
          electionType,
          topicPartitions: null,
          timeoutMs: 1_000,
        });
        return replicaElectionResults[0]!.partitionResult[0]!.errorCode;
      }),
    );

    expect(codes).to.deep.equal([ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE]);
  });
});
