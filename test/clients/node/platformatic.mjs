// @platformatic/kafka behind the common command line of the client programs (program.ts).
//
// It runs on a newer Node than this project, from packages that are no dependency of it, so it is JavaScript and finds
// them in the folder that SARGASSO_CLIENT_PACKAGES names.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const packages = createRequire(join(process.env.SARGASSO_CLIENT_PACKAGES, 'package.json'));
const { Consumer, Producer } = await import(pathToFileURL(packages.resolve('@platformatic/kafka')).href);

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bootstrap: { type: 'string' },
    topic: { type: 'string' },
    codec: { type: 'string', default: 'none' },
    idempotent: { type: 'boolean', default: false },
    partitions: { type: 'string' },
    count: { type: 'string' },
    group: { type: 'string' },
    'session-timeout-ms': { type: 'string', default: '6000' },
    reset: { type: 'string', default: 'earliest' },
  },
});

const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const fail = (error) => {
  say({ event: 'error', message: `${error.message} ${(error.errors ?? []).map((each) => each.message).join('; ')}` });
  console.error(error);
  process.exit(1);
};
process.on('unhandledRejection', fail);
const client = { clientId: 'platformatic', bootstrapBrokers: [flags.bootstrap] };

say({ event: 'started', pid: process.pid });
await { produce, consume, member }[positionals[0]]();

async function produce() {
  const producer = new Producer({
    ...client,
    acks: -1,
    compression: flags.codec,
    idempotent: flags.idempotent,
    autocreateTopics: false,
  });
  const messages = [];
  for await (const line of createInterface({ input: process.stdin })) {
    const record = JSON.parse(line);
    messages.push({
      topic: flags.topic,
      partition: record.partition,
      key: fromBase64(record.key),
      value: fromBase64(record.value),
      timestamp: BigInt(record.timestamp),
      // By the buffer, so that a name may come twice.
      headers: new Map(record.headers.map(([name, value]) => [Buffer.from(name), fromBase64(value)])),
    });
  }
  for (let from = 0; from < messages.length; from += 100) {
    const part = messages.slice(from, from + 100);
    const { offsets } = await producer.send({ messages: part });
    const next = new Map(offsets.map((ack) => [ack.partition, Number(ack.offset)]));
    part.forEach(({ partition }, index) => {
      const offset = next.get(partition);
      next.set(partition, offset + 1);
      say({ event: 'acked', index: from + index, partition, offset });
    });
  }
  await producer.close();
}

async function consume() {
  const consumer = new Consumer({ ...client, groupId: `consume-${process.pid}-${Date.now()}` });
  let left = Number(flags.count);
  const stream = await consumer.consume({ topics: [flags.topic], mode: 'earliest', autocommit: false });
  for await (const message of stream) {
    sayRecord(message);
    if (--left === 0) break;
  }
  await consumer.close(true);
}

async function member() {
  const consumer = new Consumer({
    ...client,
    groupId: flags.group,
    sessionTimeout: Number(flags['session-timeout-ms']),
    heartbeatInterval: Number(flags['session-timeout-ms']) / 8,
    rebalanceTimeout: 20_000,
  });
  consumer.on('consumer:group:join', ({ assignments }) => {
    const owned = (assignments ?? []).find((each) => each.topic === flags.topic);
    say({ event: 'assigned', partitions: owned?.partitions ?? [] });
  });
  consumer.on('consumer:group:rebalance', () => say({ event: 'assigned', partitions: [] }));
  const fallbackMode = flags.reset === 'none' ? 'fail' : 'earliest';
  const stream = await consumer.consume({
    topics: [flags.topic],
    mode: 'committed',
    fallbackMode,
    autocommit: false,
    maxWaitTime: 500,
  });
  process.once('SIGTERM', () => consumer.close(true).then(() => process.exit(0), fail));
  for await (const message of stream) {
    sayRecord(message);
    await message.commit();
    say({ event: 'committed', offsets: { [message.partition]: Number(message.offset) + 1 } });
  }
}

function sayRecord(message) {
  say({
    event: 'record',
    partition: message.partition,
    offset: Number(message.offset),
    timestamp: Number(message.timestamp),
    key: toBase64(message.key),
    value: toBase64(message.value),
    headers: message.headerEntries.map(([name, value]) => [String(name), toBase64(value)]),
  });
}

function fromBase64(text) {
  return text === null ? null : Buffer.from(text, 'base64');
}

function toBase64(bytes) {
  return bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('base64');
}
