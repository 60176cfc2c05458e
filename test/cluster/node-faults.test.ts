// What a client may rely on while nodes are killed, paused and restarted under it: nothing acked is lost or repeated, order
// is kept, and another node takes over soon.

import { expect } from 'chai';
import type { Command } from '../clients/program.ts';
import { goProgram } from '../clients/toolchain.ts';
import type { BrokerProcess } from '../support/broker-process.ts';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';
import { machineLagMs, resetMachineLag } from '../support/machine-lag.ts';
import { Load } from './load.ts';

const setUpTimeoutMs = 360_000;
const testTimeoutMs = 150_000;
const partitions = 12;
const detectionMs = 2_000;
/** Beyond the time of detection: the election of the next owners, and their opening of the shards. */
const electionMs = 1_000;
/** What the client adds: its metadata may be 100 ms old and it waits 50 ms between tries, twice; it dials anew. */
const clientMs = 400;
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
    for (const node of shuffled()) {
      await load.everyPartition();
      process.kill(node.pid, 'SIGSTOP');
      try {
        await load.everyPartition();
        await load.acks(300);
      } finally {
        process.kill(node.pid, 'SIGCONT');
      }
      await load.everyPartition();
      await load.acks(300);
    }
    await load.finish(`seed ${seed}`);
  });

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
