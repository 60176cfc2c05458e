// npm run test:soak: nodes and nats-servers killed at random under idempotent load, SOAK_KILLS (100) times. TEST_SEED repeats
// the choice of victims.

import { expect } from 'chai';
import { goProgram } from '../clients/toolchain.ts';
import { Load } from '../cluster/load.ts';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';

const kills = Number(process.env.SOAK_KILLS ?? 100);
const seed = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000);
const detectionMs = Number(process.env.SOAK_DETECTION_MS ?? 3_000);
const partitions = 12;
/** A fresh topic and producer after so many kills, so that what is kept in memory stays bounded. */
const killsOfOneLoad = 10;

describe(`a cluster of three nodes and three NATS servers, ${kills} kills, seed ${seed}`, () => {
  let cluster: ClusterProcesses;
  let load: Load | undefined;

  before(async () => {
    cluster = await startCluster({
      natsServers: 3,
      config: {
        'failure.detection.ms': String(detectionMs),
        'group.initial.rebalance.delay.ms': '100',
        'group.min.session.timeout.ms': '1000',
      },
    });
  });
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    for (const node of cluster.nodes) console.error(`a node printed:\n${node.output().slice(-12_000)}`);
  });
  after(async () => {
    await load?.close();
    await cluster?.close();
  });

  it('loses, repeats and reorders nothing', async () => {
    const command = await goProgram('franz-go');
    const random = randomFrom(seed);
    const gapsMs = { node: [] as number[], nats: [] as number[] };
    let acked = 0;
    for (let kill = 0; kill < kills; kill++) {
      if (kill % killsOfOneLoad === 0) {
        if (load !== undefined) acked += (await load.finish(`seed ${seed}, kill ${kill}`)).acked;
        load = await Load.start(() => cluster.nodes[0]!.bootstrap, command, `soak-${kill}`, partitions);
      }
      const current = load!;
      await current.everyPartition();
      current.resetGaps();
      const at = Math.floor(random() * 6);
      const node = at < 3 ? cluster.nodes[at] : undefined;
      const server = cluster.nats.servers[at % 3]!;
      await (node ?? server).kill();
      await current.everyPartition();
      await current.everyPartition();
      gapsMs[node === undefined ? 'nats' : 'node'].push(current.longestGapMs);
      await (node === undefined ? server.start() : node.restart());
      await current.acks(300);
      console.log(
        `      kill ${kill + 1}: ${node === undefined ? 'NATS' : 'node'} ${(at % 3) + 1}, longest gap ${Math.round(current.longestGapMs)} ms`,
      );
    }
    if (load !== undefined) acked += (await load.finish(`seed ${seed}, the end`)).acked;
    for (const [victim, ms] of Object.entries(gapsMs)) {
      const sorted = [...ms].sort((a, b) => a - b);
      const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
      console.log(
        `      ${victim}: ${ms.length} kills, gap median ${Math.round(median)}, largest ${Math.round(sorted.at(-1) ?? 0)} ms`,
      );
    }
    expect(acked).to.be.above(kills);
  });
});

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
