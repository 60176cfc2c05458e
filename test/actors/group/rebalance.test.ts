// Stories of groups that form, change and fall apart (classic protocol).

import { expect } from 'chai';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { GroupWorld, type Stable, settle, subscription, syncRequest } from './world.ts';

describe('a classic group', () => {
  let world: GroupWorld;
  beforeEach(async () => {
    world = await GroupWorld.start();
  });

  describe('forming', () => {
    it('waits for further members for group.initial.rebalance.delay.ms, and again for each wave of them', async () => {
      const first = world.join();
      await world.clock.advance(2_999);
      const second = world.join();
      await world.clock.advance(1);
      expect(first.waits, 'first member once the first delay is over').to.equal(true);
      await world.clock.advance(2_999);
      expect(first.waits).to.equal(true);
      expect(await world.state()).to.equal('PreparingRebalance');
      await world.clock.advance(1);
      expect(first.value.generationId).to.equal(1);
      expect(second.value.generationId).to.equal(1);
      expect(await world.state()).to.equal('CompletingRebalance');
    });

    it('extends that delay up to the rebalance time-out and no further', async () => {
      const first = world.join({ rebalanceTimeoutMs: 7_000 });
      for (let i = 0; i < 3; i++) {
        await world.clock.advance(2_000);
        world.join({ rebalanceTimeoutMs: 7_000 });
      }
      await world.clock.advance(999);
      expect(first.waits).to.equal(true);
      await world.clock.advance(1);
      expect(first.value.errorCode).to.equal(ErrorCode.NONE);
      expect(first.value.members).to.have.length(4);
    });

    it('tells the leader, who came first, of everybody, and the others of the leader', async () => {
      const first = world.join({ clientId: 'one' });
      const second = world.join({ clientId: 'two', protocols: [{ name: 'range', metadata: subscription('b') }] });
      await world.clock.advance(6_000);
      expect(first.value.leader).to.equal(first.value.memberId);
      expect(first.value.memberId).to.match(
        /^one-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
      expect(first.value.members).to.deep.equal([
        { memberId: first.value.memberId, groupInstanceId: null, metadata: subscription('a') },
        { memberId: second.value.memberId, groupInstanceId: null, metadata: subscription('b') },
      ]);
      expect(second.value).to.include({
        leader: first.value.memberId,
        protocolName: 'range',
        protocolType: 'consumer',
      });
      expect(second.value.members).to.deep.equal([]);
    });

    it('gives each member its assignment once the leader has assigned, however early they ask', async () => {
      const joins = [world.join(), world.join(), world.join()];
      await world.clock.advance(6_000);
      const [a, b, c] = joins.map(({ value }) => value.memberId) as [string, string, string];
      const early = world.sync(b, 1);
      await settle();
      expect(early.waits).to.equal(true);
      const leader = world.sync(a, 1, { [a]: 'mine', [b]: 'yours' });
      await settle();
      expect(leader.value.assignment.toString()).to.equal('mine');
      expect(early.value).to.deep.include({ errorCode: 0, protocolName: 'range', protocolType: 'consumer' });
      expect(early.value.assignment.toString()).to.equal('yours');
      const late = await world.now('sync', syncRequest(c, 1));
      expect(late.assignment.toString(), 'a member that the leader forgot').to.equal('');
      expect(await world.state()).to.equal('Stable');
    });

    it('answers nobody before the generation is durable', async () => {
      const join = world.join();
      await world.clock.advance(3_000);
      world.log().hold();
      const sync = world.sync(join.value.memberId, 1, { [join.value.memberId]: 'x' });
      await settle();
      expect(sync.waits).to.equal(true);
      world.log().release();
      await settle();
      expect(sync.value.errorCode).to.equal(ErrorCode.NONE);
      expect(world.log().stateOf('g').generation?.members).to.have.length(1);
    });

    it('takes the protocol that all offer and most want first', async () => {
      const offer = (...names: string[]) => ({
        protocols: names.map((name) => ({ name, metadata: subscription('a') })),
      });
      const joins = [
        world.join(offer('range', 'sticky', 'own')),
        world.join(offer('sticky', 'range')),
        world.join(offer('sticky', 'range')),
      ];
      await world.clock.advance(6_000);
      for (const { value } of joins) expect(value.protocolName).to.equal('sticky');
    });

    it('refuses a member that shares no protocol or type with it, or offers none', async () => {
      world.join();
      await settle();
      const refused = async (request: Parameters<GroupWorld['join']>[0]) => {
        const join = world.join(request);
        await settle();
        return join.value.errorCode;
      };
      expect(await refused({ protocols: [{ name: 'other', metadata: subscription('a') }] })).to.equal(
        ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
      );
      expect(await refused({ protocolType: 'connect' })).to.equal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
      expect(await refused({ protocols: [] })).to.equal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    });

    it('counts as existing from the first join on, even a refused one', async () => {
      const join = world.join({ protocols: [] });
      await settle();
      expect(join.value.errorCode).to.equal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
      expect(await world.state()).to.equal('Empty');
      expect((await world.restart()).log().stateOf('g').generation?.generationId).to.equal(0);
    });

    it('knows no member of a group that does not exist', async () => {
      const join = world.join({ memberId: 'ghost' });
      await settle();
      expect(join.value).to.include({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID, memberId: 'ghost' });
      expect(await world.heartbeat('ghost', 1)).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
      const sync = await world.now('sync', syncRequest('ghost', 1));
      expect(sync.errorCode).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
      expect(await world.state()).to.equal('Dead');
    });
  });

  describe('KIP-394', () => {
    it('tells a new member its id before it gets a place', async () => {
      const first = world.join({ memberIdRequired: true });
      await settle();
      expect(first.value.errorCode).to.equal(ErrorCode.MEMBER_ID_REQUIRED);
      expect(first.value.memberId).to.match(/^client-/);
      const again = world.join({ memberIdRequired: true, memberId: first.value.memberId });
      await world.clock.advance(3_000);
      expect(again.value).to.include({ errorCode: ErrorCode.NONE, memberId: first.value.memberId, generationId: 1 });
    });

    it('waits for pending members in a rebalance, but no longer than their session', async () => {
      const stable = await world.stableGroup(1);
      const pending = world.join({ memberIdRequired: true, sessionTimeoutMs: 8_000 });
      await settle();
      expect(pending.value.errorCode).to.equal(ErrorCode.MEMBER_ID_REQUIRED);
      expect(await world.state(), 'a pending member alone causes no rebalance').to.equal('Stable');
      const leader = world.join({ memberId: stable.leader });
      await world.clock.advance(7_999);
      expect(leader.waits).to.equal(true);
      await world.clock.advance(1);
      expect(leader.value.generationId).to.equal(2);
      const late = world.join({ memberId: pending.value.memberId });
      await settle();
      expect(late.value.errorCode).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
    });

    it('ends the wait for a pending member that leaves', async () => {
      const stable = await world.stableGroup(1);
      const pending = world.join({ memberIdRequired: true });
      const leader = world.join({ memberId: stable.leader });
      await settle();
      const { memberId } = pending.value;
      const left = await world.now('leave', { members: [{ memberId, groupInstanceId: null, reason: null }] });
      expect(left.members[0]?.errorCode).to.equal(ErrorCode.NONE);
      expect(leader.value.generationId).to.equal(2);
    });

    it('takes a pending id for a dynamic member only', async () => {
      const pending = world.join({ memberIdRequired: true });
      await settle();
      const join = world.join({ memberId: pending.value.memberId, groupInstanceId: 'static' });
      await settle();
      expect(join.value.errorCode).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
    });
  });

  describe('rebalancing', () => {
    let stable: Stable;
    let leader: string;
    let follower: string;
    beforeEach(async () => {
      stable = await world.stableGroup(2);
      [leader, follower] = stable.memberIds as [string, string];
    });

    it('begins when a member joins; heartbeats tell the others', async () => {
      const third = world.join();
      await settle();
      expect(await world.heartbeat(leader, 1)).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
      expect(await world.heartbeat(follower, 1)).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
      const sync = await world.now('sync', syncRequest(follower, 1));
      expect(sync.errorCode).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
      const rejoined = [world.join({ memberId: leader }), world.join({ memberId: follower })];
      await settle();
      for (const { value } of [third, ...rejoined]) {
        expect(value).to.include({ errorCode: ErrorCode.NONE, generationId: 2, leader });
      }
      expect(await world.heartbeat(leader, 2)).to.equal(ErrorCode.NONE);
    });

    it('begins when the leader rejoins, though nothing about it has changed', async () => {
      const join = world.join({ memberId: leader });
      await settle();
      expect(join.waits).to.equal(true);
      expect(await world.state()).to.equal('PreparingRebalance');
    });

    it('is not needed when a follower rejoins unchanged: it gets the generation there is', async () => {
      const join = world.join({ memberId: follower });
      await settle();
      expect(join.value).to.deep.include({ errorCode: ErrorCode.NONE, generationId: 1, leader, members: [] });
      expect(await world.state()).to.equal('Stable');
      const sync = await world.now('sync', syncRequest(follower, 1));
      expect(sync.assignment.toString()).to.equal('share 1');
    });

    it('begins when a follower changes its metadata', async () => {
      const join = world.join({ memberId: follower, protocols: [{ name: 'range', metadata: subscription('a', 'b') }] });
      await settle();
      expect(join.waits).to.equal(true);
      expect(await world.state()).to.equal('PreparingRebalance');
    });

    it('gives a member that missed its answer the same one again in CompletingRebalance', async () => {
      const joins = [world.join({ memberId: leader }), world.join({ memberId: follower })];
      await settle();
      expect(joins[0]?.value.generationId).to.equal(2);
      const again = world.join({ memberId: leader });
      await settle();
      expect(again.value).to.deep.equal(joins[0]?.value);
      const changed = world.join({ memberId: follower, protocols: [{ name: 'range', metadata: subscription('b') }] });
      await settle();
      expect(changed.waits).to.equal(true);
      expect(await world.state()).to.equal('PreparingRebalance');
    });

    it('sends those that wait for their assignment back to join', async () => {
      world.join({ memberId: leader });
      world.join({ memberId: follower });
      await settle();
      const sync = world.sync(follower, 2);
      await settle();
      expect(sync.waits).to.equal(true);
      world.join();
      await settle();
      expect(sync.value.errorCode).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
    });

    it('goes on without members that have not rejoined within the rebalance time-out', async () => {
      const join = world.join({ memberId: follower, protocols: [{ name: 'range', metadata: subscription('b') }] });
      for (let s = 0; s < 59; s++) {
        await world.clock.advance(1_000);
        expect(await world.heartbeat(leader, 1)).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
      }
      expect(join.waits).to.equal(true);
      await world.clock.advance(1_000);
      expect(join.value).to.include({ generationId: 2, leader: follower });
      expect(join.value.members.map(({ memberId }) => memberId)).to.deep.equal([follower]);
      expect(await world.heartbeat(leader, 1)).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
    });

    it('begins anew without members that have not synced within the rebalance time-out', async () => {
      world.join({ memberId: leader });
      world.join({ memberId: follower });
      await settle();
      const sync = world.sync(follower, 2);
      for (let s = 0; s < 60; s++) {
        expect(await world.heartbeat(leader, 2)).to.equal(ErrorCode.NONE);
        await world.clock.advance(1_000);
      }
      expect(sync.value.errorCode).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
      expect(await world.state()).to.equal('PreparingRebalance');
      expect(await world.heartbeat(leader, 2)).to.equal(ErrorCode.UNKNOWN_MEMBER_ID);
      const rejoined = world.join({ memberId: follower });
      await settle();
      expect(rejoined.value).to.include({ generationId: 3, leader: follower });
    });

    it('refuses other generations and other protocols', async () => {
      expect(await world.heartbeat(leader, 2)).to.equal(ErrorCode.ILLEGAL_GENERATION);
      expect((await world.now('sync', syncRequest(leader, 0))).errorCode).to.equal(ErrorCode.ILLEGAL_GENERATION);
      const request = syncRequest(leader, 1);
      expect((await world.now('sync', { ...request, protocolName: 'sticky' })).errorCode).to.equal(
        ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
      );
      expect((await world.now('sync', { ...request, protocolType: 'connect' })).errorCode).to.equal(
        ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
      );
      expect((await world.now('sync', { ...request, protocolType: null, protocolName: null })).errorCode).to.equal(0);
    });

    it('is not ended by a timer of an earlier one', async () => {
      const join = world.join({ memberId: follower, protocols: [{ name: 'range', metadata: subscription('b') }] });
      await settle();
      await world.ask('rebalanceTimedOut', { attempt: 1 }).done;
      await world.ask('initialDelayOver', { attempt: 1, delayMs: 0, remainingMs: 0 }).done;
      await world.ask('syncTimedOut', { generationId: 1 }).done;
      expect(join.waits).to.equal(true);
      expect(await world.state()).to.equal('PreparingRebalance');
    });

    it('leaves no timer behind when everybody goes before they have synced', async () => {
      world.join({ memberId: leader });
      world.join({ memberId: follower });
      await settle();
      expect(await world.state()).to.equal('CompletingRebalance');
      const members = [leader, follower].map((memberId) => ({ memberId, groupInstanceId: null, reason: null }));
      await world.now('leave', { members });
      expect(await world.state()).to.equal('Empty');
      await world.clock.advance(10_000);
      expect(world.clock.timerCount).to.equal(0);
    });

    it('answers the older of two joins of one member', async () => {
      const older = world.join({ memberId: leader });
      const newer = world.join({ memberId: leader });
      await settle();
      expect(older.value.errorCode).to.equal(ErrorCode.REBALANCE_IN_PROGRESS);
      expect(newer.waits).to.equal(true);
      world.join({ memberId: follower });
      await settle();
      expect(newer.value.generationId).to.equal(2);
    });
  });

  describe('full (group.max.size)', () => {
    beforeEach(async () => {
      world = await GroupWorld.start({ config: { 'group.max.size': '2' } });
    });

    it('takes no further member, in whichever state', async () => {
      const stable = await world.stableGroup(2);
      const join = world.join();
      await settle();
      expect(join.value).to.include({ errorCode: ErrorCode.GROUP_MAX_SIZE_REACHED, memberId: '' });
      world.join({ memberId: stable.leader });
      const late = world.join();
      await settle();
      expect(late.waits, 'while members rejoin, whoever comes first has a place').to.equal(true);
      const tooLate = world.join({ memberId: stable.memberIds[1] as string });
      await settle();
      expect(tooLate.value.errorCode).to.equal(ErrorCode.GROUP_MAX_SIZE_REACHED);
      expect(late.value.generationId).to.equal(2);
    });

    it('rebalances when it comes up with more members than that', async () => {
      world = await GroupWorld.start();
      await world.stableGroup(3);
      world.coordinator.stop();
      const smaller = await GroupWorld.start({
        config: { 'group.max.size': '2' },
        logs: world.logs,
        clock: world.clock,
      });
      expect(await smaller.state()).to.equal('PreparingRebalance');
    });
  });
});
