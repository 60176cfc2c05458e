// Options of topics and their logs: what a topic gets that says nothing itself.

import { bigLong, boolean, int, list, long, oneOf } from '../definition.ts';
import { longMax } from '../value-types.ts';

export const compressionTypes = ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'] as const;
export const timestampTypes = ['CreateTime', 'LogAppendTime'] as const;
export const cleanupPolicies = ['compact', 'delete'] as const;

export const logOptions = {
  'auto.create.topics.enable': boolean({
    default: true,
    meaning: 'Whether a topic is created when a client that allows it asks for its metadata.',
  }),
  'delete.topic.enable': boolean({ default: true, meaning: 'Whether topics can be deleted.' }),
  'num.partitions': int({
    default: 1,
    min: 1,
    meaning: 'Partitions of a topic created without a number.',
  }),
  'default.replication.factor': int({
    default: 1,
    min: 1,
    meaning:
      'How many nodes clients are shown as replicas of a partition, for a topic created without a number. How many copies there are is the matter of the store.',
  }),
  'message.max.bytes': int({
    default: 1048588,
    min: 0,
    unit: 'bytes',
    dynamic: 'cluster-wide',
    meaning: 'The largest record batch. Topics override it with max.message.bytes.',
  }),
  'compression.type': oneOf({
    default: 'producer',
    words: compressionTypes,
    dynamic: 'cluster-wide',
    meaning: 'How batches are compressed when stored; producer keeps what the producer chose.',
  }),
  'compression.gzip.level': int({
    default: -1,
    min: 1,
    max: 9,
    or: -1,
    dynamic: 'cluster-wide',
    meaning: 'The level where the broker itself compresses with gzip. -1: the default of the library.',
  }),
  'compression.lz4.level': int({
    default: 9,
    min: 1,
    max: 17,
    dynamic: 'cluster-wide',
    meaning: 'The level where the broker itself compresses with lz4.',
    withoutEffect: 'the lz4 library in use has no levels',
  }),
  'compression.zstd.level': int({
    default: 3,
    min: -131072,
    max: 22,
    dynamic: 'cluster-wide',
    meaning: 'The level where the broker itself compresses with zstd.',
  }),
  'log.cleanup.policy': list({
    default: ['delete'],
    words: cleanupPolicies,
    dynamic: 'cluster-wide',
    meaning: 'What happens to old records: delete applies the retention limits. Empty: they stay for ever.',
  }),
  'log.retention.ms': bigLong({
    default: null,
    unit: 'ms',
    dynamic: 'cluster-wide',
    min: -1,
    meaning: 'How long records are kept; -1 for ever. Unset: log.retention.minutes, else log.retention.hours rules.',
  }),
  'log.retention.minutes': int({
    default: null,
    unit: 'minutes',
    meaning: 'How long records are kept, where log.retention.ms is not set.',
  }),
  'log.retention.hours': int({
    default: 168,
    unit: 'hours',
    meaning: 'How long records are kept, where neither log.retention.ms nor log.retention.minutes is set.',
  }),
  'log.retention.bytes': long({
    default: -1,
    unit: 'bytes',
    dynamic: 'cluster-wide',
    meaning: 'How much of a partition is kept; -1: no limit.',
  }),
  'log.retention.check.interval.ms': long({
    default: 300000,
    min: 1,
    unit: 'ms',
    meaning: 'How often the retention limits are applied.',
  }),
  'log.message.timestamp.type': oneOf({
    default: 'CreateTime',
    words: timestampTypes,
    dynamic: 'cluster-wide',
    meaning: "Whether a record keeps its producer's timestamp or gets the time of its append.",
  }),
  'log.message.timestamp.before.max.ms': bigLong({
    default: longMax,
    min: 0,
    unit: 'ms',
    dynamic: 'cluster-wide',
    meaning: "How far a record's timestamp may lie behind the broker's clock; only with CreateTime.",
  }),
  'log.message.timestamp.after.max.ms': bigLong({
    default: 3600000n,
    min: 0,
    unit: 'ms',
    dynamic: 'cluster-wide',
    meaning: "How far a record's timestamp may lie ahead of the broker's clock; only with CreateTime.",
  }),
  'producer.id.expiration.ms': int({
    default: 86400000,
    min: 1,
    unit: 'ms',
    dynamic: 'cluster-wide',
    meaning: 'How long a partition remembers an idempotent producer that no longer writes.',
  }),
  'producer.id.expiration.check.interval.ms': int({
    default: 600000,
    min: 1,
    unit: 'ms',
    internal: true,
    meaning: 'How often forgotten producers are looked for.',
  }),
} as const;
