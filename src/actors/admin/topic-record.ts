// A topic as the metadata store holds it: JSON under `topics/<name>`, so that an operator can read it. The name is the
// key, which makes it unique in the cluster by compare-and-set alone.

export const TOPICS_PREFIX = 'topics/';

const recordVersion = 1;

export interface TopicRecord {
  readonly id: string;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly configs: ReadonlyMap<string, string>;
  /** ms since 1970. */
  readonly createdMs: number;
}

/** Where the topic's record lies in the metadata store. */
export function topicKey(name: string): string {
  return `${TOPICS_PREFIX}${name}`;
}

export function encodeTopicRecord(record: TopicRecord): Uint8Array {
  const { id, partitionCount, replicationFactor, configs, createdMs } = record;
  return Buffer.from(
    JSON.stringify({
      version: recordVersion,
      id,
      partitionCount,
      replicationFactor,
      configs: Object.fromEntries(configs),
      createdMs,
    }),
  );
}

/** The record, or why these bytes are none that this release understands. */
export function decodeTopicRecord(bytes: Uint8Array): TopicRecord | string {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return 'not JSON';
  }
  if (typeof value !== 'object' || value === null) return 'not an object';
  const { version, id, partitionCount, replicationFactor, configs, createdMs } = value as Record<string, unknown>;
  if (version !== recordVersion) return `version ${String(version)}, where this release knows ${recordVersion}`;
  if (typeof id !== 'string' || !/^[A-Za-z0-9_-]{22}$/.test(id)) return 'no topic id';
  if (!isCount(partitionCount) || !isCount(replicationFactor)) return 'no partition count or replication factor';
  if (typeof createdMs !== 'number' || typeof configs !== 'object' || configs === null) return 'fields missing';
  const entries = Object.entries(configs as Record<string, unknown>);
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) return 'a config is no text';
  return { id, partitionCount, replicationFactor, configs: new Map(entries), createdMs };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0;
}
