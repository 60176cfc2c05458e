// What a seed stands for: the sizes and habits of everything in a world, drawn once, as data.

import { type BrokerConfig, brokerConfigWith } from '../../src/config.ts';
import type { CompressionType } from '../../src/protocol/records/compression.ts';
import { drawFaults, type Fault } from './faults.ts';
import type { NetworkConditions } from './network.ts';
import { SeededRandom } from './random.ts';

export interface TopicPlan {
  readonly name: string;
  readonly partitionCount: number;
  readonly configs: Readonly<Record<string, string>>;
}

export interface ProducerPlan {
  readonly name: string;
  readonly topic: string;
  readonly idempotent: boolean;
  readonly inFlightMax: number;
  readonly acks: -1 | 0 | 1;
  readonly intervalMeanMs: number;
  readonly batchRecordsMax: number;
  readonly valueBytes: number;
  readonly compression: CompressionType;
  readonly deliveryTimeoutMs: number;
  readonly spoilChance: number;
}

export interface ConsumerPlan {
  readonly name: string;
  readonly topics: readonly string[];
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly partitionMaxBytes: number;
}

export interface MemberPlan {
  readonly name: string;
  readonly groupId: string;
  readonly instanceId: string | null;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly commitMs: number;
  readonly maxWaitMs: number;
  /** Joins then, ms. */
  readonly joinMs: number;
  /** Goes away then and comes back after a while, ms; Infinity: stays. */
  readonly goMs: number;
  readonly goes: 'leave' | 'die';
  readonly awayMs: number;
}

export interface Scenario {
  readonly seed: number;
  readonly nodes: readonly BrokerConfig[];
  readonly network: NetworkConditions;
  readonly disk: { readonly writeMeanMs: number; readonly readMeanMs: number };
  readonly topics: readonly TopicPlan[];
  readonly producers: readonly ProducerPlan[];
  readonly consumers: readonly ConsumerPlan[];
  readonly members: readonly MemberPlan[];
  /** Mean time between deletions of records, ms; Infinity: none. */
  readonly deleteRecordsMeanMs: number;
  /** Mean time between the creations of short-lived topics, ms; Infinity: none. */
  readonly churnMeanMs: number;
  readonly faults: readonly Fault[];
  /** Clients work and faults happen for this long. */
  readonly busyMs: number;
}

const TOPIC_CONFIGS: readonly TopicPlan['configs'][] = [
  {},
  {},
  { 'message.timestamp.type': 'LogAppendTime' },
  { 'compression.type': 'gzip' },
  { 'compression.type': 'uncompressed' },
  // Records go by themselves, in the order in which they came.
  { 'retention.bytes': '4000' },
];

/** The scenario of a seed. */
export function drawScenario(seed: number, nodeCount = 1): Scenario {
  const random = new SeededRandom(seed).fork('scenario');
  const busyMs = random.int(4_500, 9_000);
  const topics = Array.from({ length: random.int(1, 2) }, (_, index) => ({
    name: `topic-${index}`,
    partitionCount: random.int(1, 3),
    configs: random.pick(TOPIC_CONFIGS),
  }));
  const names = topics.map(({ name }) => name);
  const producers = Array.from({ length: random.int(1, 3) }, (_, index) => drawProducer(random, index, names));
  const consumers = Array.from({ length: random.int(1, 2) }, (_, index) => drawConsumer(random, index, names));
  const members = random.chance(0.6) ? drawMembers(random.fork('members'), busyMs) : [];
  const clients = [...producers, ...consumers, ...members].map(({ name }) => name);
  const nodes = drawNodes(random, nodeCount);
  return {
    seed,
    nodes,
    network: { delayMeanMs: random.pick([0.2, 1, 5]), splitChance: random.pick([0, 0.1, 0.5]) },
    disk: { writeMeanMs: random.pick([0.2, 2, 10]), readMeanMs: random.pick([0.1, 1, 5]) },
    topics,
    producers,
    consumers,
    members,
    deleteRecordsMeanMs: random.chance(0.4) ? random.int(500, 3_000) : Number.POSITIVE_INFINITY,
    churnMeanMs: random.chance(0.25) ? random.int(1_000, 4_000) : Number.POSITIVE_INFINITY,
    faults: drawFaults(random.fork('faults'), {
      fromMs: 500,
      untilMs: busyMs,
      nodes: nodes.map(({ nodeId }) => nodeId),
      clients,
      count: random.int(1, 8),
    }),
    busyMs,
  };
}

function drawNodes(random: SeededRandom, count: number): BrokerConfig[] {
  const options = {
    shards: String(random.int(1, 4)),
    'partition.checkpoint.batches': String(random.pick([1, 3, 20, 5_000])),
    'tail.cache.bytes': String(random.pick([0, 400, 4_000, 1_000_000])),
    'actor.passivate.after.ms': String(random.pick([1_000, 300_000])),
    'mailbox.messages.max': String(random.pick([4, 4_096])),
    'shard.append.bytes.max': '65536',
    'connection.requests.in.flight.max': String(random.pick([1, 3, 64])),
    'client.unread.timeout.ms': String(random.pick([1_000, 60_000])),
    'max.incremental.fetch.session.cache.slots': String(random.pick([0, 1, 1_000])),
    'log.retention.check.interval.ms': '3000',
    'producer.id.expiration.check.interval.ms': '2000',
    'drain.timeout.ms': '3000',
    'auto.create.topics.enable': 'false',
    'offsets.topic.num.partitions': String(random.int(1, 3)),
    'group.initial.rebalance.delay.ms': String(random.pick([0, 300])),
    'group.min.session.timeout.ms': '500',
  };
  // Drawn last, and for several nodes only: what a seed of one node means stays.
  const detection: Record<string, string> =
    count === 1 ? {} : { 'failure.detection.ms': String(random.pick([500, 1_000, 3_000])) };
  return Array.from({ length: count }, (_, index) =>
    brokerConfigWith({ ...options, ...detection, 'node.id': String(index + 1) }),
  );
}

function drawProducer(random: SeededRandom, index: number, topics: readonly string[]): ProducerPlan {
  const idempotent = random.chance(0.7);
  return {
    name: `producer-${index}`,
    topic: random.pick(topics),
    idempotent,
    inFlightMax: random.pick([1, 2, 5]),
    acks: idempotent ? -1 : random.pick([-1, -1, 1, 0]),
    intervalMeanMs: random.pick([40, 100, 300]),
    batchRecordsMax: random.pick([1, 3, 10]),
    valueBytes: random.pick([10, 100, 700]),
    compression: random.pick(['none', 'none', 'gzip', 'lz4', 'snappy'] as const),
    deliveryTimeoutMs: random.pick([2_000, 20_000]),
    spoilChance: random.pick([0, 0, 0.05]),
  };
}

function drawConsumer(random: SeededRandom, index: number, topics: readonly string[]): ConsumerPlan {
  const minBytes = random.pick([1, 1, 2_000]);
  return {
    name: `consumer-${index}`,
    topics,
    maxWaitMs: random.pick([0, 100, 500]),
    minBytes,
    maxBytes: random.pick([1, 3_000, 1_000_000]),
    // A consumer that wants more than it takes of any partition waits its time out at every fetch, as with Kafka.
    partitionMaxBytes: minBytes > 1 ? 100_000 : random.pick([1, 1_000, 100_000]),
  };
}

function drawMembers(random: SeededRandom, busyMs: number): MemberPlan[] {
  const groupCount = random.int(1, 2);
  const sessionTimeoutMs = random.pick([1_000, 3_000, 6_000]);
  const rebalanceTimeoutMs = random.pick([2_000, 5_000]);
  // A member hears of a rebalance from its heartbeat, and has to join before the time-out.
  const heartbeatMs = Math.min(sessionTimeoutMs / random.pick([3, 10]), rebalanceTimeoutMs / 4);
  return Array.from({ length: random.int(1, 5) }, (_, index) => ({
    name: `member-${index}`,
    groupId: `group-${index % groupCount}`,
    instanceId: random.chance(0.25) ? `instance-${index}` : null,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    heartbeatMs,
    commitMs: random.pick([100, 400, 1_500]),
    maxWaitMs: random.pick([50, 300]),
    joinMs: random.chance(0.5) ? 0 : random.int(0, busyMs),
    goMs: random.chance(0.5) ? Number.POSITIVE_INFINITY : random.int(0, busyMs),
    goes: random.pick(['leave', 'die'] as const),
    awayMs: random.int(10, 3_000),
  }));
}
