// Stories of members that fall silent, restart under their old name (KIP-345), or leave.

import { expect } from 'chai';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { GroupWorld, type Stable, settle, subscription, syncRequest } from './world.ts';

describe('a session', () => {
  let world: GroupWorld;
  beforeEach(async () => {
    world = await GroupWorld.start();
  });

  it('ends when a member is silent for its session time-out, and the others rebalance', async () => {
    const { memberIds } = await world.stableGroup(2);
    const [leader, follower] = memberIds as [string, string];
    await world.clock.advance(5_000);
    expect(await world.heartbeat(leader, 1)).to.equal(ErrorCode.NONE);
    await world.clock.advance(4_999);
    expect(await world.state()).to.equal('PreparingRebalance');
    expect(await world.heartbeat(follower, 1)).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
    const join = world.join({ memberId: leader });
    await settle();
    expect(join.value.members).to.have.length(1);
  });

  it('goes on with heartbeats, which cost neither timers nor records', async () => {
    const { memberIds } = await world.stableGroup(3);
    const { appends } = world.log();
    const timers = world.clock.timersSet;
    for (let s = 0; s < 60; s++) {
      for (const memberId of memberIds) expect(await world.heartbeat(memberId, 1)).to.equal(ErrorCode.NONE);
      await world.clock.advance(1_000);
    }
    expect(await world.state()).to.equal('Stable');
    expect(world.log().appends).to.equal(appends);
    // One look at all deadlines each time the earliest that there was has passed: every 9 or 10 s.
    expect(world.clock.timersSet - timers).to.be.at.most(7);
  });

  it('survives a stall of the coordinator during which the member has spoken, and ends after one if it has not', async () => {
    const { memberIds } = await world.stableGroup(2);
    const [alive, silent] = memberIds as [string, string];
    world.clock.stall(11_000);
    // The timers fire first, then the sockets are read.
    await world.clock.advance(0);
    expect(await world.heartbeat(alive, 1)).to.equal(ErrorCode.NONE);
    await world.clock.advance(1_000);
    expect(await world.state()).to.equal('PreparingRebalance');
    expect(await world.heartbeat(silent, 1)).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await world.heartbeat(alive, 1)).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
  });

  it('ends though the coordinator stalls again and again', async () => {
    const { memberIds } = await world.stableGroup(1);
    for (let stalls = 0; stalls < 12; stalls++) {
      world.clock.stall(1_000);
      await world.clock.advance(0);
    }
    expect(await world.heartbeat(memberIds[0]!, 1)).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('goes on with commits', async () => {
    const { memberIds } = await world.stableGroup(1);
    for (let s = 0; s < 5; s++) {
      await world.clock.advance(8_000);
      const commit = world.commit(s, { memberId: memberIds[0] as string, generationId: 1 });
      await settle();
      expect(commit.value.errorCode).to.equal(ErrorCode.NONE);
    }
    expect(await world.state()).to.equal('Stable');
  });

  it('does not run while a join or a sync of the member waits', async () => {
    const { memberIds } = await world.stableGroup(2, { sessionTimeoutMs: 6_000, rebalanceTimeoutMs: 40_000 });
    const [leader, follower] = memberIds as [string, string];
    const join = world.join({
      memberId: follower,
      protocols: [{ name: 'range', metadata: subscription('b') }],
      rebalanceTimeoutMs: 40_000,
    });
    for (let s = 0; s < 30; s++) {
      expect(await world.heartbeat(leader, 1)).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
      await world.clock.advance(1_000);
    }
    expect(join.waits).to.equal(true);
    const leaders = world.join({ memberId: leader, rebalanceTimeoutMs: 40_000 });
    await settle();
    const sync = world.sync(follower, leaders.value.generationId);
    for (let s = 0; s < 30; s++) {
      expect(await world.heartbeat(leader, 2)).to.equal(ErrorCode.NONE);
      await world.clock.advance(1_000);
    }
    expect(sync.waits).to.equal(true);
  });

  it('is five minutes for a new member whose first join waits', async () => {
    const { memberIds } = await world.stableGroup(1, { rebalanceTimeoutMs: 600_000 });
    const join = world.join({ rebalanceTimeoutMs: 600_000 });
    for (let s = 0; s < 299; s++) {
      expect(await world.heartbeat(memberIds[0] as string, 1)).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
      await world.clock.advance(1_000);
    }
    expect(join.waits).to.equal(true);
    await world.heartbeat(memberIds[0] as string, 1);
    await world.clock.advance(1_000);
    expect(join.value.errorCode).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('begins anew when the coordinator comes up again', async () => {
    const { memberIds } = await world.stableGroup(2);
    await world.clock.advance(9_000);
    const later = await world.restart();
    await later.clock.advance(9_000);
    expect(await later.heartbeat(memberIds[0] as string, 1)).to.equal(ErrorCode.NONE);
    await later.clock.advance(1_000);
    expect(await later.heartbeat(memberIds[1] as string, 1)).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('leaves an empty group behind when it was the last, stored as such', async () => {
    await world.stableGroup(1);
    await world.clock.advance(10_000);
    expect(await world.state()).to.equal('Empty');
    const { generation } = world.log().stateOf('g');
    expect(generation).to.include({ generationId: 2, protocolType: 'consumer', protocolName: null, leader: null });
    expect(generation?.members).to.deep.equal([]);
    expect(generation?.stateTimestampMs).to.equal(BigInt(world.clock.nowMs()));
    expect(world.clock.timerCount, 'timers of a group without members').to.equal(0);
  });
});

describe('a static member', () => {
  let world: GroupWorld;
  let stable: Stable;
  let leader: string;
  let follower: string;
  beforeEach(async () => {
    world = await GroupWorld.start();
    stable = await world.stableGroup(2, { groupInstanceId: 'host' });
    [leader, follower] = stable.memberIds as [string, string];
  });

  it('has an id that begins with its instance id', () => {
    expect(leader).to.match(/^host0-[0-9a-f-]{36}$/);
  });

  it('takes its place and its assignment again after a restart, without a rebalance', async () => {
    const join = world.join({ groupInstanceId: 'host1' });
    await settle();
    expect(join.value).to.deep.include({
      errorCode: ErrorCode.NONE,
      generationId: 1,
      leader,
      skipAssignment: false,
      members: [],
    });
    expect(join.value.memberId).to.not.equal(follower);
    expect(await world.state()).to.equal('Stable');
    const sync = await world.now('sync', syncRequest(join.value.memberId, 1));
    expect(sync.assignment.toString()).to.equal('share 1');
    expect(
      world
        .log()
        .stateOf('g')
        .generation?.members.map(({ memberId }) => memberId),
    ).to.have.members([leader, join.value.memberId]);
  });

  it('leads again, told not to assign (KIP-814)', async () => {
    const join = world.join({ groupInstanceId: 'host0' });
    await settle();
    const { value } = join;
    expect(value).to.deep.include({ generationId: 1, leader: value.memberId, skipAssignment: true });
    expect(value.members.map(({ groupInstanceId }) => groupInstanceId)).to.have.members(['host0', 'host1']);
  });

  it('is told that its former self leads when its client cannot skip the assignment', async () => {
    const join = world.join({ groupInstanceId: 'host0', skipAssignmentSupported: false });
    await settle();
    expect(join.value).to.deep.include({ generationId: 1, leader, skipAssignment: false, members: [] });
  });

  it('waits for its answer until its new id is durable', async () => {
    world.log().hold();
    const join = world.join({ groupInstanceId: 'host1' });
    await settle();
    expect(join.waits).to.equal(true);
    world.log().release();
    await settle();
    expect(join.value.errorCode).to.equal(ErrorCode.NONE);
  });

  it('fences its former self in every request', async () => {
    world.join({ groupInstanceId: 'host1' });
    await settle();
    expect(await world.heartbeat(follower, 1, 'host1')).to.equal(ErrorCode.FENCED_INSTANCE_ID);
    const sync = await world.now('sync', { ...syncRequest(follower, 1), groupInstanceId: 'host1' });
    expect(sync.errorCode).to.equal(ErrorCode.FENCED_INSTANCE_ID);
    const join = world.join({ memberId: follower, groupInstanceId: 'host1' });
    await settle();
    expect(join.value.errorCode).to.equal(ErrorCode.FENCED_INSTANCE_ID);
    const commit = await world.now('commitOffsets', {
      memberId: follower,
      groupInstanceId: 'host1',
      generationId: 1,
      retentionTimeMs: -1n,
      apiVersion: 9,
      topics: [],
    });
    expect(commit.errorCode).to.equal(ErrorCode.FENCED_INSTANCE_ID);
    const left = await world.now('leave', {
      members: [{ memberId: follower, groupInstanceId: 'host1', reason: null }],
    });
    expect(left.members[0]?.errorCode).to.equal(ErrorCode.FENCED_INSTANCE_ID);
    expect(await world.heartbeat(follower, 1)).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('is unknown under an instance id that nobody has', async () => {
    expect(await world.heartbeat(follower, 1, 'host9')).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('fences a former self that waits, and makes the group rebalance before it is assigned', async () => {
    world.join({ memberId: leader, groupInstanceId: 'host0' });
    const waiting = world.join({ memberId: follower, groupInstanceId: 'host1' });
    await settle();
    expect(waiting.value.generationId).to.equal(2);
    const sync = world.sync(follower, 2);
    await settle();
    const restarted = world.join({ groupInstanceId: 'host1' });
    await settle();
    expect(sync.value.errorCode).to.equal(ErrorCode.FENCED_INSTANCE_ID);
    expect(restarted.waits).to.equal(true);
    expect(await world.state()).to.equal('PreparingRebalance');
    const again = world.join({ groupInstanceId: 'host1' });
    await settle();
    expect(restarted.value.errorCode).to.equal(ErrorCode.FENCED_INSTANCE_ID);
    world.join({ memberId: leader, groupInstanceId: 'host0' });
    await settle();
    expect(again.value.generationId).to.equal(3);
  });

  it('causes a rebalance if it would change the protocol', async () => {
    const both = (...names: string[]) => names.map((name) => ({ name, metadata: subscription('a') }));
    for (const [i, memberId] of stable.memberIds.entries()) {
      world.join({ memberId, groupInstanceId: `host${i}`, protocols: both('range', 'sticky') });
    }
    await settle();
    const sync = world.sync(leader, 2);
    world.sync(follower, 2);
    await settle();
    expect(sync.value.protocolName).to.equal('range');
    const join = world.join({ groupInstanceId: 'host1', protocols: both('sticky') });
    await settle();
    expect(join.waits).to.equal(true);
    expect(await world.state()).to.equal('PreparingRebalance');
  });

  it('keeps its place when it does not rejoin in time, until its session ends', async () => {
    const stay = { sessionTimeoutMs: 120_000 };
    for (const [i, memberId] of stable.memberIds.entries())
      world.join({ memberId, groupInstanceId: `host${i}`, ...stay });
    await settle();
    world.sync(leader, 2);
    world.sync(follower, 2);
    await settle();
    const join = world.join({ memberId: leader, groupInstanceId: 'host0', ...stay });
    await world.clock.advance(60_000);
    expect(join.value.members.map(({ groupInstanceId }) => groupInstanceId)).to.deep.equal(['host0', 'host1']);
    expect(join.value.generationId).to.equal(3);
  });

  it('has as long as before to sync when it restarts in between, and causes no rebalance by having done so', async () => {
    const stay = { sessionTimeoutMs: 120_000 };
    for (const [i, memberId] of stable.memberIds.entries())
      world.join({ memberId, groupInstanceId: `host${i}`, ...stay });
    await settle();
    world.sync(leader, 2);
    await settle();
    const restarted = world.join({ groupInstanceId: 'host1', ...stay });
    await settle();
    expect(restarted.value).to.include({ errorCode: ErrorCode.NONE, generationId: 2 });
    await world.now('sync', { ...syncRequest(restarted.value.memberId, 2), groupInstanceId: 'host1' });
    await world.clock.advance(61_000);
    expect(await world.state()).to.equal('Stable');
  });

  it('restarts after the coordinator has, too', async () => {
    const later = await world.restart();
    const join = later.join({ groupInstanceId: 'host1' });
    await settle();
    expect(join.value).to.include({ errorCode: ErrorCode.NONE, generationId: 1, leader });
  });

  it('holds a rebalance up no longer than its session lasts', async () => {
    const third = world.join({ groupInstanceId: 'host2', sessionTimeoutMs: 10_000 });
    await settle();
    await world.clock.advance(9_999);
    expect(third.waits).to.equal(true);
    await world.clock.advance(1);
    expect(third.value.generationId, 'the silent ones are gone with their sessions').to.equal(2);
    expect(third.value.members).to.have.length(1);
  });
});

describe('leaving', () => {
  let world: GroupWorld;
  beforeEach(async () => {
    world = await GroupWorld.start();
  });
  const member = (memberId: string, groupInstanceId: string | null = null) => ({
    memberId,
    groupInstanceId,
    reason: 'the consumer is being closed',
  });

  it('makes the others rebalance; the last one leaves an empty group', async () => {
    const { memberIds } = await world.stableGroup(2);
    const [leader, follower] = memberIds as [string, string];
    const left = await world.now('leave', { members: [member(leader)] });
    expect(left).to.deep.equal({
      errorCode: 0,
      members: [{ memberId: leader, groupInstanceId: null, errorCode: 0 }],
    });
    expect(await world.heartbeat(follower, 1)).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
    const join = world.join({ memberId: follower });
    await settle();
    expect(join.value).to.include({ generationId: 2, leader: follower });
    await world.now('leave', { members: [member(follower)] });
    expect(await world.state()).to.equal('Empty');
    expect(world.log().stateOf('g').generation?.generationId).to.equal(3);
  });

  it('answers the join of a member that leaves meanwhile', async () => {
    const { memberIds } = await world.stableGroup(2);
    const join = world.join({ memberId: memberIds[0] as string });
    await world.now('leave', { members: [member(memberIds[0] as string)] });
    expect(join.value.errorCode).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('answers the sync of a member that leaves meanwhile', async () => {
    const { memberIds } = await world.stableGroup(2);
    for (const memberId of memberIds) world.join({ memberId });
    await settle();
    const sync = world.sync(memberIds[1] as string, 2);
    await world.now('leave', { members: [member(memberIds[1] as string)] });
    expect(sync.value.errorCode).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('ends a join phase that waited for nobody else', async () => {
    const { memberIds } = await world.stableGroup(3);
    const joins = memberIds.slice(0, 2).map((memberId) => world.join({ memberId }));
    await settle();
    await world.now('leave', { members: [member(memberIds[2] as string)] });
    for (const { value } of joins) expect(value.generationId).to.equal(2);
  });

  it('is done to several at once, by instance id alone as well; each gets its own answer', async () => {
    const { memberIds } = await world.stableGroup(2, { groupInstanceId: 'host' });
    const left = await world.now('leave', {
      members: [
        member('', 'host0'),
        member('', 'host7'),
        member(memberIds[0] as string, 'host1'),
        member('ghost'),
        member('', null),
        member(memberIds[1] as string, 'host1'),
      ],
    });
    expect(left.members.map(({ errorCode }) => errorCode)).to.deep.equal([
      ErrorCode.NONE,
      ErrorCode.UNKNOWN_MEMBER_ID,
      ErrorCode.FENCED_INSTANCE_ID,
      ErrorCode.UNKNOWN_MEMBER_ID,
      ErrorCode.UNKNOWN_MEMBER_ID,
      ErrorCode.NONE,
    ]);
    expect(await world.state()).to.equal('Empty');
  });

  it('of nobody changes nothing', async () => {
    await world.stableGroup(1);
    const left = await world.now('leave', { members: [member('ghost')] });
    expect(left.members[0]?.errorCode).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await world.state()).to.equal('Stable');
    const nobody = await world.now('leave', { members: [member('ghost')] }, 'no such group');
    expect(nobody).to.deep.include({ errorCode: ErrorCode.NONE });
    expect(nobody.members[0]?.errorCode).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
  });
});
