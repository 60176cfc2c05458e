// kafkajs behind the common command line of the client programs (program.ts).

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import kafkajs from 'kafkajs';
import { type CompressionType, compress, decompress } from '../../../src/protocol/records/compression.ts';

const { CompressionTypes, CompressionCodecs, Kafka, logLevel } = kafkajs;
const codecTable = CompressionCodecs as Record<number, unknown>;
const codecs: Record<string, number> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};
// kafkajs brings gzip alone; what it gets here for the others, franz-go reads and writes too.
for (const codec of ['snappy', 'lz4', 'zstd'] as const satisfies CompressionType[])
  codecTable[codecs[codec]!] = () => ({
    compress: async (encoder: { buffer: Buffer }) => compress(codec, encoder.buffer),
    decompress: async (buffer: Buffer) => decompress(codec, buffer),
  });

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bootstrap: { type: 'string', default: '' },
    topic: { type: 'string', default: '' },
    codec: { type: 'string', default: 'none' },
    idempotent: { type: 'boolean', default: false },
    partitions: { type: 'string', default: '0' },
    count: { type: 'string', default: '0' },
    group: { type: 'string', default: '' },
    'session-timeout-ms': { type: 'string', default: '6000' },
    reset: { type: 'string', default: 'earliest' },
  },
});

const say = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);
const fail = (error: Error) => {
  say({ event: 'error', message: error.message });
  process.exit(1);
};
process.on('unhandledRejection', fail);

say({ event: 'started', pid: process.pid });
const kafka = new Kafka({
  clientId: 'kafkajs',
  brokers: [flags.bootstrap],
  logLevel: logLevel.ERROR,
  retry: { initialRetryTime: 100, retries: 8 },
});
const verbs: Record<string, () => Promise<void>> = { produce, consume, member };
await verbs[positionals[0] ?? '']!();

async function produce(): Promise<void> {
  const producer = kafka.producer({
    idempotent: flags.idempotent,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  const messages = [];
  for await (const line of createInterface({ input: process.stdin })) {
    const record = JSON.parse(line);
    const headers: Record<string, (Buffer | null)[]> = {};
    for (const [name, value] of record.headers) headers[name] = [...(headers[name] ?? []), fromBase64(value)];
    messages.push({
      partition: record.partition,
      key: fromBase64(record.key),
      value: fromBase64(record.value),
      headers: headers as Record<string, Buffer[]>,
      timestamp: String(record.timestamp),
    });
  }
  // kafkajs puts all of one send into one batch a partition; batches of 100 stay under max.message.bytes.
  for (let from = 0; from < messages.length; from += 100) {
    const part = messages.slice(from, from + 100);
    const sent = await producer.send({
      topic: flags.topic,
      acks: -1,
      compression: codecs[flags.codec]!,
      messages: part,
    });
    const next = new Map(sent.map((ack) => [ack.partition, Number(ack.baseOffset)]));
    part.forEach(({ partition }, index) => {
      const offset = next.get(partition)!;
      next.set(partition, offset + 1);
      say({ event: 'acked', index: from + index, partition, offset });
    });
  }
  await producer.disconnect();
}

async function consume(): Promise<void> {
  let left = Number(flags.count);
  const consumer = kafka.consumer({ groupId: `consume-${process.pid}-${Date.now()}` });
  await consumer.connect();
  await consumer.subscribe({ topic: flags.topic, fromBeginning: true });
  await new Promise<void>((resolve) => {
    void consumer.run({
      eachMessage: async ({ partition, message }) => {
        sayRecord(partition, message);
        if (--left === 0) resolve();
      },
    });
  });
  await consumer.disconnect();
}

async function member(): Promise<void> {
  const consumer = kafka.consumer({
    groupId: flags.group,
    sessionTimeout: Number(flags['session-timeout-ms']),
    heartbeatInterval: Number(flags['session-timeout-ms']) / 8,
    // This client sends its heartbeats between fetches, and a fetch waits 5 s unless told: longer than the session.
    maxWaitTimeInMs: Number(flags['session-timeout-ms']) / 8,
    rebalanceTimeout: 20_000,
  });
  consumer.on('consumer.group_join', ({ payload }) => {
    say({ event: 'assigned', partitions: payload.memberAssignment[flags.topic] ?? [] });
  });
  consumer.on('consumer.rebalancing', () => say({ event: 'assigned', partitions: [] }));
  consumer.on('consumer.crash', ({ payload }) => {
    if (!payload.restart) fail(payload.error);
  });
  await consumer.connect();
  await consumer.subscribe({ topic: flags.topic, fromBeginning: flags.reset === 'earliest' });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      for (const message of batch.messages) {
        sayRecord(batch.partition, message);
        resolveOffset(message.offset);
      }
      const offset = String(Number(batch.lastOffset()) + 1);
      await consumer.commitOffsets([{ topic: flags.topic, partition: batch.partition, offset }]);
      say({ event: 'committed', offsets: { [batch.partition]: Number(offset) } });
      await heartbeat();
    },
  });
  await new Promise((resolve) => process.once('SIGTERM', resolve));
  await consumer.disconnect();
  process.exit(0);
}

function sayRecord(partition: number, message: kafkajs.KafkaMessage): void {
  const headers = Object.entries(message.headers ?? {}).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values]).map((value) => [name, toBase64(value)]),
  );
  say({
    event: 'record',
    partition,
    offset: Number(message.offset),
    timestamp: Number(message.timestamp),
    key: toBase64(message.key),
    value: toBase64(message.value),
    headers,
  });
}

function fromBase64(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text, 'base64');
}

function toBase64(bytes: Buffer | string | null | undefined): string | null {
  return bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('base64');
}
