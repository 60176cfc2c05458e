// Options of consumer groups and committed offsets.

import { int, long } from '../definition.ts';

export const groupOptions = {
  'group.initial.rebalance.delay.ms': int({
    default: 3000,
    min: 0,
    unit: 'ms',
    meaning: 'How long an empty group waits for further members before its first rebalance.',
  }),
  'group.min.session.timeout.ms': int({
    default: 6000,
    min: 0,
    unit: 'ms',
    meaning: 'The shortest session time-out a member may ask for.',
  }),
  'group.max.session.timeout.ms': int({
    default: 1800000,
    min: 0,
    unit: 'ms',
    meaning: 'The longest session time-out a member may ask for.',
  }),
  'group.max.size': int({
    default: 2147483647,
    min: 1,
    meaning: 'Members of one group at most; a further one is answered GROUP_MAX_SIZE_REACHED.',
  }),
  'offset.metadata.max.bytes': int({
    default: 4096,
    min: 0,
    unit: 'bytes',
    meaning: 'The longest note that a client may commit with an offset.',
  }),
  'offsets.retention.minutes': int({
    default: 10080,
    min: 1,
    unit: 'minutes',
    meaning: 'How long the offsets of a group without members are kept.',
  }),
  'offsets.retention.check.interval.ms': long({
    default: 600000,
    min: 1,
    unit: 'ms',
    meaning: 'How often expired offsets are looked for.',
  }),
  'offsets.topic.num.partitions': int({
    default: 50,
    min: 1,
    meaning: 'Partitions of __consumer_offsets. Fixed when the data directory is first used.',
  }),
} as const;
