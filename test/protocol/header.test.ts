// Headers and whole frames: which header goes with which version, and what can still be told of a request that is
// not understood.

import { expect } from 'chai';
import { apiVersions } from '../../src/protocol/apis/api-versions.ts';
import { fetch } from '../../src/protocol/apis/fetch.ts';
import { heartbeat } from '../../src/protocol/apis/heartbeat.ts';
import { ErrorCode } from '../../src/protocol/errors.ts';
import { FrameReader } from '../../src/protocol/framing.ts';
import {
  decodeRequestHeader,
  decodeResponseFrame,
  encodeRequestFrame,
  encodeRequestHeader,
  encodeResponseFrame,
} from '../../src/protocol/header.ts';
import { EncodeError, ProtocolError } from '../../src/protocol/protocol-error.ts';

const frameBytesMax = 1024 * 1024;

/** The one frame in these chunks, without its size. */
function frameOf(chunks: readonly Uint8Array[]): Buffer {
  const frames = new FrameReader(frameBytesMax).push(Buffer.concat(chunks));
  expect(frames).to.have.length(1);
  return frames[0]!;
}

describe('request headers', () => {
  const beat = { groupId: 'g', generationId: 3, memberId: 'm' };

  it('have no tagged fields before the first flexible version', () => {
    const frame = frameOf(encodeRequestFrame(heartbeat, 3, 77, 'client', beat));
    expect(frame.toString('hex', 0, 16)).to.equal('000c' + '0003' + '0000004d' + '0006' + '636c69656e74');
    const header = decodeRequestHeader(frame);
    expect(header).to.deep.equal({ apiKey: 12, apiVersion: 3, correlationId: 77, clientId: 'client', bodyOffset: 16 });
    expect(heartbeat.decodeRequest(3, frame, header.bodyOffset)).to.deep.equal({ ...beat, groupInstanceId: null });
  });

  it('have tagged fields from the first flexible version on, and still a client id of the older form', () => {
    const frame = frameOf(encodeRequestFrame(heartbeat, 4, 77, 'client', beat));
    expect(frame.toString('hex', 8, 17)).to.equal('0006' + '636c69656e74' + '00');
    const header = decodeRequestHeader(frame);
    expect(header.bodyOffset).to.equal(17);
    expect(heartbeat.decodeRequest(4, frame, header.bodyOffset)).to.deep.equal({ ...beat, groupInstanceId: null });
  });

  it('may come without a client id', () => {
    const frame = frameOf(encodeRequestFrame(heartbeat, 0, 1, null, beat));
    expect(decodeRequestHeader(frame).clientId).to.equal(null);
  });

  it('may have tagged fields that nobody knows', () => {
    const frame = Buffer.from('000c' + '0004' + '00000001' + 'ffff' + '02' + '0001aa' + '6303bbccdd', 'hex');
    expect(decodeRequestHeader(frame).bodyOffset).to.equal(frame.length);
  });

  it('of an unknown API give its key, version and correlation id', () => {
    const frame = Buffer.from('03e7' + '0002' + '00000009' + 'beef', 'hex');
    expect(decodeRequestHeader(frame)).to.deep.equal({
      apiKey: 999,
      apiVersion: 2,
      correlationId: 9,
      clientId: null,
      bodyOffset: frame.length,
    });
  });

  it('of an unknown version of ApiVersions can be answered', () => {
    // KIP-511: the answer is of version 0, so that any client can read it.
    const frame = Buffer.from('0012' + '0063' + '00000009' + '0001' + '61' + '00' + '0000', 'hex');
    const header = decodeRequestHeader(frame);
    expect(header).to.include({ apiKey: 18, apiVersion: 99, correlationId: 9, clientId: 'a' });
    const answer = { errorCode: ErrorCode.UNSUPPORTED_VERSION, apiKeys: [] };
    const response = frameOf(encodeResponseFrame(apiVersions, 0, header.correlationId, answer));
    expect(response.toString('hex')).to.equal('00000009' + '0023' + '00000000');
  });

  it('that end too early say where', () => {
    const whole = Buffer.from('000c' + '0004' + '00000001' + '0006' + '636c69656e74' + '00', 'hex');
    const where = (length: number): string => {
      try {
        decodeRequestHeader(whole.subarray(0, length));
      } catch (error) {
        if (error instanceof ProtocolError) return error.path;
        throw error;
      }
      return 'nowhere';
    };
    expect(where(0)).to.equal('header.apiKey');
    expect(where(3)).to.equal('header.apiVersion');
    expect(where(7)).to.equal('header.correlationId');
    expect(where(8)).to.equal('header.clientId');
    expect(where(15)).to.equal('header.clientId');
    expect(where(16)).to.equal('header.tagged fields');
    expect(where(17)).to.equal('nowhere');
  });

  it('are encoded alone as they are in a frame', () => {
    const alone = Buffer.concat(
      encodeRequestHeader({ apiKey: 12, apiVersion: 4, correlationId: 77, clientId: 'client' }),
    );
    const frame = frameOf(encodeRequestFrame(heartbeat, 4, 77, 'client', beat));
    expect(frame.subarray(0, alone.length).equals(alone)).to.equal(true);
    expect(() => encodeRequestHeader({ apiKey: 999, apiVersion: 0, correlationId: 0, clientId: null })).to.throw(
      EncodeError,
      'no API has key 999',
    );
  });
});

describe('response frames', () => {
  it('have a tagged header in flexible versions only', () => {
    const answer = { errorCode: ErrorCode.REBALANCE_IN_PROGRESS };
    expect(frameOf(encodeResponseFrame(heartbeat, 0, 5, answer)).toString('hex')).to.equal('00000005' + '001b');
    expect(frameOf(encodeResponseFrame(heartbeat, 4, 5, answer)).toString('hex')).to.equal(
      '00000005' + '00' + '00000000' + '001b' + '00',
    );
  });

  it('of ApiVersions never have one', () => {
    const frame = frameOf(encodeResponseFrame(apiVersions, 3, 5, { errorCode: ErrorCode.NONE, apiKeys: [] }));
    expect(frame.toString('hex')).to.equal('00000005' + '0000' + '01' + '00000000' + '00');
    expect(decodeResponseFrame(apiVersions, 3, frame)).to.deep.include({ correlationId: 5 });
  });

  it('carry records without copying them, in the pieces they came in', () => {
    const pieces = [Buffer.alloc(600, 1), Buffer.alloc(3, 2), Buffer.alloc(700, 3)];
    const partitions = [{ partitionIndex: 0, errorCode: 0, highWatermark: 10n, records: pieces }];
    const chunks = encodeResponseFrame(fetch, 12, 5, { responses: [{ topic: 't', partitions }] });
    expect(chunks).to.include(pieces[0]);
    expect(chunks).to.include(pieces[2]);
    const { message } = decodeResponseFrame(fetch, 12, frameOf(chunks));
    expect(message.responses[0]!.partitions[0]!.records!.equals(Buffer.concat(pieces))).to.equal(true);
  });

  it('stay as they are while the next ones are encoded', () => {
    const frames = Array.from({ length: 3000 }, (_, index) =>
      encodeResponseFrame(heartbeat, 4, index, { errorCode: ErrorCode.NONE, throttleTimeMs: index }),
    );
    frames.forEach((chunks, index) => {
      const { correlationId, message } = decodeResponseFrame(heartbeat, 4, frameOf(chunks));
      expect([correlationId, message.throttleTimeMs]).to.deep.equal([index, index]);
    });
  });

  it('may be larger than the slab they are written into', () => {
    const topics = Array.from({ length: 20_000 }, (_, index) => ({
      topic: `topic-${index}`,
      partitions: [{ partitionIndex: index, errorCode: 0, highWatermark: BigInt(index), records: null }],
    }));
    const { correlationId, message } = decodeResponseFrame(
      fetch,
      4,
      Buffer.concat(encodeResponseFrame(fetch, 4, 5, { responses: topics })).subarray(4),
    );
    expect(correlationId).to.equal(5);
    expect(message.responses.map(({ topic }) => topic)).to.deep.equal(topics.map(({ topic }) => topic));
  });

  it('after a large one do not keep its memory', () => {
    const host = 'x'.repeat(30_000);
    const large = { responses: [], nodeEndpoints: Array.from({ length: 20 }, () => ({ nodeId: 1, host, port: 1 })) };
    expect(frameOf(encodeResponseFrame(fetch, 16, 5, large)).length).to.be.greaterThan(600_000);
    const [small] = encodeResponseFrame(heartbeat, 4, 6, { errorCode: ErrorCode.NONE });
    expect(small!.buffer.byteLength).to.be.at.most(65_536);
  });

  it('that could not be encoded leave nothing behind', () => {
    const wrong = { errorCode: 70_000 as 0 };
    expect(() => encodeResponseFrame(heartbeat, 4, 5, wrong)).to.throw(EncodeError, 'errorCode: 70000 is no int16');
    expect(frameOf(encodeResponseFrame(heartbeat, 0, 6, { errorCode: 0 })).toString('hex')).to.equal('000000060000');
  });
});
