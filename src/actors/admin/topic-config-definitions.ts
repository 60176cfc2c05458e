// Kafka's topic configs, a row each: what it takes, where its default comes from on the broker, and whether it has an effect.
// Names, types, ranges, defaults and synonyms are Kafka 4.3.1's (LogConfig, ServerTopicConfigSynonyms); a test compares them.

import {
  bigLong,
  boolean,
  type Definition,
  double,
  int,
  list,
  long,
  oneOf,
  type ValuesOf,
} from '../../config/definition.ts';
import { cleanupPolicies, compressionTypes, timestampTypes } from '../../config/options/log.ts';
import { longMax } from '../../config/value-types.ts';

const noSegments = 'the store keeps no segment and index files, and retention works on record batches';
const noCleaner = 'no log cleaner runs; a compacted topic keeps every record';
const noFlush = 'the broker option durability says when a write counts as stored, for all topics';
const noReplicas = 'a partition has one owner and its copies are the matter of the store';
const noTiers = 'there is no tiered storage';

const throttledReplicas = (name: string) =>
  list<string>({
    default: [],
    allowed: '* or a list of PARTITION:BROKER',
    check: (items) => {
      const isRight = items.join('') === '*' || items.every((item) => /^([0-9]+:[0-9]+)?$/.test(item));
      return isRight
        ? undefined
        : `${name} must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...`;
    },
    meaning: 'Replicas whose replication is throttled.',
    withoutEffect: noReplicas,
  });

/** Every topic config, in Kafka's order (errors are told in it). */
export const topicConfigDefinitions = {
  'segment.bytes': int({
    default: 1073741824,
    min: 1048576,
    unit: 'bytes',
    meaning: 'The size of a segment of the log.',
    withoutEffect: noSegments,
  }),
  'segment.ms': bigLong({
    default: 604800000n,
    min: 1,
    unit: 'ms',
    meaning: 'The age at which a segment of the log is closed.',
    withoutEffect: noSegments,
  }),
  'segment.jitter.ms': bigLong({
    default: 0n,
    min: 0,
    unit: 'ms',
    meaning: 'How much earlier by chance a segment is closed.',
    withoutEffect: noSegments,
  }),
  'segment.index.bytes': int({
    default: 10485760,
    min: 4,
    unit: 'bytes',
    meaning: 'The size of the index of a segment.',
    withoutEffect: noSegments,
  }),
  'flush.messages': bigLong({
    default: longMax,
    min: 1,
    meaning: 'Records after which the log is flushed to disk.',
    withoutEffect: noFlush,
  }),
  'flush.ms': bigLong({
    default: longMax,
    min: 0,
    unit: 'ms',
    meaning: 'Time after which the log is flushed to disk.',
    withoutEffect: noFlush,
  }),
  'retention.bytes': long({
    default: -1,
    unit: 'bytes',
    meaning: 'How much of a partition is kept with cleanup.policy delete; -1: no limit.',
  }),
  'retention.ms': bigLong({
    default: 604800000n,
    min: -1,
    unit: 'ms',
    meaning: 'How long records are kept with cleanup.policy delete; -1: for ever.',
  }),
  'max.message.bytes': int({
    default: 1048588,
    min: 0,
    unit: 'bytes',
    meaning: 'The largest record batch; a larger one is answered MESSAGE_TOO_LARGE.',
  }),
  'index.interval.bytes': int({
    default: 4096,
    min: 0,
    unit: 'bytes',
    meaning: 'Bytes of the log between two entries of its index.',
    withoutEffect: noSegments,
  }),
  'delete.retention.ms': bigLong({
    default: 86400000n,
    min: 0,
    unit: 'ms',
    meaning: 'How long compaction keeps the mark of a deleted key.',
    withoutEffect: noCleaner,
  }),
  'min.compaction.lag.ms': bigLong({
    default: 0n,
    min: 0,
    unit: 'ms',
    meaning: 'How long a record stays out of compaction at least.',
    withoutEffect: noCleaner,
  }),
  'max.compaction.lag.ms': bigLong({
    default: longMax,
    min: 1,
    unit: 'ms',
    meaning: 'How long a record stays out of compaction at most.',
    withoutEffect: noCleaner,
  }),
  'file.delete.delay.ms': bigLong({
    default: 60000n,
    min: 0,
    unit: 'ms',
    meaning: 'How long the files of removed segments stay.',
    withoutEffect: noSegments,
  }),
  'min.cleanable.dirty.ratio': double({
    default: 0.5,
    min: 0,
    max: 1,
    meaning: 'The share of uncompacted records at which compaction starts.',
    withoutEffect: noCleaner,
  }),
  'cleanup.policy': list({
    default: ['delete'],
    words: cleanupPolicies,
    meaning:
      'What happens to old records. delete applies retention.ms and retention.bytes. Without delete every record stays; compact is taken and requires keys, but older values of a key are not removed.',
  }),
  'unclean.leader.election.enable': boolean({
    default: false,
    meaning: 'Whether a replica that lags may become leader.',
    withoutEffect: noReplicas,
  }),
  'min.insync.replicas': int({
    default: 1,
    min: 1,
    meaning: 'Replicas that must have a record before it counts as stored.',
    withoutEffect: noReplicas,
  }),
  'compression.type': oneOf({
    default: 'producer',
    words: compressionTypes,
    meaning: 'How batches are compressed when stored; producer keeps what the producer chose.',
  }),
  'compression.gzip.level': int({
    default: -1,
    min: 1,
    max: 9,
    or: -1,
    meaning: 'The level where compression.type gzip makes the broker compress. -1: the default of the library.',
  }),
  'compression.lz4.level': int({
    default: 9,
    min: 1,
    max: 17,
    meaning: 'The level where compression.type lz4 makes the broker compress.',
    withoutEffect: 'the lz4 library in use has no levels',
  }),
  'compression.zstd.level': int({
    default: 3,
    min: -131072,
    max: 22,
    meaning: 'The level where compression.type zstd makes the broker compress.',
  }),
  preallocate: boolean({
    default: false,
    meaning: 'Whether the file of a segment takes its whole size at once.',
    withoutEffect: noSegments,
  }),
  'message.timestamp.type': oneOf({
    default: 'CreateTime',
    words: timestampTypes,
    meaning: "Whether a record keeps its producer's timestamp or gets the time of its append.",
  }),
  'message.timestamp.before.max.ms': bigLong({
    default: longMax,
    min: 0,
    unit: 'ms',
    meaning:
      "How far a record's timestamp may lie behind the broker's clock; else INVALID_TIMESTAMP. Only with CreateTime.",
  }),
  'message.timestamp.after.max.ms': bigLong({
    default: 3600000n,
    min: 0,
    unit: 'ms',
    meaning:
      "How far a record's timestamp may lie ahead of the broker's clock; else INVALID_TIMESTAMP. Only with CreateTime.",
  }),
  'leader.replication.throttled.replicas': throttledReplicas('leader.replication.throttled.replicas'),
  'follower.replication.throttled.replicas': throttledReplicas('follower.replication.throttled.replicas'),
  'remote.storage.enable': boolean({
    default: false,
    meaning: 'Whether older segments move to tiered storage; there is none, so only false is taken.',
  }),
  'local.retention.ms': bigLong({
    default: -2n,
    min: -2,
    unit: 'ms',
    meaning: 'How long segments stay local that are in tiered storage; -2: retention.ms.',
    withoutEffect: noTiers,
  }),
  'local.retention.bytes': long({
    default: -2,
    min: -2,
    unit: 'bytes',
    meaning: 'How much stays local of what is in tiered storage; -2: retention.bytes.',
    withoutEffect: noTiers,
  }),
  'remote.log.copy.disable': boolean({
    default: false,
    meaning: 'Whether tiered storage takes nothing more.',
    withoutEffect: noTiers,
  }),
  'remote.log.delete.on.disable': boolean({
    default: false,
    meaning: 'Whether what is in tiered storage goes when it is switched off.',
    withoutEffect: noTiers,
  }),
  'internal.segment.bytes': int({
    default: null,
    unit: 'bytes',
    internal: true,
    meaning: "The size of a segment in Kafka's own tests.",
    withoutEffect: noSegments,
  }),
} as const;

/** A topic's effective configuration; a field for each config, in camel case. bigint where compared with timestamps. */
export type TopicConfigValues = ValuesOf<typeof topicConfigDefinitions>;

const definitions = new Map<string, Definition>(Object.entries(topicConfigDefinitions) as [string, Definition][]);

/** The row of a topic config, if Kafka has it. */
export function topicConfigDefinition(name: string): Definition | undefined {
  return definitions.get(name);
}

/** All names, in Kafka's order. */
export const topicConfigNames: readonly string[] = [...definitions.keys()];

/** A broker option that a topic config takes its default from, with what one of its units is in the topic's unit. */
export interface ConfigSynonym {
  readonly name: string;
  readonly factor: bigint;
}

const sameUnit = (...names: string[]): ConfigSynonym[] => names.map((name) => ({ name, factor: 1n }));
const hours = (name: string): ConfigSynonym => ({ name, factor: 3_600_000n });
const minutes = (name: string): ConfigSynonym => ({ name, factor: 60_000n });

/** The broker options behind each topic config, the one that rules first (ServerTopicConfigSynonyms). */
export const topicConfigSynonyms: ReadonlyMap<string, readonly ConfigSynonym[]> = new Map([
  ['segment.bytes', sameUnit('log.segment.bytes')],
  ['segment.ms', [...sameUnit('log.roll.ms'), hours('log.roll.hours')]],
  ['segment.jitter.ms', [...sameUnit('log.roll.jitter.ms'), hours('log.roll.jitter.hours')]],
  ['segment.index.bytes', sameUnit('log.index.size.max.bytes')],
  ['flush.messages', sameUnit('log.flush.interval.messages')],
  ['flush.ms', sameUnit('log.flush.interval.ms', 'log.flush.scheduler.interval.ms')],
  ['retention.bytes', sameUnit('log.retention.bytes')],
  ['retention.ms', [...sameUnit('log.retention.ms'), minutes('log.retention.minutes'), hours('log.retention.hours')]],
  ['max.message.bytes', sameUnit('message.max.bytes')],
  ['index.interval.bytes', sameUnit('log.index.interval.bytes')],
  ['delete.retention.ms', sameUnit('log.cleaner.delete.retention.ms')],
  ['min.compaction.lag.ms', sameUnit('log.cleaner.min.compaction.lag.ms')],
  ['max.compaction.lag.ms', sameUnit('log.cleaner.max.compaction.lag.ms')],
  ['file.delete.delay.ms', sameUnit('log.segment.delete.delay.ms')],
  ['min.cleanable.dirty.ratio', sameUnit('log.cleaner.min.cleanable.ratio')],
  ['cleanup.policy', sameUnit('log.cleanup.policy')],
  ['unclean.leader.election.enable', sameUnit('unclean.leader.election.enable')],
  ['min.insync.replicas', sameUnit('min.insync.replicas')],
  ['compression.type', sameUnit('compression.type')],
  ['compression.gzip.level', sameUnit('compression.gzip.level')],
  ['compression.lz4.level', sameUnit('compression.lz4.level')],
  ['compression.zstd.level', sameUnit('compression.zstd.level')],
  ['preallocate', sameUnit('log.preallocate')],
  ['message.timestamp.type', sameUnit('log.message.timestamp.type')],
  ['message.timestamp.before.max.ms', sameUnit('log.message.timestamp.before.max.ms')],
  ['message.timestamp.after.max.ms', sameUnit('log.message.timestamp.after.max.ms')],
  ['local.retention.ms', sameUnit('log.local.retention.ms')],
  ['local.retention.bytes', sameUnit('log.local.retention.bytes')],
]);
