// What members of protocol type `consumer` exchange through the coordinator, which need not read it except to tell
// which topics a group is subscribed to (OffsetDelete, offset expiry) and to describe it.

import { array, bytes, int32, string, struct } from '../schema/define.ts';
import { defineRecord } from './define.ts';

const topicPartition = struct({
  topic: string('0+'),
  partitions: array('0+', 'int32'),
});

/** A member's metadata in JoinGroup. */
export const consumerProtocolSubscription = defineRecord({
  name: 'ConsumerProtocolSubscription',
  versions: '0-3',
  flexible: 'none',
  newerAsNewest: true,
  fields: {
    topics: array('0+', 'string'),
    userData: bytes('0+', { nullable: '0+', default: null }),
    ownedPartitions: array('1+', topicPartition, { ignorable: true }),
    generationId: int32('2+', { default: -1, ignorable: true }),
    rackId: string('3+', { nullable: '3+', default: null, ignorable: true }),
  },
});

/** A member's assignment in SyncGroup. */
export const consumerProtocolAssignment = defineRecord({
  name: 'ConsumerProtocolAssignment',
  versions: '0-3',
  flexible: 'none',
  newerAsNewest: true,
  fields: {
    assignedPartitions: array('0+', topicPartition),
    userData: bytes('0+', { nullable: '0+', default: null }),
  },
});
