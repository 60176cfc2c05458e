// SaslHandshake (17): the client picks a SASL mechanism (KIP-43).

import { array, defineApi, int16, string } from '../schema/define.ts';

export const saslHandshake = defineApi({
  key: 17,
  name: 'SaslHandshake',
  versions: '0-1',
  flexible: 'none',
  request: {
    mechanism: string('0+'),
  },
  response: {
    errorCode: int16('0+'),
    mechanisms: array('0+', 'string'),
  },
});
