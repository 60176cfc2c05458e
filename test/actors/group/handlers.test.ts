// What clients of each version see of groups, over the whole path of a node.

import { expect } from 'chai';
import type { JoinRequest } from '../../../src/actors/group/protocol.ts';
import { handleJoinGroup } from '../../../src/actors/router/handlers/join-group.ts';
import type { RequestContext, Services } from '../../../src/actors/router/services.ts';
import { createTopics } from '../../../src/protocol/apis/create-topics.ts';
import { deleteGroups } from '../../../src/protocol/apis/delete-groups.ts';
import { deleteTopics } from '../../../src/protocol/apis/delete-topics.ts';
import { describeGroups } from '../../../src/protocol/apis/describe-groups.ts';
import { findCoordinator } from '../../../src/protocol/apis/find-coordinator.ts';
import { heartbeat } from '../../../src/protocol/apis/heartbeat.ts';
import { joinGroup } from '../../../src/protocol/apis/join-group.ts';
import { leaveGroup } from '../../../src/protocol/apis/leave-group.ts';
import { listGroups } from '../../../src/protocol/apis/list-groups.ts';
import { offsetCommit } from '../../../src/protocol/apis/offset-commit.ts';
import { offsetDelete } from '../../../src/protocol/apis/offset-delete.ts';
import { offsetFetch } from '../../../src/protocol/apis/offset-fetch.ts';
import { syncGroup } from '../../../src/protocol/apis/sync-group.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { type LocalClient, type LocalNode, startLocalNode } from '../router/local-node.ts';
import { settle, subscription } from './world.ts';

const unknownId = 'unknown-id-22-charac-A';

describe('the group APIs', () => {
  let node: LocalNode;
  let client: LocalClient;
  /** Id of topic `t`, which has two partitions. */
  let topicId: string;
  beforeEach(async () => {
    node = await startLocalNode();
    client = node.connect();
    topicId = await createTopic();
  });
  afterEach(() => node.stop());

  async function createTopic(): Promise<string> {
    const { topics } = await client.ask(createTopics, 7, {
      topics: [{ name: 't', numPartitions: 2, replicationFactor: -1, assignments: [], configs: [] }],
      timeoutMs: 5_000,
      validateOnly: false,
    });
    return topics[0].topicId;
  }

  const coordinate = () => client.ask(findCoordinator, 0, { key: 'g' });

  const joinRequest = (changes: object = {}) => ({
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 20_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription('t') }],
    ...changes,
  });

  /** A member of a stable group, alone. */
  async function member(changes: object = {}): Promise<{ memberId: string; generationId: number }> {
    const { memberId, generationId, errorCode } = await client.ask(joinGroup, 3, joinRequest(changes));
    expect(errorCode).to.equal(ErrorCode.NONE);
    const sync = await client.ask(syncGroup, 3, {
      groupId: 'g',
      generationId,
      memberId,
      assignments: [{ memberId, assignment: Buffer.from('all') }],
      ...changes,
    });
    expect(sync.errorCode).to.equal(ErrorCode.NONE);
    return { memberId, generationId };
  }

  async function commit(version: number, changes: object = {}, partitionIndex = 0, committedMetadata = '') {
    const { topics } = await client.ask(offsetCommit, version, {
      groupId: 'g',
      topics: [
        {
          ...(version >= 10 ? { topicId } : { name: 't' }),
          partitions: [{ partitionIndex, committedOffset: 5n, committedMetadata }],
        },
      ],
      ...changes,
    });
    return topics[0].partitions[0].errorCode as number;
  }

  describe('before any group existed', () => {
    it('answer that this is not the coordinator', async () => {
      const join = await client.ask(joinGroup, 9, joinRequest());
      expect(join.errorCode).to.equal(ErrorCode.NOT_COORDINATOR);
      expect(await commit(8)).to.equal(ErrorCode.NOT_COORDINATOR);
      const { groups } = await client.ask(describeGroups, 6, { groups: ['g'], includeAuthorizedOperations: false });
      expect(groups[0].errorCode).to.equal(ErrorCode.NOT_COORDINATOR);
      const listed = await client.ask(listGroups, 5, { statesFilter: [], typesFilter: [] });
      expect(listed).to.deep.include({ errorCode: ErrorCode.NONE, groups: [] });
    });

    it('tell it to clients of OffsetFetch where their version looks for it', async () => {
      const request = { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] };
      for (const version of [0, 1]) {
        const { topics } = await client.ask(offsetFetch, version, request);
        expect(topics[0].partitions[0]).to.include({ errorCode: ErrorCode.NOT_COORDINATOR, committedOffset: -1n });
      }
      expect(await client.ask(offsetFetch, 2, request)).to.deep.include({
        errorCode: ErrorCode.NOT_COORDINATOR,
        topics: [],
      });
      const { groups } = await client.ask(offsetFetch, 8, { groups: [request] });
      expect(groups[0]).to.deep.include({ groupId: 'g', errorCode: ErrorCode.NOT_COORDINATOR, topics: [] });
    });
  });

  describe('FindCoordinator', () => {
    it('names the node, and makes the topic of the coordinator if need be', async () => {
      for (const version of [0, 3]) {
        const found = await client.ask(findCoordinator, version, { key: 'g', ...(version > 0 ? { keyType: 0 } : {}) });
        expect(found).to.include({ errorCode: ErrorCode.NONE, host: '127.0.0.1', port: 9092 });
      }
      const { coordinators } = await client.ask(findCoordinator, 4, { keyType: 0, coordinatorKeys: ['g', 'h'] });
      expect(coordinators.map(({ key }: { key: string }) => key)).to.deep.equal(['g', 'h']);
      for (const one of coordinators) expect(one).to.include({ errorCode: ErrorCode.NONE, port: 9092 });
      expect(node.node.services.catalog.byName('__consumer_offsets')?.partitionCount).to.equal(50);
    });

    it('says at once that there are no transactions and no share groups', async () => {
      const { coordinators } = await client.ask(findCoordinator, 6, { keyType: 1, coordinatorKeys: ['t'] });
      expect(coordinators[0]).to.deep.include({
        errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        nodeId: -1,
      });
      expect(coordinators[0].errorMessage).to.match(/Transactions are not supported/);
      const old = await client.ask(findCoordinator, 2, { key: 't', keyType: 1 });
      expect(old).to.include({ errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, nodeId: -1 });
      const share = await client.ask(findCoordinator, 6, { keyType: 2, coordinatorKeys: ['s'] });
      expect(share.coordinators[0].errorCode).to.equal(ErrorCode.INVALID_REQUEST);
    });
  });

  describe('JoinGroup and SyncGroup', () => {
    beforeEach(coordinate);

    it('refuse an empty group id and session time-outs out of bounds', async () => {
      const refused = async (changes: object) => (await client.ask(joinGroup, 9, joinRequest(changes))).errorCode;
      expect(await refused({ groupId: '' })).to.equal(ErrorCode.INVALID_GROUP_ID);
      expect(await refused({ sessionTimeoutMs: 5_999 })).to.equal(ErrorCode.INVALID_SESSION_TIMEOUT);
      expect(await refused({ sessionTimeoutMs: 1_800_001 })).to.equal(ErrorCode.INVALID_SESSION_TIMEOUT);
      const { groups } = await client.ask(listGroups, 5, { statesFilter: [], typesFilter: [] });
      expect(groups).to.deep.equal([]);
    });

    it('tell a new member its id first from version 4 on', async () => {
      const third = await client.ask(joinGroup, 3, joinRequest({ groupId: 'third' }));
      expect(third.errorCode).to.equal(ErrorCode.NONE);
      const fourth = await client.ask(joinGroup, 4, joinRequest());
      expect(fourth.errorCode).to.equal(ErrorCode.MEMBER_ID_REQUIRED);
      const { memberId } = fourth;
      const again = await client.ask(joinGroup, 4, joinRequest({ memberId }));
      expect(again).to.deep.include({ errorCode: ErrorCode.NONE, memberId, leader: memberId, generationId: 1 });
    });

    it('give no protocol in an error: empty before version 7, null from then on', async () => {
      const refused = (version: number) => client.ask(joinGroup, version, joinRequest({ memberId: 'ghost' }));
      expect(await refused(6)).to.include({
        errorCode: ErrorCode.UNKNOWN_MEMBER_ID,
        protocolName: '',
        generationId: -1,
      });
      expect(await refused(7)).to.include({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID, protocolName: null });
    });

    it('want the protocol named from version 5 of SyncGroup on', async () => {
      const { memberId, generationId } = await member();
      const request = { groupId: 'g', generationId, memberId, assignments: [] };
      expect((await client.ask(syncGroup, 5, request)).errorCode).to.equal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
      const named = await client.ask(syncGroup, 5, { ...request, protocolType: 'consumer', protocolName: 'range' });
      expect(named).to.include({ errorCode: ErrorCode.NONE, protocolType: 'consumer', protocolName: 'range' });
      expect(named.assignment.toString()).to.equal('all');
      expect((await client.ask(syncGroup, 4, { ...request, groupId: '' })).errorCode).to.equal(
        ErrorCode.INVALID_GROUP_ID,
      );
    });

    it('take the session time-out for the rebalance time-out in version 0', async () => {
      const asked: JoinRequest[] = [];
      const join = (version: number) => {
        const group = () => ({
          ask: (_kind: string, request: JoinRequest) => {
            asked.push(request);
            return Promise.reject(new Error('that was all'));
          },
        });
        const services = { ...node.node.services, directory: { group } } as unknown as Services;
        const context = { apiVersion: version, clientId: null, clientHost: '/::1' } as RequestContext;
        return handleJoinGroup({ ...joinRequest(), groupInstanceId: null, reason: null }, context, services);
      };
      await join(0);
      await join(1);
      expect(asked.map(({ rebalanceTimeoutMs }) => rebalanceTimeoutMs)).to.deep.equal([10_000, 20_000]);
      expect(asked[0]).to.include({ clientId: '', clientHost: '/::1', memberIdRequired: false });
    });
  });

  it('Heartbeat and LeaveGroup answer as their versions can', async () => {
    await coordinate();
    const { memberId, generationId } = await member();
    const beat = async (changes: object = {}) =>
      (await client.ask(heartbeat, 4, { groupId: 'g', generationId, memberId, ...changes })).errorCode;
    expect(await beat()).to.equal(ErrorCode.NONE);
    expect(await beat({ groupId: '' })).to.equal(ErrorCode.INVALID_GROUP_ID);
    expect(await beat({ generationId: 9 })).to.equal(ErrorCode.ILLEGAL_GENERATION);

    expect((await client.ask(leaveGroup, 2, { groupId: 'g', memberId: 'ghost' })).errorCode).to.equal(
      ErrorCode.UNKNOWN_MEMBER_ID,
    );
    const several = await client.ask(leaveGroup, 5, { groupId: 'g', members: [{ memberId: 'ghost' }, { memberId }] });
    expect(several.errorCode).to.equal(ErrorCode.NONE);
    expect(several.members.map(({ errorCode }: { errorCode: number }) => errorCode)).to.deep.equal([
      ErrorCode.UNKNOWN_MEMBER_ID,
      ErrorCode.NONE,
    ]);
    expect((await client.ask(leaveGroup, 5, { groupId: '', members: [] })).errorCode).to.equal(
      ErrorCode.INVALID_GROUP_ID,
    );
  });

  it('DescribeGroups shows a stable group, and an unknown one as its version wants it', async () => {
    await coordinate();
    const { memberId } = await member();
    const { groups } = await client.ask(describeGroups, 6, {
      groups: ['g', 'other'],
      includeAuthorizedOperations: true,
    });
    expect(groups[0]).to.deep.equal({
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      groupId: 'g',
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      members: [
        {
          memberId,
          groupInstanceId: null,
          clientId: 'test',
          clientHost: '/127.0.0.1',
          memberMetadata: subscription('t'),
          memberAssignment: Buffer.from('all'),
        },
      ],
      // READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS
      authorizedOperations: 8 + 64 + 256 + 1024 + 2048,
    });
    expect(groups[1]).to.include({ errorCode: ErrorCode.GROUP_ID_NOT_FOUND, groupState: 'Dead' });
    expect(groups[1].errorMessage).to.match(/not found/);
    const older = await client.ask(describeGroups, 5, { groups: ['other'], includeAuthorizedOperations: false });
    expect(older.groups[0]).to.include({
      errorCode: ErrorCode.NONE,
      groupState: 'Dead',
      authorizedOperations: -2147483648,
    });
  });

  it('ListGroups filters by state and type, whatever their case', async () => {
    await coordinate();
    await member();
    await commit(2, { groupId: 'simple' });
    const listed = async (statesFilter: string[], typesFilter: string[] = []) => {
      const { groups } = await client.ask(listGroups, 5, { statesFilter, typesFilter });
      return groups.map(({ groupId }: { groupId: string }) => groupId).sort();
    };
    expect(await listed([])).to.deep.equal(['g', 'simple']);
    expect(await listed(['STABLE'])).to.deep.equal(['g']);
    expect(await listed(['empty', 'Dead'])).to.deep.equal(['simple']);
    expect(await listed(['nonsense'])).to.deep.equal([]);
    expect(await listed([], ['Classic'])).to.deep.equal(['g', 'simple']);
    expect(await listed([], ['consumer'])).to.deep.equal([]);
    const { groups } = await client.ask(listGroups, 5, { statesFilter: ['stable'], typesFilter: [] });
    expect(groups).to.deep.equal([
      { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
    ]);
  });

  it('DeleteGroups deletes empty groups only, each asked for once', async () => {
    await coordinate();
    await member();
    await commit(2, { groupId: 'simple' });
    const { results } = await client.ask(deleteGroups, 2, { groupsNames: ['g', 'simple', 'other', 'simple'] });
    expect(results).to.deep.equal([
      { groupId: 'g', errorCode: ErrorCode.NON_EMPTY_GROUP },
      { groupId: 'simple', errorCode: ErrorCode.NONE },
      { groupId: 'other', errorCode: ErrorCode.GROUP_ID_NOT_FOUND },
    ]);
  });

  describe('OffsetCommit and OffsetFetch', () => {
    beforeEach(coordinate);

    it('keep offsets of topics by name or, from version 10 on, by id', async () => {
      expect(await commit(9)).to.equal(ErrorCode.NONE);
      expect(await commit(10, {}, 1)).to.equal(ErrorCode.NONE);
      const byName = await client.ask(offsetFetch, 5, {
        groupId: 'g',
        topics: [{ name: 't', partitionIndexes: [0, 1] }],
      });
      expect(byName.topics[0].partitions.map((one: { committedOffset: bigint }) => one.committedOffset)).to.deep.equal([
        5n,
        5n,
      ]);
      const { groups } = await client.ask(offsetFetch, 10, {
        groups: [{ groupId: 'g', topics: [{ topicId, partitionIndexes: [1] }] }],
        requireStable: true,
      });
      expect(groups[0]).to.deep.equal({
        groupId: 'g',
        errorCode: ErrorCode.NONE,
        topics: [
          {
            name: '',
            topicId,
            partitions: [
              { partitionIndex: 1, committedOffset: 5n, committedLeaderEpoch: -1, metadata: '', errorCode: 0 },
            ],
          },
        ],
      });
    });

    it('answer unknown topics and partitions each in its own way', async () => {
      const topics = (which: object) => ({
        topics: [{ ...which, partitions: [{ partitionIndex: 0, committedOffset: 1n, committedMetadata: null }] }],
      });
      expect(await commit(9, topics({ name: 'other' }))).to.equal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      expect(await commit(10, topics({ topicId: unknownId }))).to.equal(ErrorCode.UNKNOWN_TOPIC_ID);
      expect(await commit(9, {}, 2)).to.equal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      expect(await commit(9, {}, -1)).to.equal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      expect(await commit(9, {}, 0, 'x'.repeat(4097))).to.equal(ErrorCode.OFFSET_METADATA_TOO_LARGE);
      const { groups } = await client.ask(offsetFetch, 10, {
        groups: [{ groupId: 'g', topics: [{ topicId: unknownId, partitionIndexes: [0] }] }],
      });
      expect(groups[0].topics[0].partitions[0]).to.include({
        errorCode: ErrorCode.UNKNOWN_TOPIC_ID,
        committedOffset: -1n,
      });
      expect(node.node.services.catalog.byName('other'), 'a topic that nobody made').to.equal(undefined);
    });

    it('show all offsets of several groups, and nothing of unknown ones', async () => {
      await commit(9);
      await commit(9, { groupId: 'h' }, 1);
      const { groups } = await client.ask(offsetFetch, 9, {
        groups: [
          { groupId: 'g', topics: null },
          { groupId: 'h', topics: null },
          { groupId: 'other', topics: null },
        ],
      });
      expect(
        groups.map(({ groupId, topics }: { groupId: string; topics: { name: string; partitions: object[] }[] }) => [
          groupId,
          topics.map(({ name, partitions }) => [name, partitions.length]),
        ]),
      ).to.deep.equal([
        ['g', [['t', 1]]],
        ['h', [['t', 1]]],
        ['other', []],
      ]);
      const all = await client.ask(offsetFetch, 2, { groupId: 'g', topics: null });
      expect(all.topics).to.have.length(1);
    });

    it('answer a generation of no group as their version can', async () => {
      const late = { generationIdOrMemberEpoch: 3, memberId: 'm' };
      expect(await commit(8, late)).to.equal(ErrorCode.ILLEGAL_GENERATION);
      expect(await commit(9, late)).to.equal(ErrorCode.GROUP_ID_NOT_FOUND);
    });

    it('forget a topic that is deleted, also when it comes back', async () => {
      await commit(9);
      await client.ask(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 5_000 });
      await settle();
      const all = await client.ask(offsetFetch, 5, { groupId: 'g', topics: null });
      expect(all.topics).to.deep.equal([]);
      await createTopic();
      const { topics } = await client.ask(offsetFetch, 5, {
        groupId: 'g',
        topics: [{ name: 't', partitionIndexes: [0] }],
      });
      expect(topics[0].partitions[0].committedOffset).to.equal(-1n);
    });
  });

  it('OffsetDelete deletes what no member reads', async () => {
    await coordinate();
    const request = (partitions: number[], name = 't', groupId = 'g') => ({
      groupId,
      topics: [{ name, partitions: partitions.map((partitionIndex) => ({ partitionIndex })) }],
    });
    expect((await client.ask(offsetDelete, 0, request([0]))).errorCode).to.equal(ErrorCode.GROUP_ID_NOT_FOUND);
    expect((await client.ask(offsetDelete, 0, request([0], 't', ''))).errorCode).to.equal(ErrorCode.INVALID_GROUP_ID);
    await commit(9);
    const { topics } = await client.ask(offsetDelete, 0, request([0, 7]));
    expect(topics[0].partitions).to.deep.equal([
      { partitionIndex: 0, errorCode: ErrorCode.NONE },
      { partitionIndex: 7, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
    ]);
    await member();
    const subscribed = await client.ask(offsetDelete, 0, request([0]));
    expect(subscribed.topics[0].partitions[0].errorCode).to.equal(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC);
  });
});
