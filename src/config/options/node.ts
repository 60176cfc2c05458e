// Options that Kafka has no name for: the store, the actors, the process.

import { int, long, oneOf, string } from '../definition.ts';

export const storageOptions = {
  storage: oneOf({
    default: 'embedded',
    words: ['embedded', 'journal', 'seaweed'],
    meaning:
      'Where records and state are kept: embedded is a database in data.dir, for one node alone; journal is NATS JetStream, which the nodes of a cluster share; seaweed is the journal with SeaweedMQ behind it, to which records move.',
  }),
  'data.dir': string({
    default: './data',
    allowed: 'a path',
    check: (value) => (value === '' ? 'a path is missing' : undefined),
    meaning:
      'The directory that holds everything the node stores with storage=embedded. Made if it is not there; one process at a time.',
  }),
  durability: oneOf({
    default: 'fsync',
    words: ['fsync', 'os'],
    meaning:
      'When a write counts as stored with storage=embedded: fsync once the disk has it; os once the operating system has it, so that a crash of the machine, though not of the broker, may lose the last seconds.',
  }),
  shards: int({
    default: 48,
    min: 1,
    max: 4096,
    meaning:
      'Units of ownership and commit that partitions are spread over. Fixed when the cluster, or the data directory, is first used.',
  }),
  'read.ahead.bytes': long({
    default: 16777216,
    min: 0,
    unit: 'bytes',
    meaning: 'Memory for what consumers that read a log in order will ask for next. 0: nothing is read ahead.',
  }),
  'tail.cache.bytes': long({
    default: 33554432,
    min: 0,
    unit: 'bytes',
    meaning: 'Memory for the newest record batches, so that consumers near the end of a log do not touch the disk.',
  }),
} as const;

export const processOptions = {
  'mailbox.messages.max': int({
    default: 4096,
    min: 1,
    meaning: 'Messages that may wait for one actor; a further one is answered with a retriable error.',
  }),
  'shard.append.bytes.max': int({
    default: 8388608,
    min: 65536,
    unit: 'bytes',
    meaning: 'Batches that one group commit of a shard takes at most; what exceeds it goes with the next.',
  }),
  'partition.checkpoint.batches': int({
    default: 5000,
    min: 1,
    meaning: 'Batches after which a partition saves its producers and epochs, which bounds what its next load replays.',
  }),
  'actor.passivate.after.ms': long({
    default: 300000,
    min: 1000,
    unit: 'ms',
    meaning: 'Idle time after which an actor leaves memory; its next message brings it back.',
  }),
  'client.unread.timeout.ms': int({
    default: 60000,
    min: 1000,
    unit: 'ms',
    meaning: 'How long a client may leave its responses unread before its connection is closed.',
  }),
  'log.level': oneOf({
    default: 'info',
    words: ['debug', 'info', 'warn', 'error'],
    dynamic: 'cluster-wide',
    meaning: 'The least important log lines that are written.',
  }),
  'drain.timeout.ms': int({
    default: 10000,
    min: 0,
    unit: 'ms',
    meaning: 'How long a stop (SIGTERM, Ctrl-C) waits for requests in work before it closes their connections.',
  }),
} as const;
