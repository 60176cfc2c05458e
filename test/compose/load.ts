// A small load on every partition of a topic by idempotent producers, which notes what was acknowledged and how long each
// partition waited for an acknowledgement.

import kafkajs from 'kafkajs';
import { eventually } from '../clients/waiting.ts';
import { kafkaAddresses } from './project.ts';

const retry = { retries: 60, initialRetryTime: 50, maxRetryTime: 500 };

export function client(brokers: readonly string[] = kafkaAddresses): kafkajs.Kafka {
  return new kafkajs.Kafka({
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 2_000,
    requestTimeout: 10_000,
    retry,
  });
}

interface PartitionLoad {
  readonly acknowledged: number[];
  lastAckMs: number;
  longestPauseMs: number;
}

export class Load {
  readonly topic: string;
  readonly #partitions: readonly PartitionLoad[];
  readonly #ends: Promise<void>[] = [];
  #stopping = false;
  #failures = 0;

  constructor(topic: string, partitionCount: number) {
    this.topic = topic;
    const nowMs = performance.now();
    this.#partitions = Array.from({ length: partitionCount }, () => ({
      acknowledged: [],
      lastAckMs: nowMs,
      longestPauseMs: 0,
    }));
  }

  start(): void {
    this.#partitions.forEach((load, partition) => {
      this.#ends.push(this.#produce(partition, load));
    });
  }

  async #produce(partition: number, load: PartitionLoad): Promise<void> {
    const open = async () => {
      const producer = client().producer({ idempotent: true, maxInFlightRequests: 1 });
      await producer.connect();
      return producer;
    };
    let producer = await open();
    for (let number = 0; !this.#stopping; number++) {
      try {
        await producer.send({ topic: this.topic, acks: -1, messages: [{ partition, value: String(number) }] });
        load.acknowledged.push(number);
        const nowMs = performance.now();
        load.longestPauseMs = Math.max(load.longestPauseMs, nowMs - load.lastAckMs);
        load.lastAckMs = nowMs;
      } catch {
        // The outcome is unknown; the number is not used again.
        this.#failures++;
        await producer.disconnect();
        producer = await open();
      }
    }
    await producer.disconnect();
  }

  /** Waits until every partition has so many further acknowledgements. */
  async advance(count: number, timeoutMs: number): Promise<void> {
    const goals = this.#partitions.map(({ acknowledged }) => acknowledged.length + count);
    await eventually(`${count} more acknowledged on every partition of ${this.topic}`, timeoutMs, async () => {
      const missing = this.#partitions.map(({ acknowledged }, index) => goals[index]! - acknowledged.length);
      if (missing.some((left) => left > 0)) throw new Error(`missing by partition: ${missing}`);
    });
  }

  /** @returns the longest time that a partition had no acknowledgement since the last call, ms */
  longestPauseMs(): number {
    const longest = Math.max(...this.#partitions.map((load) => load.longestPauseMs));
    for (const load of this.#partitions) load.longestPauseMs = 0;
    return Math.round(longest);
  }

  async stop(): Promise<{ readonly acknowledged: readonly (readonly number[])[]; readonly failures: number }> {
    this.#stopping = true;
    await Promise.all(this.#ends);
    return { acknowledged: this.#partitions.map(({ acknowledged }) => acknowledged), failures: this.#failures };
  }
}

/** Reads a topic from its start to its present end. @returns the values of each partition in order */
export async function readAll(topic: string, timeoutMs: number): Promise<number[][]> {
  const kafka = client();
  const admin = kafka.admin();
  await admin.connect();
  const ends = (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({ partition, end: BigInt(high) }));
  await admin.disconnect();
  const values: number[][] = ends.map(() => []);
  const next = ends.map(() => 0n);
  const consumer = kafka.consumer({ groupId: `reader-${topic}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      values[partition]!.push(Number(message.value));
      next[partition] = BigInt(message.offset) + 1n;
    },
  });
  try {
    await eventually(`${topic} read to its end`, timeoutMs, async () => {
      const behind = ends.filter(({ partition, end }) => next[partition]! < end);
      if (behind.length > 0) throw new Error(`${behind.length} partitions are not read to the end`);
    });
  } finally {
    await consumer.disconnect();
  }
  return values;
}
