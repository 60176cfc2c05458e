// A cluster under load whose SeaweedMQ broker, filer or nodes die: who notices, who does not, and that all is there in the end.

import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { fetch } from '../../src/protocol/apis/fetch.ts';
import { ErrorCode } from '../../src/protocol/errors.ts';
import { readBatchHeader } from '../../src/protocol/records/batch.ts';
import type { Command } from '../clients/program.ts';
import { createTopic } from '../clients/target.ts';
import { goProgram } from '../clients/toolchain.ts';
import { eventually } from '../clients/waiting.ts';
import type { ClusterProcesses } from '../support/cluster-process.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { Conversation } from './conversation.ts';
import { Load } from './load.ts';
import { SeaweedView, startSeaweedCluster } from './seaweed-cluster.ts';

const setUpTimeoutMs = 360_000;
const testTimeoutMs = 240_000;
const moveTimeoutMs = 120_000;
const partitions = 6;
/** How long SeaweedMQ may be away and nobody notice. */
const outageMs = 60_000;
/** What nobody minds, and what waiting for a core adds to it: at most 2 s, on a machine that has much else to do. */
const unnoticedGapMs = (): number => 1_000 + Math.min(2_000, (200 * loadavg()[0]!) / availableParallelism());

describe('a cluster under load whose SeaweedMQ fails', () => {
  let command: Command;
  let cluster: ClusterProcesses;
  let view: SeaweedView;
  let load: Load | undefined;

  before(async function () {
    this.timeout(setUpTimeoutMs);
    command = await goProgram('franz-go');
    // A node that is only slow, on a busy machine, is not to lose its shards: that is another story.
    cluster = await startSeaweedCluster({ nodes: 2, config: { 'failure.detection.ms': '6000' } });
    view = new SeaweedView(cluster);
  });
  afterEach(async function () {
    await load?.close();
    load = undefined;
    if (this.currentTest?.state !== 'failed') return;
    for (const node of cluster.nodes) console.error(`a node printed:\n${node.output().slice(-6_000)}`);
  });
  after(async function () {
    this.timeout(setUpTimeoutMs);
    await cluster?.close();
  });

  const bootstrap = (): string => cluster.nodes[0]!.bootstrap;

  /** A partition's first batch, as a Fetch answers it. */
  async function firstBatch(topic: string): Promise<{ errorCode: number; baseOffset: bigint | undefined }> {
    const connection = await ProtocolClient.connect(bootstrap());
    try {
      const answer = await connection.send(fetch, 11, {
        maxWaitMs: 100,
        minBytes: 1,
        topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1 << 20 }] }],
        forgottenTopicsData: [],
      });
      const { errorCode, records } = answer.responses[0]!.partitions[0]!;
      const batches = records ?? Buffer.alloc(0);
      return { errorCode, baseOffset: batches.length === 0 ? undefined : readBatchHeader(batches, 0).baseOffset };
    } finally {
      connection.close();
    }
  }

  it('lets no producer and no consumer at the end notice that the broker is dead for a minute', async function () {
    this.timeout(testTimeoutMs);
    await view.settled(moveTimeoutMs);
    load = await Load.start(bootstrap, command, 'broker-dead', partitions);
    await load.everyDelivery();
    await eventually('some of it is moved', moveTimeoutMs, async () => {
      expect(await view.sum('sargasso_seaweedmq_moved_bytes_total')).to.be.above(0);
    });
    load.resetGaps();
    const [broker] = cluster.weed!.brokers;
    const endMs = performance.now() + outageMs;
    await broker!.kill();
    while (performance.now() < endMs) {
      await load.everyPartition();
      await load.everyDelivery();
      for (const node of cluster.nodes) expect((await view.readiness(node)).status).to.equal(200);
      await delay(500);
    }
    const gaps = { ackMs: Math.round(load.longestGapMs), deliveryMs: Math.round(load.longestDeliveryGapMs) };
    // What is on its way, what waits in the journal, and since when; and why.
    expect(await view.sum('sargasso_seaweedmq_backlog_runs')).to.be.above(0);
    expect(await view.sum('sargasso_seaweedmq_unmoved_bytes')).to.be.above(100_000);
    expect(await view.sum('sargasso_seaweedmq_backlog_seconds')).to.be.above(outageMs / 2_000);
    const parts = await Promise.all(cluster.nodes.map((node) => view.readiness(node)));
    for (const { part } of parts) {
      expect(part.ready).to.equal(true);
      expect(part.reason).to.match(/^since its last proof: .*(publishing|ConfigureTopic)/);
    }
    await broker!.start();
    await load.everyDelivery();
    const all = { ackMs: Math.round(load.longestGapMs), deliveryMs: Math.round(load.longestDeliveryGapMs) };
    expect(load.complaints).to.deep.equal([]);
    const { acked } = await load.finish('the broker was dead');
    console.log(`      ${acked} acked; longest gaps ${JSON.stringify(gaps)}, with its return ${JSON.stringify(all)}`);
    expect(Math.max(...Object.values(all))).to.be.below(unnoticedGapMs());
    await view.settled(moveTimeoutMs);
  });

  it('answers reads of what has moved by errors to try again on while the filer is dead, and all else as ever', async function () {
    this.timeout(testTimeoutMs);
    await createTopic(bootstrap(), 'old', 1);
    const client = await Conversation.begin(bootstrap());
    expect((await client.produce('old', 0, ['moved'])).errorCode).to.equal(ErrorCode.NONE);
    client.end();
    await view.settled(moveTimeoutMs);
    load = await Load.start(bootstrap, command, 'filer-dead', partitions);
    await load.everyDelivery();
    load.resetGaps();
    // The nodes keep what they have read: a new one has to ask the filer.
    const { server } = cluster.weed!;
    await server.kill();
    await cluster.nodes[0]!.restart();
    await cluster.nodes[1]!.restart();
    await load.everyPartition();
    load.resetGaps();
    await eventually('the read is refused', 20_000, async () => {
      expect(await firstBatch('old')).to.deep.equal({
        errorCode: ErrorCode.KAFKA_STORAGE_ERROR,
        baseOffset: undefined,
      });
    });
    for (const node of cluster.nodes) {
      const { status, part } = await view.readiness(node);
      expect({ status, ready: part.ready }).to.deep.equal({ status: 200, ready: true });
      expect(part.reason).to.match(/^not open for \d+ of \d+ shards$/);
    }
    expect(await view.sum('sargasso_seaweedmq_shards_not_open')).to.equal(48);
    await load.everyPartition();
    await load.everyDelivery();
    await server.start();
    await eventually('the read is answered', 60_000, async () => {
      expect(await firstBatch('old')).to.deep.equal({ errorCode: ErrorCode.NONE, baseOffset: 0n });
    });
    await load.everyDelivery();
    const gaps = { ackMs: Math.round(load.longestGapMs), deliveryMs: Math.round(load.longestDeliveryGapMs) };
    console.log(`      longest gaps ${JSON.stringify(gaps)}`);
    await load.finish('the filer was dead');
    expect(Math.max(...Object.values(gaps))).to.be.below(unnoticedGapMs());
    await view.settled(moveTimeoutMs);
  });

  it('loses and repeats nothing when nodes are killed in the middle of a move', async function () {
    this.timeout(testTimeoutMs);
    load = await Load.start(bootstrap, command, 'node-dead', partitions);
    for (let round = 0; round < 4; round++) {
      const victim = cluster.nodes[round % 2]!;
      const ofVictim = new SeaweedView(cluster, () => [victim]);
      await eventually('runs are on their way', 60_000, async () => {
        expect(await ofVictim.sum('sargasso_seaweedmq_backlog_runs')).to.be.above(0);
      });
      await victim.kill();
      await load.everyPartition();
      await victim.restart();
      await load.everyPartition();
    }
    await load.acks(300);
    const { acked } = await load.finish('nodes were killed', () => view.settled(moveTimeoutMs));
    console.log(`      ${acked} acked`);
    expect(await view.sum('sargasso_seaweedmq_read_bytes_total')).to.be.above(acked);
  });
});
