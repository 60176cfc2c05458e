// AddPartitionsToTxn (24): a transaction reaches further partitions (KIP-98). From version 4 on brokers may ask for several
// transactions at once (KIP-890), in fields of their own.

import { array, bool, defineApi, int16, int32, int64, string, struct } from '../schema/define.ts';

const topic = struct({
  name: string('0+'),
  partitions: array('0+', 'int32'),
});

const partitionResult = struct({
  partitionIndex: int32('0+'),
  partitionErrorCode: int16('0+'),
});

const topicResult = struct({
  name: string('0+'),
  resultsByPartition: array('0+', partitionResult),
});

export const addPartitionsToTxn = defineApi({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: '0-5',
  flexible: '3+',
  request: {
    transactions: array('4+', {
      transactionalId: string('4+'),
      producerId: int64('4+'),
      producerEpoch: int16('4+'),
      verifyOnly: bool('4+', { default: false }),
      topics: array('4+', topic),
    }),
    v3AndBelowTransactionalId: string('0-3'),
    v3AndBelowProducerId: int64('0-3'),
    v3AndBelowProducerEpoch: int16('0-3'),
    v3AndBelowTopics: array('0-3', topic),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16('4+', { ignorable: true }),
    resultsByTransaction: array('4+', {
      transactionalId: string('4+'),
      topicResults: array('4+', topicResult),
    }),
    resultsByTopicV3AndBelow: array('0-3', topicResult),
  },
});
