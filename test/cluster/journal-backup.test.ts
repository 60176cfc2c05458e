// What docs/operations.md says of a backup of the journal: JetStream's snapshots of the three streams, taken while no node
// runs and restored into another NATS, give the cluster as it was.

import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { expect } from 'chai';
import kafkajs from 'kafkajs';
import { type BrokerProcess, startBroker } from '../support/broker-process.ts';
import { type NatsProcesses, startNats } from '../support/nats-process.ts';

const startTimeoutMs = 360_000;
const testTimeoutMs = 60_000;
const prefix = 'backed-up';
const streams = [`${prefix}-log-0`, `${prefix}-index`, `KV_${prefix}-metadata`] as const;

interface Snapshot {
  readonly stream: string;
  readonly config: unknown;
  readonly state: unknown;
  readonly chunks: readonly Uint8Array[];
}

async function ask<Answer>(nats: NatsConnection, subject: string, request: unknown): Promise<Answer> {
  const answer = (await nats.request(subject, JSON.stringify(request), { timeout: 20_000 })).json<
    Answer & { error?: { description: string } }
  >();
  if (answer.error !== undefined) throw new Error(`${subject}: ${answer.error.description}`);
  return answer;
}

/** As `nats stream backup` does it: the server sends a tar file in chunks, each of which is acknowledged. */
async function backUp(nats: NatsConnection, stream: string): Promise<Snapshot> {
  const inbox = `_INBOX.backup.${stream}`;
  const chunks: Uint8Array[] = [];
  const complete = new Promise<void>((resolve, reject) => {
    const subscription = nats.subscribe(inbox, {
      callback: (error: Error | null, message: Msg) => {
        if (error !== null) return reject(error);
        if (message.data.length > 0) {
          chunks.push(message.data.slice());
          message.respond();
          return;
        }
        subscription.unsubscribe();
        resolve();
      },
    });
  });
  const { config, state } = await ask<{ config: unknown; state: unknown }>(nats, `$JS.API.STREAM.SNAPSHOT.${stream}`, {
    deliver_subject: inbox,
    no_consumers: true,
    jsck: true,
  });
  await complete;
  return { stream, config, state, chunks };
}

/** As `nats stream restore` does it. */
async function restore(nats: NatsConnection, { stream, config, state, chunks }: Snapshot): Promise<void> {
  const { deliver_subject: subject } = await ask<{ deliver_subject: string }>(
    nats,
    `$JS.API.STREAM.RESTORE.${stream}`,
    { config, state },
  );
  for (const chunk of chunks) await nats.request(subject, chunk, { timeout: 20_000 });
  const { error } = (await nats.request(subject, '', { timeout: 20_000 })).json<{ error?: { description: string } }>();
  if (error !== undefined) throw new Error(`restoring ${stream}: ${error.description}`);
}

function startNode(nats: NatsProcesses): Promise<BrokerProcess> {
  const config = {
    storage: 'journal',
    'node.id': '1',
    'nats.servers': nats.addresses.join(','),
    'nats.prefix': prefix,
    'journal.replicas': '1',
  };
  return startBroker({ config });
}

function clientOf(node: BrokerProcess): kafkajs.Kafka {
  return new kafkajs.Kafka({ brokers: [node.bootstrap], logLevel: kafkajs.logLevel.NOTHING });
}

async function produce(node: BrokerProcess, values: readonly string[]): Promise<void> {
  const producer = clientOf(node).producer();
  await producer.connect();
  for (const value of values) await producer.send({ topic: 'precious', messages: [{ value }] });
  await producer.disconnect();
}

/** Values by offset, of a new group, until `count` have come. */
async function consume(node: BrokerProcess, groupId: string, count: number): Promise<string[]> {
  const consumer = clientOf(node).consumer({ groupId });
  const read: string[] = [];
  try {
    await consumer.connect();
    await consumer.subscribe({ topic: 'precious', fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          eachMessage: async ({ message }) => {
            read[Number(message.offset)] = String(message.value);
            if (read.length >= count) resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return read;
}

describe('a backup of the journal', () => {
  let original: NatsProcesses;
  let other: NatsProcesses;
  const nodes: BrokerProcess[] = [];

  before(async function () {
    this.timeout(startTimeoutMs);
    [original, other] = await Promise.all([startNats(), startNats()]);
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.remove()));
    await Promise.all([original?.close(), other?.close()]);
  });

  it('gives records, topics and committed offsets back in another NATS, and the cluster goes on', async function () {
    this.timeout(testTimeoutMs);
    const before = await startNode(original);
    nodes.push(before);
    const values = Array.from({ length: 50 }, (_, index) => `value ${index}`);
    await produce(before, values);
    expect(await consume(before, 'readers', values.length)).to.deep.equal(values);
    await before.stop();

    const from = await connect({ servers: original.addresses });
    const to = await connect({ servers: other.addresses });
    const listed = await ask<{ streams: string[] }>(from, '$JS.API.STREAM.NAMES', {});
    expect(listed.streams, 'nothing else is to be backed up').to.have.members([...streams]);
    for (const stream of streams) await restore(to, await backUp(from, stream));
    await Promise.all([from.close(), to.close()]);

    const after = await startNode(other);
    nodes.push(after);
    const admin = clientOf(after).admin();
    await admin.connect();
    const [offsets] = await admin.fetchOffsets({ groupId: 'readers', topics: ['precious'] });
    await admin.disconnect();
    expect(offsets?.partitions.map(({ offset }) => offset)).to.deep.equal([String(values.length)]);
    await produce(after, ['one more']);
    expect(await consume(after, 'late readers', values.length + 1)).to.deep.equal([...values, 'one more']);
  });
});
