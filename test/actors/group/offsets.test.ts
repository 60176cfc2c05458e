// Stories of committed offsets: who may commit, what a fetch shows, what is deleted, and what grows too old (KIP-211).

import { expect } from 'chai';
import type { CommitRequest } from '../../../src/actors/group/protocol.ts';
import { brokerConfigWith } from '../../../src/config.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { GroupWorld, settle, subscription, topicA } from './world.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const zeroId = 'AAAAAAAAAAAAAAAAAAAAAA';

describe('committing offsets', () => {
  let world: GroupWorld;
  beforeEach(async () => {
    world = await GroupWorld.start();
  });

  const commitRequest = (request: Partial<CommitRequest> = {}): CommitRequest => ({
    memberId: '',
    groupInstanceId: null,
    generationId: -1,
    retentionTimeMs: -1n,
    apiVersion: 9,
    topics: [
      {
        name: 'a',
        topicId: topicA,
        partitions: [{ partitionIndex: 0, committedOffset: 5n, committedLeaderEpoch: 2, committedMetadata: null }],
      },
    ],
    ...request,
  });
  const errorOf = async (request: Partial<CommitRequest>) =>
    (await world.now('commitOffsets', commitRequest(request))).errorCode;

  it('needs no members: a group that only stores offsets comes to be by its first commit', async () => {
    expect(await errorOf({})).to.equal(ErrorCode.NONE);
    expect(await world.offsets()).to.deep.equal({ 'a-0': 5 });
    expect(await world.now('summary', {})).to.deep.equal({
      groupId: 'g',
      protocolType: '',
      state: 'Empty',
      type: 'classic',
    });
    expect(await (await world.restart()).offsets()).to.deep.equal({ 'a-0': 5 });
  });

  it('is not allowed under a generation of a group that does not exist', async () => {
    expect(await errorOf({ generationId: 1, memberId: 'm' })).to.equal(ErrorCode.GROUP_ID_NOT_FOUND);
    expect(await errorOf({ generationId: 1, memberId: 'm', apiVersion: 8 })).to.equal(ErrorCode.ILLEGAL_GENERATION);
    expect(await world.state()).to.equal('Dead');
  });

  it('is for the members of the present generation', async () => {
    const { memberIds } = await world.stableGroup(1);
    const memberId = memberIds[0] as string;
    expect(await errorOf({ memberId, generationId: 1 })).to.equal(ErrorCode.NONE);
    expect(await errorOf({ memberId, generationId: 0 })).to.equal(ErrorCode.ILLEGAL_GENERATION);
    expect(await errorOf({ memberId, generationId: -1 })).to.equal(ErrorCode.ILLEGAL_GENERATION);
    expect(await errorOf({ memberId: 'ghost', generationId: 1 })).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await errorOf({}), 'from outside while the group has members').to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await errorOf({ memberId, groupInstanceId: 'host', generationId: 1 })).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('goes on while members rejoin, but not while they wait for their assignment', async () => {
    const { memberIds } = await world.stableGroup(2);
    const [leader, follower] = memberIds as [string, string];
    world.join({ memberId: leader });
    await settle();
    expect(await errorOf({ memberId: follower, generationId: 1 })).to.equal(ErrorCode.NONE);
    world.join({ memberId: follower });
    await settle();
    expect(await errorOf({ memberId: follower, generationId: 2 })).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
    expect(await errorOf({ memberId: follower, generationId: 1 })).to.equal(ErrorCode.ILLEGAL_GENERATION);
  });

  it('is open to everybody again once the group is empty', async () => {
    await world.stableGroup(1);
    await world.clock.advance(10_000);
    expect(await errorOf({})).to.equal(ErrorCode.NONE);
    expect(await errorOf({ memberId: 'ghost', generationId: 1 })).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('refuses notes that are too long, and only those', async () => {
    const partition = (partitionIndex: number, length: number) => ({
      partitionIndex,
      committedOffset: 7n,
      committedLeaderEpoch: -1,
      committedMetadata: 'x'.repeat(length),
    });
    const reply = await world.now(
      'commitOffsets',
      commitRequest({ topics: [{ name: 'a', topicId: topicA, partitions: [partition(0, 4096), partition(1, 4097)] }] }),
    );
    expect(reply).to.deep.equal({
      errorCode: ErrorCode.NONE,
      refused: [{ topic: 'a', partitionIndex: 1, errorCode: ErrorCode.OFFSET_METADATA_TOO_LARGE }],
    });
    expect(await world.offsets()).to.deep.equal({ 'a-0': 7 });
  });

  it('is answered when it is durable, in the order of the commits', async () => {
    world.log().hold();
    const first = world.commit(1);
    const second = world.commit(2);
    const fetch = world.ask('fetchOffsets', { topics: null, requireStable: false, memberId: null, memberEpoch: -1 });
    await settle();
    expect([first.waits, second.waits, fetch.waits]).to.deep.equal([true, true, true]);
    world.log().release();
    await settle();
    expect(first.value.errorCode).to.equal(ErrorCode.NONE);
    expect(fetch.value.topics[0]?.partitions[0]?.committedOffset).to.equal(2n);
  });

  it('is forgotten when the log refuses it, and the next one finds things as they were', async () => {
    world.commit(1);
    await settle();
    world.log().fault = new Error('the disk is gone');
    const lost = world.commit(2);
    await settle();
    expect(lost.error).to.be.an('error');
    world.log().fault = undefined;
    await world.clock.advance(1_000);
    expect(await world.offsets()).to.deep.equal({ 'a-0': 1 });
  });

  it('keeps the time that version 1 gives, and the expiry that versions 2 to 4 ask for', async () => {
    const at = BigInt(world.clock.nowMs());
    await errorOf({
      retentionTimeMs: 1_000n,
      topics: [
        {
          name: 'a',
          topicId: topicA,
          partitions: [
            {
              partitionIndex: 0,
              committedOffset: 1n,
              committedLeaderEpoch: -1,
              committedMetadata: 'm',
              commitTimestamp: at - 5n,
            },
          ],
        },
      ],
    });
    expect(world.log().stateOf('g').offsets.get('a')?.get(0)).to.deep.equal({
      offset: 1n,
      leaderEpoch: -1,
      metadata: 'm',
      commitTimestampMs: at - 5n,
      expireTimestampMs: at + 1_000n,
      topicId: zeroId,
    });
  });
});

describe('fetching offsets', () => {
  let world: GroupWorld;
  beforeEach(async () => {
    world = await GroupWorld.start();
    world.commit(5);
    world.commit(6, {}, 'g', 'b');
    await settle();
  });
  const fetch = (topics: { name: string; topicId: string; partitionIndexes: number[] }[] | null, groupId = 'g') =>
    world.now('fetchOffsets', { topics, requireStable: false, memberId: null, memberEpoch: -1 }, groupId);
  const none = { committedOffset: -1n, committedLeaderEpoch: -1, metadata: '', errorCode: 0 };

  it('shows what was committed, and -1 for what was not', async () => {
    const { topics, errorCode } = await fetch([
      { name: 'a', topicId: topicA, partitionIndexes: [1, 0] },
      { name: 'zzz', topicId: zeroId, partitionIndexes: [0] },
    ]);
    expect(errorCode).to.equal(ErrorCode.NONE);
    expect(topics[0]?.partitions).to.deep.equal([
      { partitionIndex: 1, ...none },
      { partitionIndex: 0, committedOffset: 5n, committedLeaderEpoch: 3, metadata: 'note', errorCode: 0 },
    ]);
    expect(topics[1]?.partitions).to.deep.equal([{ partitionIndex: 0, ...none }]);
  });

  it('shows nothing for a group that does not exist, which is no error', async () => {
    expect(await fetch(null, 'other')).to.deep.equal({ errorCode: 0, topics: [] });
    const { topics } = await fetch([{ name: 'a', topicId: topicA, partitionIndexes: [0] }], 'other');
    expect(topics[0]?.partitions).to.deep.equal([{ partitionIndex: 0, ...none }]);
    expect(await world.coordinator.listGroups()).to.have.length(1);
  });

  it('does not give a topic the offsets of an earlier one of its name', async () => {
    const { topics } = await fetch([{ name: 'a', topicId: 'another-id-22-charac-A', partitionIndexes: [0] }]);
    expect(topics[0]?.partitions).to.deep.equal([{ partitionIndex: 0, ...none }]);
  });
});

describe('deleting offsets', () => {
  let world: GroupWorld;
  beforeEach(async () => {
    world = await GroupWorld.start();
  });
  const remove = (...names: string[]) =>
    world.now('deleteOffsets', { topics: names.map((name) => ({ name, partitionIndexes: [0, 1] })) });

  it('is for groups that exist', async () => {
    expect(await remove('a')).to.deep.equal({ errorCode: ErrorCode.GROUP_ID_NOT_FOUND, topics: [] });
  });

  it('spares the topics that a living consumer group reads', async () => {
    const { memberIds } = await world.stableGroup(1, { protocols: [{ name: 'range', metadata: subscription('a') }] });
    const member = { memberId: memberIds[0] as string, generationId: 1 };
    world.commit(1, member);
    world.commit(2, member, 'g', 'b');
    await settle();
    const { topics } = await remove('a', 'b');
    expect(topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode))).to.deep.equal([
      [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC],
      [ErrorCode.NONE, ErrorCode.NONE],
    ]);
    expect(await world.offsets()).to.deep.equal({ 'a-0': 1 });
    expect(await (await world.restart()).offsets()).to.deep.equal({ 'a-0': 1 });
  });

  it('spares all topics of consumers whose subscription nobody can read', async () => {
    await world.stableGroup(1, { protocols: [{ name: 'range', metadata: Buffer.from('??') }] });
    const { topics } = await remove('b');
    expect(topics[0]?.partitions[0]?.errorCode).to.equal(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC);
  });

  it('leaves the group behind, until the next look for what has expired', async () => {
    world.coordinator.start();
    world.commit(1);
    await settle();
    await remove('a');
    expect(await world.offsets()).to.deep.equal({});
    expect(await world.state()).to.equal('Empty');
    expect(await (await world.restart()).state()).to.equal('Empty');
    world.coordinator.start();
    await world.coordinator.loadPartition(0);
    await world.clock.advance(600_000);
    expect(await world.state()).to.equal('Dead');
    expect(world.log().stateOf('g').exists).to.equal(false);
    world.coordinator.stop();
  });

  it('is refused while a group of another type has members', async () => {
    await world.stableGroup(1, { protocolType: 'consumer' });
    const connect = world.join({ protocolType: 'connect' }, 'c');
    await world.clock.advance(3_000);
    expect(connect.value.errorCode).to.equal(ErrorCode.NONE);
    const reply = await world.now('deleteOffsets', { topics: [{ name: 'a', partitionIndexes: [0] }] }, 'c');
    expect(reply.errorCode).to.equal(ErrorCode.NON_EMPTY_GROUP);
  });
});

describe('deleting a group', () => {
  it('takes its offsets with it, once it is empty', async () => {
    const world = await GroupWorld.start();
    expect(await world.now('deleteGroup', {})).to.equal(ErrorCode.GROUP_ID_NOT_FOUND);
    const { memberIds } = await world.stableGroup(1);
    world.commit(1, { memberId: memberIds[0] as string, generationId: 1 });
    expect(await world.now('deleteGroup', {})).to.equal(ErrorCode.NON_EMPTY_GROUP);
    await world.clock.advance(10_000);
    expect(await world.now('deleteGroup', {})).to.equal(ErrorCode.NONE);
    expect(await world.state()).to.equal('Dead');
    expect(await world.coordinator.listGroups()).to.deep.equal([]);
    const later = await world.restart();
    expect(await later.offsets()).to.deep.equal({});
    expect(await later.coordinator.listGroups()).to.deep.equal([]);
  });

  it('voids the ids of members that were about to join', async () => {
    const world = await GroupWorld.start();
    const pending = world.join({ memberIdRequired: true });
    await settle();
    expect(await world.now('deleteGroup', {})).to.equal(ErrorCode.NONE);
    const join = world.join({ memberId: pending.value.memberId });
    await settle();
    expect(join.value.errorCode).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });
});

describe('the retention of offsets', () => {
  let world: GroupWorld;
  beforeEach(async () => {
    world = await GroupWorld.start();
    world.coordinator.start();
  });
  afterEach(() => world.coordinator.stop());

  it('counts from the commit in a group that never had members, and ends with the group', async () => {
    world.commit(1);
    await world.clock.advance(4 * dayMs);
    world.commit(2, {}, 'g', 'b');
    await world.clock.advance(3 * dayMs - 1_000_000);
    expect(await world.offsets()).to.deep.equal({ 'a-0': 1, 'b-0': 2 });
    await world.clock.advance(2_000_000);
    expect(await world.offsets()).to.deep.equal({ 'b-0': 2 });
    await world.clock.advance(4 * dayMs);
    expect(await world.state()).to.equal('Dead');
    expect(world.log().stateOf('g').offsets.size).to.equal(0);
  });

  it('counts for an empty group from when it became empty', async () => {
    const { memberIds } = await world.stableGroup(1, { sessionTimeoutMs: 1_800_000 });
    const member = { memberId: memberIds[0] as string, generationId: 1 };
    world.commit(1, member);
    for (let at = 0; at < 8 * dayMs; at += 1_200_000) {
      await world.clock.advance(1_200_000);
      expect(await world.heartbeat(member.memberId, 1)).to.equal(ErrorCode.NONE);
    }
    await world.now('leave', { members: [{ memberId: member.memberId, groupInstanceId: null, reason: null }] });
    await world.clock.advance(7 * dayMs - 1_000);
    expect(await world.offsets()).to.deep.equal({ 'a-0': 1 });
    await world.clock.advance(601_000);
    expect(await world.state()).to.equal('Dead');
  });

  it('does not count in a living group for what it reads, but does for what it has left behind', async () => {
    const { memberIds } = await world.stableGroup(1, {
      sessionTimeoutMs: 1_800_000,
      protocols: [{ name: 'range', metadata: subscription('a') }],
    });
    const member = { memberId: memberIds[0] as string, generationId: 1 };
    world.commit(1, member);
    world.commit(2, member, 'g', 'b');
    await settle();
    for (let at = 0; at < 8 * dayMs; at += 1_200_000) {
      await world.clock.advance(1_200_000);
      await world.heartbeat(member.memberId, 1);
    }
    expect(await world.offsets()).to.deep.equal({ 'a-0': 1 });
    expect(await world.state()).to.equal('Stable');
  });

  it('gives way to an expiry that was committed with the offset', async () => {
    await world.now('commitOffsets', {
      memberId: '',
      groupInstanceId: null,
      generationId: -1,
      retentionTimeMs: BigInt(hourMs),
      apiVersion: 2,
      topics: [
        {
          name: 'a',
          topicId: topicA,
          partitions: [{ partitionIndex: 0, committedOffset: 1n, committedLeaderEpoch: -1, committedMetadata: null }],
        },
      ],
    });
    await world.clock.advance(hourMs - 1_000);
    expect(await world.offsets()).to.deep.equal({ 'a-0': 1 });
    await world.clock.advance(700_000);
    expect(await world.offsets()).to.deep.equal({});
  });

  it('removes an empty group that has no offsets at the next check', async () => {
    await world.stableGroup(1);
    await world.clock.advance(10_000);
    expect(await world.state()).to.equal('Empty');
    await world.clock.advance(600_000);
    expect(await world.state()).to.equal('Dead');
  });
});

describe('a deleted topic', () => {
  it('takes its offsets out of every group, in memory or not', async () => {
    const world = await GroupWorld.start({ partitionCount: 4 });
    for (const groupId of ['one', 'two', 'three']) {
      world.commit(1, {}, groupId);
      world.commit(2, {}, groupId, 'b');
    }
    await settle();
    await world.clock.advance(brokerConfigWith().actorPassivateAfterMs);
    expect(world.groups.passivate()).to.equal(3);
    world.commit(3, {}, 'two');
    await settle();
    await world.coordinator.topicDeleted('a', topicA);
    for (const groupId of ['one', 'two', 'three']) expect(await world.offsets(groupId)).to.deep.equal({ 'b-0': 2 });
  });

  it('leaves the offsets of its successor of the same name alone', async () => {
    const world = await GroupWorld.start();
    world.commit(1);
    await settle();
    await world.coordinator.topicDeleted('a', 'another-id-22-charac-A');
    expect(await world.offsets()).to.deep.equal({ 'a-0': 1 });
  });

  it('is noticed by a coordinator that was away when it went', async () => {
    const world = await GroupWorld.start();
    world.commit(1);
    world.commit(2, {}, 'g', 'b');
    await settle();
    const later = new GroupWorld({ logs: world.logs, clock: world.clock });
    later.topicIds.delete('a');
    await later.coordinator.loadPartition(0);
    expect(await later.offsets()).to.deep.equal({ 'b-0': 2 });
    later.coordinator.stop();
    const successor = new GroupWorld({ logs: world.logs, clock: world.clock });
    successor.topicIds.set('b', 'another-id-22-charac-A');
    await successor.coordinator.loadPartition(0);
    expect(await successor.offsets()).to.deep.equal({});
  });
});
