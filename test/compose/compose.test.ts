// docker-compose.yml as a user brings it up: `npm run test:compose`. Needs a Docker engine and Compose, and the ports that
// the file publishes.

import { join } from 'node:path';
import { expect } from 'chai';
import { produce } from '../../src/protocol/apis/produce.ts';
import { encodeBatch } from '../../src/protocol/records/record.ts';
import { eventually } from '../clients/waiting.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { namesOf, nodesOf, type Trace, tracesOf } from './jaeger.ts';
import { client, Load, readAll } from './load.ts';
import { adminAddresses, compose, docker, getJson, kafkaAddresses, network, remains, untilHealthy } from './project.ts';

const healthyTimeoutMs = 180_000;
const buildTimeoutMs = 900_000;
/** Failure detection, the take-over, and a client's own waits between its retries, on a busy machine. */
const pauseMaxMs = 15_000;
const partitionCount = 6;
const nodes = ['sargasso-1', 'sargasso-2', 'sargasso-3'] as const;
const services = [
  ...nodes,
  ...['nats-1', 'nats-2', 'nats-3', 'seaweedfs', 'seaweedmq', 'jaeger', 'prometheus'],
] as const;
/** The nodes, SeaweedFS and Jaeger. */
const targetCount = 5;

describe('docker-compose.yml', () => {
  before(async function () {
    this.timeout(buildTimeoutMs);
    await compose('down', '-v', '--timeout', '5');
    await compose('build');
  });
  after(async () => {
    if ((await remains()).length > 0) await compose('down', '-v', '--timeout', '5');
  });

  it('comes up with every container healthy', async () => {
    const startMs = performance.now();
    await compose('up', '-d');
    for (const service of services) await untilHealthy(service, healthyTimeoutMs);
    console.log(`      all healthy after ${Math.round((performance.now() - startMs) / 1000)} s`);
    console.log((await docker('stats', '--no-stream', '--format', '      {{.Name}}  {{.MemUsage}}')).trimEnd());
  });

  kafkaAddresses.forEach((address, index) => {
    it(`serves a client of this machine that knows only ${address}`, async () => {
      const kafka = client([address]);
      const admin = kafka.admin();
      await admin.connect();
      const { brokers } = await admin.describeCluster();
      await admin.disconnect();
      expect(brokers.map(({ host, port }) => `${host}:${port}`)).to.have.members([...kafkaAddresses]);
      const topic = `outside-${index}`;
      const load = new Load(topic, 1);
      load.start();
      await load.advance(10, 30_000);
      const { acknowledged } = await load.stop();
      expect(await readAll(topic, 30_000)).to.deep.equal(acknowledged);
    });
  });

  for (const node of nodes) {
    it(`serves a client in the network that knows only ${node}:19092`, async () => {
      const printed = await docker(
        ...['run', '--rm', '--network', network, '--workdir', '/client'],
        ...['-v', `${join(import.meta.dirname, 'inside.mjs')}:/client/inside.mjs:ro`],
        ...['-v', `${join(import.meta.dirname, '../../node_modules/kafkajs')}:/client/node_modules/kafkajs:ro`],
        ...['node:22-bookworm-slim', 'node', 'inside.mjs', `${node}:19092`, `inside-${node}`],
      );
      expect(JSON.parse(printed)).to.deep.equal({
        addresses: nodes.map((name) => `${name}:19092`),
        read: 'from inside',
      });
    });
  }

  it('gives each record once to a group of three, each of whom knows another node', async () => {
    const topic = 'shared';
    const values = Array.from({ length: 600 }, (_, index) => `record ${index}`);
    const kafka = client();
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: partitionCount }], waitForLeaders: true });
    await admin.disconnect();
    const read: string[][] = [[], [], []];
    const members = kafkaAddresses.map((address) => client([address]).consumer({ groupId: 'three' }));
    await Promise.all(
      members.map(async (member, index) => {
        await member.connect();
        await member.subscribe({ topic, fromBeginning: true });
        await member.run({ eachMessage: async ({ message }) => void read[index]!.push(String(message.value)) });
      }),
    );
    await eventually('three members in the group', 60_000, async () => {
      const description = await members[0]!.describeGroup();
      expect(description.state).to.equal('Stable');
      expect(description.members).to.have.length(3);
    });
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic, messages: values.map((value, key) => ({ key: String(key), value })) });
    await producer.disconnect();
    await eventually('every record read', 60_000, async () => {
      expect(read.flat()).to.have.length(values.length);
    });
    await Promise.all(members.map((member) => member.disconnect()));
    expect(read.flat().sort()).to.deep.equal([...values].sort());
    expect(read.map((part) => part.length > 0)).to.deep.equal([true, true, true]);
  });

  it('answers /healthz, /readyz and /metrics on every node', async () => {
    for (const address of adminAddresses) {
      await getJson(`http://${address}/healthz`);
      await getJson(`http://${address}/readyz`);
      const metrics = await (await fetch(`http://${address}/metrics`)).text();
      expect(metrics).to.match(/^sargasso_request_duration_seconds_count\{.*api="Produce"/m);
    }
  });

  it('is scraped by Prometheus, every target', async () => {
    await eventually('all targets up', 60_000, async () => {
      type Targets = { data: { activeTargets: { scrapeUrl: string; health: string; lastError: string }[] } };
      const { data } = await getJson<Targets>('http://127.0.0.1:9090/api/v1/targets?state=active');
      const down = data.activeTargets.filter(({ health }) => health !== 'up');
      const count = data.activeTargets.length;
      if (count !== targetCount || down.length > 0) throw new Error(`${count}, not up: ${JSON.stringify(down)}`);
    });
  });

  it('shows a Produce that crossed nodes in Jaeger as one trace, and, linked to it, the move to SeaweedMQ', async () => {
    const topic = 'crossing';
    const admin = client().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: partitionCount }], waitForLeaders: true });
    await admin.disconnect();
    const connection = await ProtocolClient.connect(kafkaAddresses[0]);
    // Some of these belong to other nodes than the one that is asked.
    for (let partition = 0; partition < partitionCount; partition++) {
      await eventually(`a record in partition ${partition}`, 30_000, async () => {
        const records = encodeBatch({
          baseOffset: 0n,
          compression: 'none',
          records: [{ timestampMs: BigInt(Date.now()), key: null, value: Buffer.from('crossing'), headers: [] }],
        });
        const answer = await connection.send(produce, 9, {
          acks: -1,
          timeoutMs: 10_000,
          topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
        });
        expect(answer.responses[0]!.partitionResponses[0]!.errorCode).to.equal(0);
      });
    }
    connection.close();
    const parts = [
      'Produce',
      'mailbox partition append',
      'serve partition append',
      'partition append',
      'journal append',
    ];
    let crossed: Trace | undefined;
    await eventually('such a trace', 60_000, async () => {
      const traces = await tracesOf('Produce');
      crossed = traces.find((trace) => parts.every((part) => namesOf(trace).has(part)));
      if (crossed === undefined) throw new Error(`${traces.length} traces, none of them like that`);
    });
    expect(nodesOf(crossed!).size, 'nodes in the trace').to.equal(2);
    await eventually('the move of what it brought', 90_000, async () => {
      const moves = (await tracesOf('seaweedmq publish')).flatMap(({ spans }) => spans);
      const links = moves.flatMap(({ references }) => references);
      if (!links.some(({ traceID }) => traceID === crossed!.traceID)) throw new Error(`${moves.length} other moves`);
    });
  });

  describe('under load', () => {
    const load = new Load('load', partitionCount);
    before(async () => {
      const admin = client().admin();
      await admin.connect();
      await admin.createTopics({
        topics: [{ topic: load.topic, numPartitions: partitionCount }],
        waitForLeaders: true,
      });
      await admin.disconnect();
      load.start();
      await load.advance(20, 60_000);
    });

    for (const service of services) {
      it(`goes on when ${service} is killed, and takes it back`, async () => {
        load.longestPauseMs();
        await compose('kill', '-s', 'SIGKILL', service);
        await load.advance(100, 120_000);
        await compose('up', '-d', '--no-build', '--no-recreate', service);
        await untilHealthy(service, healthyTimeoutMs);
        await load.advance(20, 60_000);
        const pauseMs = load.longestPauseMs();
        console.log(`      ${service}: longest pause of a partition ${pauseMs} ms`);
        expect(pauseMs).to.be.below(pauseMaxMs);
      });
    }

    it('takes back nodes that are stopped and started while SeaweedFS is away', async () => {
      load.longestPauseMs();
      const seaweed = ['seaweedfs', 'seaweedmq'];
      await compose('kill', '-s', 'SIGKILL', ...seaweed);
      for (const node of nodes) {
        await compose('restart', '--timeout', '30', node);
        await untilHealthy(node, healthyTimeoutMs);
        await load.advance(20, 60_000);
      }
      await compose('up', '-d', '--no-build', '--no-recreate', ...seaweed);
      for (const service of seaweed) await untilHealthy(service, healthyTimeoutMs);
      await load.advance(20, 60_000);
      const pauseMs = load.longestPauseMs();
      console.log(`      longest pause of a partition ${pauseMs} ms`);
      expect(pauseMs).to.be.below(pauseMaxMs);
    });

    it('has lost, doubled and reordered nothing that was acknowledged', async () => {
      const { acknowledged, failures } = await load.stop();
      const read = await readAll(load.topic, 60_000);
      console.log(`      ${acknowledged.flat().length} records acknowledged, ${failures} sends failed`);
      read.forEach((values, partition) => {
        expect(
          [...new Set(values)].sort((a, b) => a - b),
          `partition ${partition}: once and in order`,
        ).to.deep.equal(values);
        const present = new Set(values);
        expect(
          acknowledged[partition]!.filter((number) => !present.has(number)),
          `partition ${partition}: lost`,
        ).to.deep.equal([]);
      });
    });
  });

  // A group of its own: mocha runs the tests of a group before the groups in it.
  describe('afterwards', () => {
    it('leaves nothing after down -v', async () => {
      await compose('down', '-v', '--timeout', '30');
      expect(await remains()).to.deep.equal([]);
    });
  });
});
