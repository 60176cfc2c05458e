// A cluster with SeaweedMQ behind the journal, while SeaweedFS is away: what it goes on doing without.

import { expect } from 'chai';
import kafkajs from 'kafkajs';
import { findCoordinator } from '../../src/protocol/apis/find-coordinator.ts';
import { offsetCommit } from '../../src/protocol/apis/offset-commit.ts';
import { ErrorCode } from '../../src/protocol/errors.ts';
import { eventually } from '../clients/waiting.ts';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { AdminClient, adminBase } from './admin-client.ts';

const startTimeoutMs = 360_000;
const testTimeoutMs = 120_000;
const detectionMs = 2_000;

describe('a cluster whose SeaweedFS is away', () => {
  let cluster: ClusterProcesses;

  before(async function () {
    this.timeout(startTimeoutMs);
    cluster = await startCluster({
      nodes: 2,
      weed: {},
      config: {
        'admin.listeners': 'http://127.0.0.1:0',
        'failure.detection.ms': String(detectionMs),
        'offsets.topic.num.partitions': '4',
        'seaweed.move.delay.ms': '0',
      },
    });
  });
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    for (const node of cluster.nodes) console.error(`a node printed:\n${node.output().slice(-6_000)}`);
  });
  after(async function () {
    this.timeout(startTimeoutMs);
    await cluster?.close();
  });

  const kafka = (index: number): kafkajs.Kafka =>
    new kafkajs.Kafka({ brokers: [cluster.nodes[index]!.bootstrap], logLevel: kafkajs.logLevel.NOTHING });
  /** Parts by name. */
  const partsOf = async (index: number) =>
    (await new AdminClient(adminBase(cluster.nodes[index]!)).get('/readyz')).json.parts;

  it('takes over the groups of a node that dies meanwhile, and takes and gives records', async function () {
    this.timeout(testTimeoutMs);
    const admin = kafka(0).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }], waitForLeaders: true });
    const groups = Array.from({ length: 8 }, (_, index) => `group-${index}`);
    const committer = await ProtocolClient.connect(cluster.nodes[0]!.bootstrap);
    for (const groupId of groups) {
      const partitions = [{ partitionIndex: 0, committedOffset: 7n, committedMetadata: '' }];
      await committer.send(findCoordinator, 3, { key: groupId, keyType: 0 });
      await eventually('an offset is committed', 20_000, async () => {
        const { topics } = await committer.send(offsetCommit, 7, {
          groupId,
          generationIdOrMemberEpoch: -1,
          memberId: '',
          topics: [{ name: 'kept', partitions }],
        });
        expect(topics[0]!.partitions[0]!.errorCode).to.equal(ErrorCode.NONE);
      });
    }
    committer.close();
    const producer = kafka(0).producer();
    await producer.connect();
    await producer.send({ topic: 'kept', messages: [{ value: 'moved' }] });
    await eventually('all that moves has moved', 60_000, async () => {
      const details = await Promise.all([0, 1].map(async (index) => (await partsOf(index)).seaweedmq.details));
      expect(Math.max(...details.map(({ lastProofMs }) => lastProofMs ?? 0))).to.be.above(0);
      expect(details.map(({ backlogRuns }) => backlogRuns)).to.deep.equal([0, 0]);
    });
    await admin.disconnect();
    await producer.disconnect();

    const { weed, nodes } = cluster;
    await weed!.brokers[0]!.kill();
    await weed!.server.kill();
    await nodes[0]!.kill();
    await eventually('the other node serves everything', 30_000, async () => {
      const { view, shards, groups: loaded, seaweedmq } = await partsOf(1);
      expect(view.reason).to.equal('member of a cluster of 1');
      expect(shards.reason).to.equal('48 of 48 shards are open');
      expect(loaded.reason).to.equal('4 of 4 group partitions are loaded');
      expect(seaweedmq.reason).to.match(/^not open for \d+ of 48 shards$/);
    });

    const left = kafka(1).admin();
    await left.connect();
    for (const groupId of groups) {
      const [offsets] = await left.fetchOffsets({ groupId, topics: ['kept'] });
      expect(offsets!.partitions).to.have.length(1);
      expect(offsets!.partitions[0]!.offset).to.equal('7');
    }
    await left.disconnect();
    const again = kafka(1).producer();
    await again.connect();
    const [stored] = await again.send({ topic: 'kept', messages: [{ value: 'not moved' }] });
    await again.disconnect();
    expect(stored?.baseOffset).to.equal('1');
    const warnings = nodes[1]!.output().match(/ WARN journal\.cold-store-away shard=(\d+)/g) ?? [];
    expect(warnings).not.to.be.empty;
    expect(new Set(warnings).size, 'said once for each shard').to.equal(warnings.length);
  });
});
