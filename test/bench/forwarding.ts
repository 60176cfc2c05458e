// What a hop costs: produce and fetch of a topic whose partition belongs to the node that is asked, and of one whose
// partition belongs to the other. Both nodes advertise the first one's address, so that its clients never learn the
// second one's. The journal is one nats-server. Prints both, run by run in turn, and the ratio of the medians.
//
//   npx tsx test/bench/forwarding.ts --peerbench DIR [--runs N]

import { parseArgs } from 'node:util';
import { createTopics } from '../../src/protocol/apis/create-topics.ts';
import { metadata } from '../../src/protocol/apis/metadata.ts';
import { startBroker } from '../support/broker-process.ts';
import { startNats } from '../support/nats-process.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { buildPeerbench, type Figures, runPeerbench } from './peerbench.ts';
import { spread } from './spread.ts';

const PARTITIONS = 1;
const RECORDS = 300_000;
const TRIES_MAX = 500;

const { values: options } = parseArgs({
  options: { peerbench: { type: 'string' }, runs: { type: 'string', default: '3' } },
});
const program = await buildPeerbench(options.peerbench);
const nats = await startNats();
const common = {
  storage: 'journal',
  'nats.servers': nats.addresses.join(','),
  'journal.replicas': '1',
  'admin.listeners': '',
  'auto.create.topics.enable': 'false',
};
const first = await startBroker({ compiled: true, config: { ...common, 'node.id': '1' } });
const second = await startBroker({
  compiled: true,
  config: { ...common, 'node.id': '2', 'advertised.listeners': `PLAINTEXT://${first.bootstrap}` },
});
try {
  const client = await ProtocolClient.connect(first.bootstrap);
  const pids = [first, second, ...nats.servers].map(({ pid }) => pid).join(',');
  const figures = {
    local: { produce: [] as number[], fetch: [] as number[] },
    forwarded: { produce: [] as number[], fetch: [] as number[] },
  };
  for (let run = 0; run < Number(options.runs); run++) {
    for (const [where, leader] of [
      ['local', 1],
      ['forwarded', 2],
    ] as const) {
      const topic = await topicLedBy(client, leader);
      const words = ['-topic', topic, '-partitions', String(PARTITIONS), '-brokers', first.bootstrap, '-pid', pids];
      const produced = await runPeerbench(program, ['produce', '-records', String(RECORDS), ...words]);
      const consumed = await runPeerbench(program, ['consume', ...words]);
      figures[where].produce.push(Number(produced.mb_s));
      figures[where].fetch.push(Number(consumed.mb_s));
      const show = ({ mb_s, broker_cpu_s, records }: Figures) =>
        `${mb_s} MB/s, ${((Number(broker_cpu_s) * 1e6) / Number(records)).toFixed(1)} us of CPU a record`;
      console.log(`${where}: produce ${show(produced)}; fetch ${show(consumed)}`);
    }
  }
  client.close();
  for (const what of ['produce', 'fetch'] as const) {
    const ratio = spread(figures.forwarded[what]).median / spread(figures.local[what]).median;
    console.log(`${what}: forwarded / local ${ratio.toFixed(2)}   goal >= 0.4`);
  }
} finally {
  await second.remove();
  await first.remove();
  await nats.close();
}

/** Creates topics until one is led by the node; the others are small and stay. */
async function topicLedBy(client: ProtocolClient, leader: number): Promise<string> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const name = `led-by-${leader}-${Date.now()}-${attempt}`;
    await client.send(createTopics, 5, {
      topics: [{ name, numPartitions: PARTITIONS, replicationFactor: -1, assignments: [], configs: [] }],
      timeoutMs: 10_000,
      validateOnly: false,
    });
    const { topics } = await client.send(metadata, 8, { topics: [{ name }], allowAutoTopicCreation: false });
    if (topics[0]!.partitions.every(({ leaderId }) => leaderId === leader)) return name;
  }
  throw new Error(`no topic of ${TRIES_MAX} is led by node ${leader}`);
}
