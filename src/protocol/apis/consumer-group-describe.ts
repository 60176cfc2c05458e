// ConsumerGroupDescribe (69): describes groups of the newer protocol (KIP-848).

import { array, bool, defineApi, int8, int16, int32, object, string, struct, uuid } from '../schema/define.ts';

const topicPartitions = struct({
  topicId: uuid('0+'),
  topicName: string('0+'),
  partitions: array('0+', 'int32'),
});

const assignment = struct({
  topicPartitions: array('0+', topicPartitions),
});

export const consumerGroupDescribe = defineApi({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: '0-1',
  flexible: '0+',
  request: {
    groupIds: array('0+', 'string'),
    includeAuthorizedOperations: bool('0+'),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    groups: array('0+', {
      errorCode: int16('0+'),
      errorMessage: string('0+', { nullable: '0+', default: null }),
      groupId: string('0+'),
      groupState: string('0+'),
      groupEpoch: int32('0+'),
      assignmentEpoch: int32('0+'),
      assignorName: string('0+'),
      members: array('0+', {
        memberId: string('0+'),
        instanceId: string('0+', { nullable: '0+', default: null }),
        rackId: string('0+', { nullable: '0+', default: null }),
        memberEpoch: int32('0+'),
        clientId: string('0+'),
        clientHost: string('0+'),
        subscribedTopicNames: array('0+', 'string'),
        subscribedTopicRegex: string('0+', { nullable: '0+', default: null }),
        assignment: object('0+', assignment),
        targetAssignment: object('0+', assignment),
        memberType: int8('1+', { default: -1, ignorable: true }),
      }),
      authorizedOperations: int32('0+', { default: -2147483648 }),
    }),
  },
});
