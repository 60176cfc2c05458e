// Measures how fast a node with storage=seaweed moves a backlog from its journal to SeaweedMQ, beside bare gRPC publishers
// with messages of the same size to as many topics: the broker is away while records are produced, then it is started. Both
// sides are measured from their first message to when the filer has all of it. Never a test.
//
//   npx tsx test/bench/catch-up.ts [--mb 600] [--partitions 6]

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { produce } from '../../src/protocol/apis/produce.ts';
import { encodeBatch } from '../../src/protocol/records/record.ts';
import { Brokers, type TopicLeader } from '../../src/storage/seaweed/brokers.ts';
import { SEAWEED_LIMITS } from '../../src/storage/seaweed/limits.ts';
import { type PublishMessageRequest, seaweedMethods } from '../../src/storage/seaweed/protos.ts';
import { createTopic } from '../clients/target.ts';
import { AdminClient, adminBase } from '../cluster/admin-client.ts';
import { startCluster } from '../support/cluster-process.ts';
import { ProtocolClient } from '../support/protocol-client.ts';

const { values } = parseArgs({
  options: { mb: { type: 'string', default: '600' }, partitions: { type: 'string', default: '6' } },
});
const partitions = Number(values.partitions);
const batchBytes = 1_000_000;
const batches = Math.ceil((Number(values.mb) * 1e6) / partitions / batchBytes);
const megabytes = (batches * partitions * batchBytes) / 1e6;
/** Of what was produced. */
const STEADY_PART = 0.9;
const clockTicksInSecond = 100;
const runBytes = SEAWEED_LIMITS.runBytesMax;

const cluster = await startCluster({
  nodes: 1,
  compiled: true,
  weed: { flushIntervalSeconds: 5 },
  config: { 'admin.listeners': 'http://127.0.0.1:0', 'seaweed.move.delay.ms': '1000' },
});
const [node] = cluster.nodes;
const [broker] = cluster.weed!.brokers;
const admin = new AdminClient(adminBase(node!));

/** Seconds of CPU that each process has used. */
function cpuSeconds(): Record<string, number> {
  const pids = {
    publisher: process.pid,
    node: node!.pid,
    nats: cluster.nats.servers[0]!.pid,
    broker: broker!.pid,
    server: cluster.weed!.server.pid,
  };
  return Object.fromEntries(
    Object.entries(pids).map(([name, pid]) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      return [name, (Number(fields[11]) + Number(fields[12])) / clockTicksInSecond];
    }),
  );
}

/** A rate, and what a gigabyte has cost since then. */
function figures(bytes: number, startMs: number, startCpu: Record<string, number>): string {
  const rate = bytes / 1e6 / ((performance.now() - startMs) / 1000);
  const used = Object.entries(cpuSeconds()).map(
    ([name, seconds]) => `${name} ${((seconds - startCpu[name]!) / (bytes / 1e9)).toFixed(2)}`,
  );
  return `${rate.toFixed(1)} MB/s, CPU s per GB: ${used.join(' ')}`;
}

async function publishBare(brokers: Brokers, name: string): Promise<void> {
  const { requestSerialize } = seaweedMethods().broker.PublishMessage;
  let leader: TopicLeader | undefined;
  while (leader === undefined) {
    leader = await brokers.configure({ namespace: 'bare', name }).catch(() => undefined);
    if (leader === undefined) await delay(200);
  }
  const stream = brokers.publishStream(leader.address);
  const value = randomBytes(runBytes);
  const runs = Math.ceil((batches * batchBytes) / runBytes);
  const ahead = Math.floor(SEAWEED_LIMITS.unackedBytesMax / runBytes);
  let sent = 0;
  let acked = -1;
  const init = { topic: { namespace: 'bare', name }, partition: leader.partition, ack_interval: 1, publisher_name: '' };
  stream.write(Buffer.from(requestSerialize({ init })));
  const more = () => {
    for (; sent < runs && sent - acked < ahead; sent++) {
      const message = { data: { key: Buffer.alloc(8), value, ts_ns: '0' } };
      stream.write(Buffer.from(requestSerialize(message as unknown as PublishMessageRequest)));
    }
  };
  await new Promise<void>((resolve, reject) => {
    stream.on('data', () => {
      if (++acked === runs) stream.end();
      else more();
    });
    stream.on('error', reject);
    stream.on('status', () => resolve());
  });
}

async function bare(round: number): Promise<string> {
  const brokers = new Brokers([broker!.address], credentials.createInsecure(), SEAWEED_LIMITS);
  await publishBare(brokers, `first-${round}`);
  const startMs = performance.now();
  const startCpu = cpuSeconds();
  await Promise.all(Array.from({ length: partitions }, (_, index) => publishBare(brokers, `bare-${round}-${index}`)));
  const found = figures(megabytes * 1e6, startMs, startCpu);
  brokers.close();
  return found;
}

async function produceAll(topic: string): Promise<void> {
  await createTopic(node!.bootstrap, topic, partitions);
  const records = Array.from({ length: 100 }, () => ({
    timestampMs: BigInt(Date.now()),
    key: null,
    value: randomBytes(batchBytes / 100 - 20),
    headers: [],
  }));
  const batch = encodeBatch({ baseOffset: 0n, compression: 'none', records });
  await Promise.all(
    Array.from({ length: partitions }, async (_, index) => {
      const client = await ProtocolClient.connect(node!.bootstrap);
      for (let sent = 0; sent < batches; ) {
        const { responses } = await client.send(produce, 9, {
          acks: -1,
          timeoutMs: 10_000,
          topicData: [{ name: topic, partitionData: [{ index, records: batch }] }],
        });
        const { errorCode } = responses[0]!.partitionResponses[0]!;
        if (errorCode === 0) sent++;
        else await delay(50);
      }
      client.close();
    }),
  );
}

async function moved(round: number): Promise<string> {
  const movedBytes = async () => (await admin.scrape()).value('sargasso_seaweedmq_moved_bytes_total');
  const before = await movedBytes();
  await broker!.kill();
  await produceAll(`moved-${round}`);
  await broker!.start();
  while ((await movedBytes()) === before) await delay(10);
  const startMs = performance.now();
  const startCpu = cpuSeconds();
  const startBytes = await movedBytes();
  // The end of it waits for the flush interval, which a rate is not to tell of.
  const enough = before + megabytes * 1e6 * STEADY_PART;
  let now = startBytes;
  while (now < enough) {
    await delay(200);
    now = await movedBytes();
  }
  const found = figures(now - startBytes, startMs, startCpu);
  while ((await admin.scrape()).value('sargasso_seaweedmq_unmoved_bytes') > 0) await delay(100);
  return found;
}

for (let round = 0; round < 3; round++) {
  console.log(`bare  ${await bare(round)}`);
  console.log(`moved ${await moved(round)}`);
}
await cluster.close();
process.exit(0);
