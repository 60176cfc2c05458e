// Three nodes over one nats-server: a client may go to any of them, and what it does through one is seen through all.

import { expect } from 'chai';
import kafkajs from 'kafkajs';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';

const startTimeoutMs = 360_000;
const testTimeoutMs = 60_000;

describe('cluster of three nodes', () => {
  let cluster: ClusterProcesses;

  before(async function () {
    this.timeout(startTimeoutMs);
    cluster = await startCluster({ config: { 'group.initial.rebalance.delay.ms': '100' } });
  });
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    for (const node of cluster.nodes) console.error(`a node printed:\n${node.output().slice(-4096)}`);
  });
  after(async function () {
    this.timeout(startTimeoutMs);
    await cluster?.close();
  });

  function client(nodeIndex: number): kafkajs.Kafka {
    const { bootstrap } = cluster.nodes[nodeIndex]!;
    return new kafkajs.Kafka({ brokers: [bootstrap], logLevel: kafkajs.logLevel.NOTHING });
  }

  async function createTopic(topic: string, numPartitions: number): Promise<void> {
    const admin = client(0).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true });
    await admin.disconnect();
  }

  it('names the same nodes, leaders and coordinators whichever node is asked', async function () {
    this.timeout(testTimeoutMs);
    await createTopic('same', 12);
    const answers = await Promise.all(
      [0, 1, 2].map(async (index) => {
        const admin = client(index).admin();
        await admin.connect();
        const { brokers, clusterId, controller } = await admin.describeCluster();
        const { topics } = await admin.fetchTopicMetadata({ topics: ['same'] });
        await admin.disconnect();
        const leaders = topics[0]!.partitions.map(({ partitionId, leader }) => [partitionId, leader]).sort();
        return { brokers, clusterId, controller, leaders };
      }),
    );
    expect(answers[1]).to.deep.equal(answers[0]);
    expect(answers[2]).to.deep.equal(answers[0]);
    expect(answers[0]!.brokers.map(({ nodeId }) => nodeId)).to.deep.equal([1, 2, 3]);
    expect(new Set(answers[0]!.leaders.map(([, leader]) => leader))).to.deep.equal(new Set([1, 2, 3]));
  });

  it('keeps what is produced through each node and gives it to a group of clients of all nodes', async function () {
    this.timeout(testTimeoutMs);
    await createTopic('through-all', 6);
    const wanted = new Set<string>();
    for (const index of [0, 1, 2]) {
      const producer = client(index).producer();
      await producer.connect();
      const messages = Array.from({ length: 60 }, (_, at) => ({
        partition: at % 6,
        value: `node ${index} value ${at}`,
      }));
      for (const { value } of messages) wanted.add(value);
      await producer.send({ topic: 'through-all', messages });
      await producer.disconnect();
    }

    const seen: string[] = [];
    let all: () => void = () => {};
    const complete = new Promise<void>((resolve) => {
      all = resolve;
    });
    const consumers = [0, 1, 2].map((index) => client(index).consumer({ groupId: 'all-nodes' }));
    try {
      await Promise.all(
        consumers.map(async (consumer) => {
          await consumer.connect();
          await consumer.subscribe({ topic: 'through-all', fromBeginning: true });
          await consumer.run({
            async eachMessage({ message }) {
              seen.push(String(message.value));
              if (new Set(seen).size === wanted.size) all();
            },
          });
        }),
      );
      await complete;
    } finally {
      await Promise.all(consumers.map((consumer) => consumer.disconnect()));
    }
    expect(new Set(seen)).to.deep.equal(wanted);
  });
});
