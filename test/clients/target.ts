// What the client tests run against: this project's broker, or Apache Kafka with SARGASSO_TEST_TARGET=kafka, which proves
// the tests and the client programs themselves.

import kafkajs from 'kafkajs';
import { type BrokerOptions, type BrokerProcess, startBroker } from '../support/broker-process.ts';
import { startKafka } from '../support/kafka-process.ts';

/** Settings under which groups form and expire fast enough for a test; both brokers take them. */
const testConfig = {
  'group.initial.rebalance.delay.ms': '100',
  'group.min.session.timeout.ms': '1000',
  'offsets.topic.num.partitions': '10',
};

const startTimeoutMs = 360_000;

/**
 * For the body of a `describe`: starts the broker under test before its tests and removes it after them. What the broker
 * printed follows a failed test.
 * @returns the broker, once the tests run
 */
export function useTarget(options: BrokerOptions = {}): () => BrokerProcess {
  let broker: BrokerProcess | undefined;
  before(async function () {
    this.timeout(startTimeoutMs);
    broker = await startTarget(options);
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.error(`the broker printed:\n${broker?.output().slice(-4096)}`);
  });
  after(async function () {
    this.timeout(startTimeoutMs);
    await broker?.remove();
  });
  return () => broker!;
}

function startTarget(options: BrokerOptions): Promise<BrokerProcess> {
  const config = { ...testConfig, ...options.config };
  const target = process.env.SARGASSO_TEST_TARGET ?? 'sargasso';
  if (target === 'kafka') return startKafka({ ...options, config });
  if (target === 'sargasso') return startBroker({ ...options, config });
  throw new Error(`SARGASSO_TEST_TARGET=${target}: allowed are sargasso and kafka`);
}

/** An admin connection of the test itself, apart from the client under test. */
export async function withAdmin<T>(bootstrap: string, work: (admin: kafkajs.Admin) => Promise<T>): Promise<T> {
  const admin = new kafkajs.Kafka({
    brokers: [bootstrap],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { initialRetryTime: 50 },
  }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Creates a topic and waits until it has leaders. */
export async function createTopic(bootstrap: string, topic: string, numPartitions: number): Promise<void> {
  await withAdmin(bootstrap, (admin) =>
    admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true }),
  );
}

/** What a group has committed for a topic, by partition; undefined where it has nothing. */
export async function committedOffsets(
  bootstrap: string,
  group: string,
  topic: string,
): Promise<Map<number, number | undefined>> {
  const found = await withAdmin(bootstrap, (admin) => admin.fetchOffsets({ groupId: group, topics: [topic] }));
  const partitions = found.find((each) => each.topic === topic)?.partitions ?? [];
  return new Map(partitions.map(({ partition, offset }) => [partition, offset === '-1' ? undefined : Number(offset)]));
}

/** Where each partition of a topic ends. */
export async function endOffsets(bootstrap: string, topic: string): Promise<Map<number, number>> {
  const found = await withAdmin(bootstrap, (admin) => admin.fetchTopicOffsets(topic));
  return new Map(found.map(({ partition, high }) => [partition, Number(high)]));
}

/** A group's state by Kafka's name, e.g. `Stable`. */
export async function groupState(bootstrap: string, group: string): Promise<string> {
  const { groups } = await withAdmin(bootstrap, (admin) => admin.describeGroups([group]));
  return groups[0]!.state;
}
