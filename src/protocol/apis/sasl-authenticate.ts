// SaslAuthenticate (36): one step of the SASL exchange (KIP-152, KIP-368).

import { bytes, defineApi, int16, int64, string } from '../schema/define.ts';

export const saslAuthenticate = defineApi({
  key: 36,
  name: 'SaslAuthenticate',
  versions: '0-2',
  flexible: '2+',
  request: {
    authBytes: bytes('0+'),
  },
  response: {
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    authBytes: bytes('0+'),
    sessionLifetimeMs: int64('1+', { default: 0n, ignorable: true }),
  },
});
