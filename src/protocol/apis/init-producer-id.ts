// InitProducerId (22): a producer id and epoch for an idempotent or transactional producer (KIP-98, KIP-360).
// Version 6 (two-phase commit, KIP-939) is not stable in Kafka 4.3 and so not served.

import { defineApi, int16, int32, int64, string } from '../schema/define.ts';

export const initProducerId = defineApi({
  key: 22,
  name: 'InitProducerId',
  versions: '0-5',
  flexible: '2+',
  request: {
    transactionalId: string('0+', { nullable: '0+' }),
    transactionTimeoutMs: int32('0+'),
    producerId: int64('3+', { default: -1n }),
    producerEpoch: int16('3+', { default: -1 }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0, ignorable: true }),
    errorCode: int16('0+'),
    producerId: int64('0+', { default: -1n }),
    producerEpoch: int16('0+'),
  },
});
