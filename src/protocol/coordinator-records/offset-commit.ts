// A committed offset in __consumer_offsets: one record a group, topic and partition; a null value removes it.

import { int32, int64, string, uuid } from '../schema/define.ts';
import { defineRecord } from './define.ts';

/** Keys of versions 0 and 1 are offsets (2 is a group); they look alike, and Kafka writes 1. */
export const offsetCommitKey = defineRecord({
  name: 'OffsetCommitKey',
  versions: '0-1',
  flexible: 'none',
  fields: {
    group: string('0+'),
    topic: string('0+'),
    partition: int32('0+'),
  },
});

export const offsetCommitValue = defineRecord({
  name: 'OffsetCommitValue',
  versions: '0-4',
  flexible: '4+',
  fields: {
    offset: int64('0+'),
    leaderEpoch: int32('3+', { default: -1, ignorable: true }),
    metadata: string('0+'),
    /** When the commit was made, ms since 1970. */
    commitTimestamp: int64('0+'),
    /** Set only by clients that asked for a retention of their own; Kafka then writes version 1. */
    expireTimestamp: int64('1', { default: -1n, ignorable: true }),
    topicId: uuid('4+', { tag: 0, ignorable: true }),
  },
});
