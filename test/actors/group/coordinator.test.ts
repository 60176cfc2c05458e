// Stories of the coordinator: partitions that are loaded, lost and snapshot; actors that die and come back.

import { expect } from 'chai';
import { CoordinatorFault } from '../../../src/actors/group/faults.ts';
import { groupPartition } from '../../../src/actors/group/group-partition.ts';
import { StorageFault } from '../../../src/actors/shard/ports.ts';
import { brokerConfigWith } from '../../../src/config.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { encodeBatch } from '../../../src/protocol/records/record.ts';
import { GroupWorld, MemoryLog, settle, syncRequest } from './world.ts';

describe("a group's partition", () => {
  it('is the one that Java would choose', () => {
    // String.hashCode: 0, 97, 3556498, 99162322 and, of all strings the best known, the smallest int.
    expect(groupPartition('', 50)).to.equal(0);
    expect(groupPartition('a', 50)).to.equal(47);
    expect(groupPartition('test', 50)).to.equal(48);
    expect(groupPartition('hello', 50)).to.equal(22);
    expect(groupPartition('polygenelubricants', 50)).to.equal(0);
    // A character outside the basic plane counts as its two surrogates: 0xd83d * 31 + 0xde00.
    expect(groupPartition('\u{1f600}', 50)).to.equal((0xd83d * 31 + 0xde00) % 50);
  });
});

describe('a coordinator', () => {
  it('lets asks wait while a partition loads', async () => {
    const former = await GroupWorld.start();
    former.commit(4);
    await settle();
    const world = new GroupWorld({ logs: former.logs, clock: former.clock });
    world.log().hold();
    const loading = world.coordinator.loadPartition(0);
    const commit = world.commit(5);
    await world.clock.advance(2_999);
    expect(commit.waits).to.equal(true);
    world.log().release();
    await loading;
    await settle();
    expect(commit.value.errorCode).to.equal(ErrorCode.NONE);
    expect(await world.offsets()).to.deep.equal({ 'a-0': 5 });
  });

  it('says that it is loading when that takes long', async () => {
    const world = new GroupWorld();
    world.log().hold();
    void world.coordinator.loadPartition(0);
    const commit = world.commit(5);
    await world.clock.advance(3_000);
    expect(commit.error).to.be.instanceOf(CoordinatorFault).with.property('code', 'load-in-progress');
    const listing = await world.coordinator.listGroups().catch((error: unknown) => error);
    expect(listing).to.be.instanceOf(CoordinatorFault).with.property('code', 'load-in-progress');
    world.log().release();
    await settle();
    expect(
      (await world.now('fetchOffsets', { topics: null, requireStable: true, memberId: null, memberEpoch: -1 })).topics,
    ).to.deep.equal([]);
  });

  it('tries again when a partition does not load', async () => {
    const world = new GroupWorld();
    const log = world.log();
    let failures = 2;
    log.replay = async function* (this: MemoryLog) {
      if (failures-- > 0) throw new StorageFault('unavailable', 'not now');
      yield* MemoryLog.prototype.replay.call(log);
    };
    void world.coordinator.loadPartition(0);
    const commit = world.commit(1);
    await world.clock.advance(2_000);
    expect(commit.value.errorCode).to.equal(ErrorCode.NONE);
    expect(world.logLines.filter(({ event }) => event === 'group partition does not load')).to.have.length(2);
  });

  it('sends clients away from partitions that it has lost, also those that wait', async () => {
    const world = await GroupWorld.start({ partitionCount: 2 });
    const groups = ['g0', 'g1'].sort((a, b) => groupPartition(a, 2) - groupPartition(b, 2)) as [string, string];
    const joins = groups.map((groupId) => world.join({}, groupId));
    await settle();
    world.coordinator.unloadPartition(0);
    await settle();
    expect(joins[0]?.error).to.be.instanceOf(CoordinatorFault).with.property('code', 'not-coordinator');
    expect(joins[1]?.waits).to.equal(true);
    const heartbeat = world.ask('heartbeat', { memberId: 'm', generationId: 1, groupInstanceId: null }, groups[0]);
    await settle();
    expect(heartbeat.error).to.be.instanceOf(CoordinatorFault).with.property('code', 'not-coordinator');
    expect((await world.coordinator.listGroups()).map(({ groupId }) => groupId)).to.deep.equal([groups[1]]);
  });

  it('leaves no trace of groups that were only asked for', async () => {
    const world = await GroupWorld.start();
    for (let i = 0; i < 100; i++) await world.heartbeat('m', 1, null, `group ${i}`);
    expect(world.groups.size).to.equal(100);
    await world.clock.advance(brokerConfigWith().actorPassivateAfterMs);
    world.groups.passivate();
    expect(world.groups.size).to.equal(0);
    expect(await world.coordinator.listGroups()).to.deep.equal([]);
    expect(world.log().appends).to.equal(0);
  });

  it('lets groups without members leave memory and finds them again', async () => {
    const world = await GroupWorld.start();
    world.commit(1);
    await settle();
    const { replays } = world.log();
    await world.clock.advance(brokerConfigWith().actorPassivateAfterMs);
    expect(world.groups.passivate()).to.equal(1);
    expect((await world.coordinator.listGroups()).map(({ groupId }) => groupId)).to.deep.equal(['g']);
    expect(await world.offsets()).to.deep.equal({ 'a-0': 1 });
    expect(world.log().replays, 'nothing had to be read again').to.equal(replays);
    const { memberIds } = await world.stableGroup(1);
    await world.clock.advance(5_000);
    expect(world.groups.passivate(), 'a group with members stays').to.equal(0);
    expect(await world.heartbeat(memberIds[0] as string, 1)).to.equal(ErrorCode.NONE);
  });

  it('rebuilds one group whose actor died, without touching the others', async () => {
    const world = await GroupWorld.start();
    const stable = await world.stableGroup(2, { sessionTimeoutMs: 60_000 });
    const other = await world.stableGroup(1, {}, 'other');
    world.log().fault = new StorageFault('full', 'no space left');
    const lost = world.join({ memberId: stable.leader, protocols: [] });
    const commit = world.commit(9, { memberId: stable.leader, generationId: 1 });
    await settle();
    expect(lost.value.errorCode).to.equal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    expect(commit.error).to.be.instanceOf(StorageFault);
    world.log().fault = undefined;
    await world.clock.advance(100);
    expect(await world.heartbeat(stable.memberIds[1] as string, 1)).to.equal(ErrorCode.NONE);
    expect(await world.heartbeat(other.leader, 1, null, 'other')).to.equal(ErrorCode.NONE);
    expect(await world.offsets()).to.deep.equal({});
    const sync = await world.now('sync', syncRequest(stable.memberIds[1] as string, 1));
    expect(sync.assignment.toString()).to.equal('share 1');
  });

  it('waits for the commits in flight before it rebuilds a group', async () => {
    const world = await GroupWorld.start();
    world.commit(1);
    await settle();
    const log = world.log();
    log.hold();
    const second = world.commit(2);
    await settle();
    log.fault = new StorageFault('full', 'no space left');
    const held = log.held;
    log.held = undefined;
    const third = world.commit(3);
    await settle();
    log.held = held;
    log.fault = undefined;
    expect(third.error).to.be.instanceOf(StorageFault);
    expect(second.error, 'its outcome is not known').to.not.equal(undefined);
    const fetch = world.ask('fetchOffsets', { topics: null, requireStable: true, memberId: null, memberEpoch: -1 });
    await world.clock.advance(100);
    expect(fetch.waits, 'while the second commit may still be stored').to.equal(true);
    log.release();
    await settle();
    expect(fetch.value.topics[0]?.partitions[0]?.committedOffset).to.equal(2n);
  });

  it('does not read what it does not know: other records, control batches', async () => {
    const world = new GroupWorld();
    const log = world.log();
    const key = Buffer.from([0, 99, 1, 2, 3]);
    const record = { key, value: Buffer.from('later'), timestampMs: 1n };
    await log.append([record, { ...record, key: null as unknown as Buffer }]);
    const bytes = encodeBatch({
      baseOffset: 2n,
      isControl: true,
      isTransactional: true,
      records: [{ ...record, key: Buffer.from([0, 0, 0, 1]) }],
    });
    log.batches.push({ baseOffset: 2n, nextOffset: 3n, bytes });
    await world.coordinator.loadPartition(0);
    expect(await world.coordinator.listGroups()).to.deep.equal([]);
  });
});

describe('a snapshot', () => {
  it('replaces the log by the live records, of groups in memory or not', async () => {
    const world = await GroupWorld.start();
    const { memberIds } = await world.stableGroup(2);
    const member = { memberId: memberIds[0] as string, generationId: 1 };
    for (let i = 0; i < 50; i++) world.commit(i, member);
    for (let i = 0; i < 50; i++) world.commit(i, {}, 'resting');
    world.commit(1, {}, 'gone');
    await world.now('deleteGroup', {}, 'gone');
    await world.heartbeat(memberIds[0] as string, 1);
    await world.heartbeat(memberIds[1] as string, 1);
    await world.clock.advance(9_000);
    await world.heartbeat(memberIds[0] as string, 1);
    await world.heartbeat(memberIds[1] as string, 1);
    await settle();
    const before = { g: world.log().stateOf('g'), resting: world.log().stateOf('resting') };
    expect(world.log().batches.length).to.be.greaterThan(100);

    await world.coordinator.snapshotPartition(0);
    expect(world.log().batches.length).to.equal(2);
    expect({ g: world.log().stateOf('g'), resting: world.log().stateOf('resting') }).to.deep.equal(before);
    const later = await world.restart();
    expect(await later.offsets()).to.deep.equal({ 'a-0': 49 });
    expect(await later.state()).to.equal('Stable');
    expect((await later.coordinator.listGroups()).map(({ groupId }) => groupId)).to.have.members(['g', 'resting']);
  });

  it('is taken when the log has outgrown what is live', async () => {
    const world = await GroupWorld.start();
    let largest = 0;
    for (let i = 0; i < 30_000; i++) {
      world.commit(i);
      if (i % 100 === 99) {
        await settle();
        largest = Math.max(largest, world.log().bytes());
      }
    }
    await settle();
    expect(largest).to.be.within(1_000_000, 1_200_000);
    expect(world.logLines.filter(({ event }) => event === 'group partition snapshot').length).to.be.greaterThan(2);
    expect(await (await world.restart()).offsets()).to.deep.equal({ 'a-0': 29_999 });
  });

  it('lets commits go on meanwhile, and loses none of them', async () => {
    const world = await GroupWorld.start();
    const partitions = Array.from({ length: 1_200 }, (_, partitionIndex) => ({
      partitionIndex,
      committedOffset: 1n,
      committedLeaderEpoch: -1,
      committedMetadata: null,
    }));
    const request = (committed: typeof partitions) => ({
      memberId: '',
      groupInstanceId: null,
      generationId: -1,
      retentionTimeMs: -1n,
      apiVersion: 9,
      topics: [{ name: 'a', topicId: world.topicIds.get('a') as string, partitions: committed }],
    });
    await world.now('commitOffsets', request(partitions));
    const log = world.log();
    log.hold();
    const snapshot = world.coordinator.snapshotPartition(0);
    const meanwhile = world.ask(
      'commitOffsets',
      request([{ ...(partitions[1_100] as (typeof partitions)[0]), committedOffset: 2n }]),
    );
    await settle();
    log.release();
    await snapshot;
    expect((await meanwhile.done).errorCode).to.equal(ErrorCode.NONE);
    const offsets = await (await world.restart()).offsets();
    expect(Object.keys(offsets)).to.have.length(1_200);
    expect(offsets['a-1100']).to.equal(2);
    expect(offsets['a-1099']).to.equal(1);
  });

  it('gives nothing up when it fails half-way', async () => {
    const world = await GroupWorld.start();
    world.commit(1);
    world.commit(1, {}, 'other');
    await settle();
    world.log().fault = new StorageFault('full', 'no space left');
    await world.coordinator.snapshotPartition(0);
    world.log().fault = undefined;
    await world.clock.advance(100);
    expect(await world.offsets()).to.deep.equal({ 'a-0': 1 });
    expect(await (await world.restart()).offsets('other')).to.deep.equal({ 'a-0': 1 });
  });
});

describe('what does not fit', () => {
  it('a commit larger than a batch may be is refused as a whole', async () => {
    const world = await GroupWorld.start();
    const partitions = Array.from({ length: 300 }, (_, partitionIndex) => ({
      partitionIndex,
      committedOffset: 1n,
      committedLeaderEpoch: -1,
      committedMetadata: 'x'.repeat(4_000),
    }));
    const reply = await world.now('commitOffsets', {
      memberId: '',
      groupInstanceId: null,
      generationId: -1,
      retentionTimeMs: -1n,
      apiVersion: 9,
      topics: [{ name: 'a', topicId: world.topicIds.get('a') as string, partitions }],
    });
    expect(reply).to.deep.equal({ errorCode: ErrorCode.INVALID_COMMIT_OFFSET_SIZE, refused: [] });
    expect(await world.state()).to.equal('Dead');
  });

  it('an assignment larger than a batch may be fails the sync and makes the group join again', async () => {
    const world = await GroupWorld.start();
    const join = world.join();
    await world.clock.advance(3_000);
    const { memberId } = join.value;
    const sync = await world.now('sync', syncRequest(memberId, 1, { [memberId]: 'x'.repeat(1_100_000) }));
    expect(sync.errorCode).to.equal(ErrorCode.UNKNOWN_SERVER_ERROR);
    expect(await world.state()).to.equal('PreparingRebalance');
    expect(world.log().stateOf('g').generation?.members).to.deep.equal([]);
  });

  it('a client whose name is as long as a string may be gets a member id without it', async () => {
    const world = await GroupWorld.start();
    const join = world.join({ clientId: 'x'.repeat(32_767) });
    await world.clock.advance(3_000);
    expect(join.value.memberId).to.match(/^[0-9a-f-]{36}$/);
    const sync = await world.now('sync', syncRequest(join.value.memberId, 1));
    expect(sync.errorCode).to.equal(ErrorCode.NONE);
    expect(await (await world.restart()).state()).to.equal('Stable');
  });

  it('records that are not understood stay in the log, and the groups beside them live on', async () => {
    const world = new GroupWorld();
    const log = world.log();
    const record = { value: Buffer.from('?'), timestampMs: 1n };
    await log.append([{ ...record, key: Buffer.from([0, 99, 1, 2, 3]) }]);
    await log.append([{ ...record, key: Buffer.from([0, 1, 0, 200]) }]);
    await log.append([{ ...record, key: Buffer.from([7]) }]);
    await world.coordinator.loadPartition(0);
    world.commit(1);
    await settle();
    await world.coordinator.snapshotPartition(0);
    expect(log.batches).to.have.length(4);
    expect(await (await world.restart()).offsets()).to.deep.equal({ 'a-0': 1 });
    expect(world.logLines.map(({ event }) => event)).to.include(
      'group partition holds records that are not understood',
    );
  });

  it('a full disk makes many groups read the log again, but all at once', async () => {
    const world = await GroupWorld.start();
    for (let i = 0; i < 50; i++) world.commit(i, {}, `group ${i}`);
    await settle();
    const { replays } = world.log();
    world.log().fault = new StorageFault('full', 'no space left');
    for (let i = 0; i < 50; i++) world.commit(i + 100, {}, `group ${i}`);
    await settle();
    world.log().fault = undefined;
    world.log().hold();
    await world.clock.advance(1_000);
    world.log().release();
    await settle();
    for (let i = 0; i < 50; i++) expect(await world.offsets(`group ${i}`)).to.deep.equal({ 'a-0': i });
    expect(world.log().replays - replays).to.be.at.most(3);
  });
});
