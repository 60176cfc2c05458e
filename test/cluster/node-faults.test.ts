// What a client may rely on while nodes are killed, paused and restarted under it: nothing acked is lost or repeated, order
// is kept, and another node takes over soon.

import { expect } from 'chai';
import type { Command } from '../clients/program.ts';
import { goProgram } from '../clients/toolchain.ts';
import { eventually } from '../clients/waiting.ts';
import type { BrokerProcess } from '../support/broker-process.ts';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';
import { machineLagMs, resetMachineLag } from '../support/machine-lag.ts';
import { Conversation } from './conversation.ts';
import { Load } from './load.ts';

const setUpTimeoutMs = 360_000;
const testTimeoutMs = 150_000;
const waitTimeoutMs = 20_000;
const partitions = 12;
const detectionMs = 2_000;
/** Beyond the time of detection: the election of the next owners, and their opening of the shards. */
const electionMs = 1_000;
/** What the client adds: its metadata may be 100 ms old and it waits 50 ms between tries, twice; it dials anew. */
const clientMs = 400;
/** NOT_LEADER_OR_FOLLOWER and REQUEST_TIMED_OUT: a client tries again. */
const notLeader = 6;
const outcomeUnknown = 7;
const seed = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000);

describe('a cluster whose nodes fail under load', () => {
  let command: Command;
  let cluster: ClusterProcesses;
  let load: Load | undefined;

  before(async function () {
    this.timeout(setUpTimeoutMs);
    command = await goProgram('franz-go');
    cluster = await startCluster({
      config: {
        'failure.detection.ms': String(detectionMs),
        'group.initial.rebalance.delay.ms': '100',
        'group.min.session.timeout.ms': '1000',
      },
    });
  });
  afterEach(async function () {
    await load?.close();
    load = undefined;
    if (this.currentTest?.state !== 'failed') return;
    for (const node of cluster.nodes) console.error(`a node printed:\n${node.output().slice(-6000)}`);
  });
  after(async function () {
    this.timeout(setUpTimeoutMs);
    await cluster?.close();
  });

  const first = (): string => cluster.nodes[0]!.bootstrap;
  const shuffled = (): BrokerProcess[] => [...cluster.nodes.slice(seed % 3), ...cluster.nodes.slice(0, seed % 3)];

  it('loses and repeats nothing when each node in turn is killed, and others take over soon', async function () {
    this.timeout(testTimeoutMs);
    load = await Load.start(first, command, 'killed', partitions);
    const gapsMs: number[] = [];
    const lagsMs: number[] = [];
    for (const node of shuffled()) {
      await load.everyPartition();
      load.resetGaps();
      resetMachineLag();
      await node.kill();
      await load.everyPartition();
      await load.everyPartition();
      gapsMs.push(load.longestGapMs);
      lagsMs.push(machineLagMs());
      await node.restart();
      await load.acks(300);
    }
    const { acked } = await load.finish(`seed ${seed}`);
    console.log(
      `      ${acked} acked; longest gaps ${gapsMs.map(Math.round).join(', ')} ms, lag ${lagsMs.join(', ')} ms`,
    );
    for (const [at, gapMs] of gapsMs.entries()) {
      expect(gapMs).to.be.below(detectionMs + electionMs + clientMs + lagsMs[at]!);
    }
  });

  it('refuses the writes of a node that was paused while others took over, and takes it back', async function () {
    this.timeout(testTimeoutMs);
    load = await Load.start(first, command, 'paused', partitions);
    const other = await Conversation.begin(first());
    expect(await other.createTopics(['late'], partitions)).to.deep.equal([0]);
    other.end();
    for (const node of shuffled()) {
      await load.everyPartition();
      const nodeId = cluster.nodes.indexOf(node) + 1;
      const own = await Conversation.begin(node.bootstrap);
      const partition = [...(await own.leaders('late'))].find(([, leader]) => leader === nodeId)![0];
      const votedOutBefore = timesVotedOut(nodeId);
      process.kill(node.pid, 'SIGSTOP');
      // It lies in the socket of an owner that finds it when it is none any more.
      const late = own.produce('late', partition, [`late ${nodeId}`]);
      try {
        // Until then what it had acknowledged before may still be on its way to the client.
        await eventually('the others have voted it out', waitTimeoutMs, async () => {
          expect(timesVotedOut(nodeId)).to.be.above(votedOutBefore);
        });
        await load.everyPartition();
      } finally {
        process.kill(node.pid, 'SIGCONT');
      }
      const { errorCode } = await late;
      own.end();
      expect(errorCode).to.be.oneOf([0, notLeader, outcomeUnknown]);
      await load.everyPartition();
      await load.acks(300);
      const times = await written(partition, `late ${nodeId}`);
      // Passed on to the next owner, or refused; never written by the old one beside it.
      if (errorCode === 0) expect(times).to.equal(1);
      else if (errorCode === notLeader) expect(times).to.equal(0);
      else expect(times).to.be.below(2);
    }
    await load.finish(`seed ${seed}`);
  });

  /** How often the others have seen a view without the node. */
  function timesVotedOut(nodeId: number): number {
    const ids = cluster.nodes.map((_, at) => at + 1).filter((id) => id !== nodeId);
    const line = `members=[${ids.join(',')}]`;
    return ids.reduce((sum, id) => sum + cluster.nodes[id - 1]!.output().split(line).length - 1, 0);
  }

  /** How often a value is in a partition of topic `late`. */
  async function written(partition: number, value: string): Promise<number> {
    const conversation = await Conversation.begin(first());
    try {
      return (await conversation.fetchRecords('late', partition, 0n)).toString('latin1').split(value).length - 1;
    } finally {
      conversation.end();
    }
  }

  it('restarts one node after the other without an error for the application', async function () {
    this.timeout(testTimeoutMs);
    load = await Load.start(first, command, 'rolling', partitions);
    const gapsMs: number[] = [];
    const lagsMs: number[] = [];
    for (const node of shuffled()) {
      await load.everyPartition();
      load.resetGaps();
      resetMachineLag();
      await node.restart();
      await load.everyPartition();
      gapsMs.push(load.longestGapMs);
      lagsMs.push(machineLagMs());
    }
    const { acked } = await load.finish(`seed ${seed}`);
    console.log(
      `      ${acked} acked; longest gaps ${gapsMs.map(Math.round).join(', ')} ms, lag ${lagsMs.join(', ')} ms`,
    );
    // Nothing has to be detected: the node says that it goes, twice, as it takes its share again when it is back.
    for (const [at, gapMs] of gapsMs.entries()) expect(gapMs).to.be.below(electionMs + clientMs + lagsMs[at]!);
  });
});
