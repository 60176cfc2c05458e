// A classic group's generation in __consumer_offsets: one record a group; a null value removes the group.

import { array, bytes, int32, int64, string } from '../schema/define.ts';
import { defineRecord } from './define.ts';

/** Version 2 is what tells it from the key of an offset. */
export const groupMetadataKey = defineRecord({
  name: 'GroupMetadataKey',
  versions: '2',
  flexible: 'none',
  fields: {
    group: string('0+'),
  },
});

export const groupMetadataValue = defineRecord({
  name: 'GroupMetadataValue',
  versions: '0-4',
  flexible: '4+',
  fields: {
    protocolType: string('0+'),
    generation: int32('0+'),
    protocol: string('0+', { nullable: '0+' }),
    leader: string('0+', { nullable: '0+' }),
    /** When the group last changed its state, ms since 1970; offsets of an empty group expire from here on. */
    currentStateTimestamp: int64('2+', { default: -1n, ignorable: true }),
    members: array('0+', {
      memberId: string('0+'),
      groupInstanceId: string('3+', { nullable: '3+', default: null, ignorable: true }),
      clientId: string('0+'),
      clientHost: string('0+'),
      /** In ms; -1: the session time-out. */
      rebalanceTimeout: int32('1+', { default: -1, ignorable: true }),
      /** In ms. */
      sessionTimeout: int32('0+'),
      subscription: bytes('0+'),
      assignment: bytes('0+'),
    }),
  },
});
