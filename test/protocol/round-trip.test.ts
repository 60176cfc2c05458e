// Every API, version and direction: what is encoded comes back when decoded.

import { expect } from 'chai';
import fc from 'fast-check';
import { apis } from '../../src/protocol/apis/index.ts';
import { decodedForm, type Message, messageOf, type Variant, variants } from './support/messages.ts';

const runsEach = 25;

function comesBack({ codec, version, title }: Variant): void {
  const property = fc.property(messageOf(codec.fields, version), (message: Message) => {
    const body = Buffer.concat(codec.encode(version, message));
    const expected = decodedForm(codec.fields, version, message);
    expect(codec.decode(version, body, 0), title).to.deep.equal(expected);
    // The decoder stops where the body ends: another message behind it changes nothing, nor does one before it.
    expect(codec.decode(version, Buffer.concat([body, body]), body.length), title).to.deep.equal(expected);
  });
  fc.assert(property, { numRuns: runsEach });
}

describe('messages come back as they went, in every version and direction', () => {
  for (const api of apis) {
    it(api.name, () => {
      for (const variant of variants()) if (variant.api === api) comesBack(variant);
    });
  }
});
