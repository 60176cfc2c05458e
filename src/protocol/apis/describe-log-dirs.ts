// DescribeLogDirs (35): where partitions lie on disk and how large they are (KIP-113, KIP-827).

import { array, bool, defineApi, int16, int32, int64, string } from '../schema/define.ts';

export const describeLogDirs = defineApi({
  key: 35,
  name: 'DescribeLogDirs',
  versions: '0-5',
  flexible: '2+',
  request: {
    topics: array(
      '0+',
      {
        topic: string('0+'),
        partitions: array('0+', 'int32'),
      },
      { nullable: '0+' },
    ),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16('3+', { ignorable: true }),
    results: array('0+', {
      errorCode: int16('0+'),
      logDir: string('0+'),
      topics: array('0+', {
        name: string('0+'),
        partitions: array('0+', {
          partitionIndex: int32('0+'),
          partitionSize: int64('0+'),
          offsetLag: int64('0+'),
          isFutureKey: bool('0+'),
        }),
      }),
      totalBytes: int64('4+', { default: -1n, ignorable: true }),
      usableBytes: int64('4+', { default: -1n, ignorable: true }),
      isCordoned: bool('5+', { default: false, ignorable: true }),
    }),
  },
});
