// A node that alone loses its way to NATS while it runs and its clients reach it: nothing that it has sent gets there until
// others have taken over, and then all of it does.

import { expect } from 'chai';
import type { Command } from '../clients/program.ts';
import { goProgram } from '../clients/toolchain.ts';
import { eventually } from '../clients/waiting.ts';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';
import { Conversation } from './conversation.ts';
import { Load } from './load.ts';
import { NatsRelay } from './nats-relay.ts';
import { Pulses } from './pulses.ts';

const setUpTimeoutMs = 360_000;
const testTimeoutMs = 150_000;
const waitTimeoutMs = 30_000;
const detectionMs = 2_000;
/** Beyond the time of detection: the election of the next owners, and their opening of the shards. */
const electionMs = 1_000;
const cutOffId = 2;
const everyName = /./;
const refusedAppend = /shard append failed .*code=fenced/g;
/** NOT_LEADER_OR_FOLLOWER, REQUEST_TIMED_OUT, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: a client tries again. */
const partitionRefusals = [6, 7];
const groupRefusals = [15, 16];

describe('a node that is cut off from NATS alone', () => {
  let command: Command;
  let cluster: ClusterProcesses;
  let relay: NatsRelay;
  let load: Load | undefined;

  before(async function () {
    this.timeout(setUpTimeoutMs);
    command = await goProgram('franz-go');
    cluster = await startCluster({
      config: {
        'failure.detection.ms': String(detectionMs),
        'group.initial.rebalance.delay.ms': '0',
        'group.min.session.timeout.ms': '1000',
        'offsets.topic.num.partitions': '12',
      },
      natsAddresses: async (nodeId, nats) => {
        if (nodeId !== cutOffId) return nats.addresses;
        relay = await new NatsRelay(nats.servers[0]!.port).listen();
        return [relay.address];
      },
    });
  });
  afterEach(async function () {
    relay.pass();
    await load?.close();
    if (this.currentTest?.state !== 'failed') return;
    for (const node of cluster.nodes) console.error(`a node printed:\n${node.output().slice(-6000)}`);
  });
  after(async function () {
    this.timeout(setUpTimeoutMs);
    await cluster?.close();
    await relay?.close();
  });

  const [alive, cutOff] = [() => cluster.nodes[0]!, () => cluster.nodes[cutOffId - 1]!];

  it('is replaced in time, refuses its clients, and comes back; nothing is lost, and nothing late is taken', async function () {
    this.timeout(testTimeoutMs);
    const own = await Conversation.begin(cutOff().bootstrap);
    const other = await Conversation.begin(alive().bootstrap);
    expect(await own.createTopics(['pulses'], 12)).to.deep.equal([0]);
    await own.join('first', 'pulses');
    const owned = async (conversation: Conversation): Promise<number[]> =>
      [...(await conversation.leaders('pulses'))].filter(([, id]) => id === cutOffId).map(([partition]) => partition);
    const before = await owned(other);
    const names = Array.from({ length: 24 }, (_, at) => `group-${at}`);
    const coordinators = await other.coordinators(names);
    const groupsOf = (id: number): string[] => names.filter((name) => coordinators.get(name) === id);
    const groups = [1, 2, 3].flatMap((id) => groupsOf(id).slice(0, 3));
    const ownGroup = groupsOf(cutOffId)[3]!;
    const ownMember = await own.join(ownGroup, 'pulses');
    load = await Load.start(() => alive().bootstrap, command, 'cut-off', 12);
    const pulses = await Pulses.begin({
      bootstraps: [alive().bootstrap],
      topic: 'pulses',
      partitions: [...Array(12).keys()],
      groupIds: groups,
    });

    await load.everyPartition();
    await pulses.beating();
    pulses.reset();
    // Shards that change hands while the cluster starts are a reason, too.
    const refusedAppends = (): number => cutOff().output().match(refusedAppend)?.length ?? 0;
    const refusedBefore = refusedAppends();
    relay.stall(everyName);
    const cutMs = performance.now();
    const refused = await own.produce('pulses', before[0]!, ['into the void']);
    const refusedMs = performance.now() - cutMs;
    await pulses.beating();
    const gaps = [...pulses.gapsMs()];
    const ofCutOff = ([name]: [string, number]): boolean =>
      before.some((partition) => name === `partition ${partition}`) ||
      groups.some((groupId) => name === `group ${groupId}` && coordinators.get(groupId) === cutOffId);
    const gapMs = Math.max(...gaps.filter(ofCutOff).map(([, ms]) => ms));
    const busyMs = Math.max(...gaps.filter((gap) => !ofCutOff(gap)).map(([, ms]) => ms));
    console.log(
      `      replaced in ${Math.round(gapMs)} ms, refuses after ${Math.round(refusedMs)} ms; of the others ${Math.round(busyMs)} ms`,
    );
    expect(gapMs).to.be.within(detectionMs * 0.8, detectionMs + electionMs + busyMs);
    expect(refused.errorCode).to.be.oneOf(partitionRefusals);
    expect(refusedMs).to.be.below(detectionMs + electionMs * 2 + busyMs);
    expect(await own.heartbeat(ownGroup, ownMember)).to.be.oneOf(groupRefusals);
    // It names nobody as the owner of what was its own, least of all itself.
    expect(await owned(own)).to.deep.equal([]);
    expect([...(await own.coordinators(names)).values()]).to.not.include(cutOffId);
    expect(await owned(other)).to.deep.equal([]);
    await load.everyPartition();

    const end = await other.endOffset('pulses', before[0]!);
    expect(refusedAppends()).to.equal(refusedBefore);
    relay.pass();
    await eventually('the node is back and owns its share', waitTimeoutMs, async () => {
      const [byOthers, byItself] = [await owned(other), await owned(own)];
      // A third, more or less: shards are shared out, not partitions.
      expect(byOthers).to.have.length.within(2, 6);
      expect(byItself).to.deep.equal(byOthers);
    });
    await eventually('what it had sent is refused by the journal', waitTimeoutMs, async () => {
      expect(refusedAppends()).to.be.above(refusedBefore);
    });
    await pulses.beating();
    expect(await pulses.end()).to.deep.equal([]);
    const records = await other.fetchRecords('pulses', before[0]!, 0n);
    expect(records.includes('into the void')).to.equal(false);
    expect(Number(await other.endOffset('pulses', before[0]!))).to.be.above(Number(end));
    await load.everyPartition();
    own.end();
    other.end();
    const { acked } = await load.finish('');
    console.log(`      ${acked} acked`);
  });
});
