// The SeaweedMQ topics that a cluster writes: one for a shard, its epoch and a generation, each written by one owner
// through one publish stream at a time. A broken stream is followed by a new generation, so that a broker that comes back
// can never mix two streams' messages or hand out positions twice (docs/decisions/0004-seaweedmq.md).
//
// In the filer a topic's log files lie in /topics/<namespace>/<topic>/<version>/<range>/<second of the first message>.

import type { MqPartition } from './protos.ts';

export interface ShardTopic {
  readonly name: string;
  readonly shard: number;
  readonly epoch: number;
  readonly generation: number;
}

const SHARD_TOPIC = /^shard-(\d+)-(\d+)-(\d+)$/;
const VERSION = /^v\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d$/;
const RANGE = /^\d{4,}-\d{4,}$/;
const LOG_FILE = /^\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d$/;

export function shardTopic(shard: number, epoch: number, generation: number): ShardTopic {
  return { name: `shard-${shard}-${epoch}-${generation}`, shard, epoch, generation };
}

/** The prefix that the names of all topics of a shard have. */
export function shardTopicPrefix(shard: number): string {
  return `shard-${shard}-`;
}

/** The topic with this name, or undefined when it is not one of this store. */
export function parseShardTopic(name: string): ShardTopic | undefined {
  const match = SHARD_TOPIC.exec(name);
  return match === null ? undefined : shardTopic(Number(match[1]), Number(match[2]), Number(match[3]));
}

export function namespaceDirectory(namespace: string): string {
  return `/topics/${namespace}`;
}

export function topicDirectory(namespace: string, topic: string): string {
  return `/topics/${namespace}/${topic}`;
}

/** The folder of a partition's log files, as SeaweedMQ names it (weed/mq/topic/partition.go, PartitionDir). */
export function partitionDirectory(namespace: string, topic: string, partition: MqPartition): string {
  const seconds = Number(BigInt(partition.unix_time_ns) / 1_000_000_000n);
  const version = new Date(seconds * 1000).toISOString().slice(0, 19).replace(/[T:]/g, '-');
  const range = `${padded(partition.range_start)}-${padded(partition.range_stop)}`;
  return `${topicDirectory(namespace, topic)}/v${version}/${range}`;
}

/** The topic that a folder of log files belongs to, or undefined when it is not one of this store's. */
export function topicOfPartitionDirectory(namespace: string, directory: string): ShardTopic | undefined {
  const prefix = `${namespaceDirectory(namespace)}/`;
  if (!directory.startsWith(prefix)) return undefined;
  const [topic, version, range, ...rest] = directory.slice(prefix.length).split('/');
  if (rest.length > 0 || !isVersion(version ?? '') || !isRange(range ?? '')) return undefined;
  return parseShardTopic(topic!);
}

export function isVersion(name: string): boolean {
  return VERSION.test(name);
}

export function isRange(name: string): boolean {
  return RANGE.test(name);
}

/** Whether a file beside the log files is one: there are also checkpoints and, if an operator made them, parquet files. */
export function isLogFile(name: string): boolean {
  return LOG_FILE.test(name);
}

function padded(position: number): string {
  return String(position).padStart(4, '0');
}

/** The folder of a topic's index pages; `topic` may be left out for that of all topics. */
export function indexDirectory(namespace: string, topic?: string): string {
  const all = `/sargasso-index/${namespace}`;
  return topic === undefined ? all : `${all}/${topic}`;
}
