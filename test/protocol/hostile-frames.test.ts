// Frames that are not what they claim to be: a thousand of each API and direction. They decode or end in a
// ProtocolError that says where; nothing else is thrown, and nothing is allocated that the frame's bytes do not back.

import { expect } from 'chai';
import fc from 'fast-check';
import { apis } from '../../src/protocol/apis/index.ts';
import { offsetCommitValue } from '../../src/protocol/coordinator-records/offset-commit.ts';
import { decodeRequestHeader, encodeRequestFrame } from '../../src/protocol/header.ts';
import { ProtocolError } from '../../src/protocol/protocol-error.ts';
import type { AnyApi } from '../../src/protocol/schema/define.ts';
import { elementsMax } from '../../src/protocol/wire/reader.ts';
import { type Direction, messageOf, seedOfRun } from './support/messages.ts';
import { type Mutation, mutate, mutation } from './support/mutate.ts';

const framesEach = 1000;
const heapBytesMax = 64 * 1024 * 1024;

interface Damage {
  readonly version: number;
  readonly message: Record<string, unknown>;
  readonly mutations: readonly Mutation[];
}

function damageOf(api: AnyApi, direction: Direction): fc.Arbitrary<Damage> {
  return fc.integer({ min: api.versions.min, max: api.versions.max }).chain((version) =>
    fc.record({
      version: fc.constant(version),
      message: messageOf(api.definition[direction], version),
      mutations: fc.array(mutation, { minLength: 1, maxLength: 4 }),
    }),
  );
}

/** Runs it; a ProtocolError is a result too, anything else thrown is not. */
function orProtocolError<Result>(decode: () => Result): Result | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

function heapBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('damaged frames', function () {
  this.timeout(60_000);
  const seed = seedOfRun();

  for (const api of apis) {
    it(`${api.name}: ${framesEach} requests decode or name the field that is wrong (seed ${seed})`, () => {
      const damages = fc.sample(damageOf(api, 'request'), { numRuns: framesEach, seed });
      const frames = damages.map(({ version, message, mutations }) => {
        const frame = Buffer.concat(encodeRequestFrame(api, version, 1, 'a client', message)).subarray(4);
        return mutate(frame, mutations);
      });
      const before = heapBytes();
      let refused = 0;
      for (const frame of frames) {
        const header = orProtocolError(() => decodeRequestHeader(frame));
        // The damage may have made it a frame of another API or version, as it would for a broker.
        const reached = apis.find(({ key }) => key === header?.apiKey);
        if (header === undefined || reached === undefined) continue;
        const { apiVersion, bodyOffset } = header;
        const message = orProtocolError(() => reached.decodeRequest(apiVersion, frame, bodyOffset));
        if (message === undefined) refused++;
      }
      expect(refused, 'refused').to.be.greaterThan(0);
      expect(heapBytes() - before).to.be.lessThan(heapBytesMax);
    });

    it(`${api.name}: what still decodes of ${framesEach} damaged responses is a message (seed ${seed})`, () => {
      for (const { version, message, mutations } of fc.sample(damageOf(api, 'response'), {
        numRuns: framesEach,
        seed,
      })) {
        const body = mutate(Buffer.concat(api.encodeResponse(version, message)), mutations);
        const decoded = orProtocolError(() => api.decodeResponse(version, body, 0));
        if (decoded === undefined) continue;
        const again = Buffer.concat(api.encodeResponse(version, decoded));
        expect(api.decodeResponse(version, again, 0)).to.deep.equal(decoded);
      }
    });
  }

  it('any bytes at all are a record of a coordinator or a ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        orProtocolError(() => offsetCommitValue.decode(Buffer.from(bytes)));
      }),
      { numRuns: framesEach },
    );
  });
});

describe('a count that nothing backs', () => {
  const metadata = apis.find(({ name }) => name === 'Metadata')!;

  it('is refused before anything is allocated', () => {
    const body = Buffer.from('7fffffff', 'hex');
    const before = heapBytes();
    expect(() => metadata.decodeRequest(0, body, 0)).to.throw(
      ProtocolError,
      'topics: array of 2147483647 elements, but only 0 bytes are left',
    );
    expect(heapBytes() - before).to.be.lessThan(1024 * 1024);
  });

  it('is held against the least that its elements can take', () => {
    // Two bytes an element at least (an empty name): three do not fit into five bytes.
    const body = Buffer.from('000000030000000000', 'hex');
    expect(() => metadata.decodeRequest(0, body, 0)).to.throw(ProtocolError, 'topics: array of 3 elements');
  });

  it('is refused above what one message may hold, even if the bytes are there', () => {
    const body = Buffer.alloc(4 + 2 * (elementsMax + 1));
    body.writeInt32BE(elementsMax + 1, 0);
    expect(() => metadata.decodeRequest(0, body, 0)).to.throw(
      ProtocolError,
      'topics: more than 1000000 array elements',
    );
  });

  it('as a number of tagged fields ends at the end of the frame', () => {
    const describeCluster = apis.find(({ name }) => name === 'DescribeCluster')!;
    // includeClusterAuthorizedOperations, then 2^28 - 1 tagged fields, of which one is there.
    const body = Buffer.from('00ffffff7f0500', 'hex');
    expect(() => describeCluster.decodeRequest(0, body, 0)).to.throw(ProtocolError, 'tagged fields: needs 1 bytes');
  });
});
