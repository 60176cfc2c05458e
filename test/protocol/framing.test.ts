// The stream arrives in chunks of any size; frames come out whole, in order, and no announced size is taken on trust.

import { expect } from 'chai';
import fc from 'fast-check';
import { FrameError, FrameReader } from '../../src/protocol/framing.ts';

const frameBytesMax = 100 * 1024 * 1024;

function framed(body: Uint8Array): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

function announced(size: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(size);
  return bytes;
}

/** `stream` in pieces that end at `cuts` (taken modulo its length). */
function cut(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set([...cuts.map((at) => at % (stream.length + 1)), stream.length])].sort((a, b) => a - b);
  return ends.map((end, index) => stream.subarray(index === 0 ? 0 : ends[index - 1], end));
}

describe('frames out of a byte stream', () => {
  it('come out whole and in order however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        (bodies, cuts) => {
          const reader = new FrameReader(frameBytesMax);
          const frames = cut(Buffer.concat(bodies.map(framed)), cuts).flatMap((chunk) => reader.push(chunk));
          expect(frames.map((frame) => [...frame])).to.deep.equal(bodies.map((body) => [...body]));
          expect(reader.bytesPending).to.equal(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('come out whole when they are larger than what is set aside at once', () => {
    const body = Buffer.alloc(9 * 1024 * 1024 + 7);
    for (let at = 0; at < body.length; at += 4096) body.writeUInt32BE(at, Math.min(at, body.length - 4));
    const stream = Buffer.concat([framed(body), framed(Buffer.from('next'))]);
    const reader = new FrameReader(frameBytesMax);
    const frames: Buffer[] = [];
    for (let at = 0; at < stream.length; at += 65_536) frames.push(...reader.push(stream.subarray(at, at + 65_536)));
    expect(frames).to.have.length(2);
    expect(frames[0]!.equals(body)).to.equal(true);
    expect(frames[0]!.buffer.byteLength, 'exactly sized').to.equal(body.length);
    expect(frames[1]!.toString()).to.equal('next');
  });

  it('are views of the chunk they lie in', () => {
    const chunk = Buffer.concat([framed(Buffer.from('one')), framed(Buffer.from('two'))]);
    for (const frame of new FrameReader(frameBytesMax).push(chunk)) expect(frame.buffer).to.equal(chunk.buffer);
  });

  it('may be empty', () => {
    expect(new FrameReader(frameBytesMax).push(Buffer.concat([announced(0), announced(0)]))).to.have.length(2);
  });

  it('may be as large as the limit and no larger', () => {
    expect(new FrameReader(10).push(framed(Buffer.alloc(10)))).to.have.length(1);
    expect(() => new FrameReader(10).push(framed(Buffer.alloc(11))))
      .to.throw(FrameError, 'frame of 11 bytes announced, 10 at most')
      .with.property('frameBytesMax', 10);
  });

  it('end with the stream when a size is negative, also one that came in two chunks', () => {
    const reader = new FrameReader(frameBytesMax);
    expect(reader.push(announced(-5).subarray(0, 1))).to.deep.equal([]);
    expect(() => reader.push(announced(-5).subarray(1))).to.throw(FrameError, 'frame of -5 bytes announced');
  });

  it('that are announced and never sent hold little', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 50 }, () => new FrameReader(frameBytesMax));
    for (const reader of readers) reader.push(Buffer.concat([announced(frameBytesMax), Buffer.alloc(10)]));
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(50 * 1.5 * 1024 * 1024);
    expect(readers[0]!.bytesPending).to.equal(10);
  });

  it('cost at most two copies a byte, whatever their size', () => {
    const chunk = Buffer.alloc(65_536);
    let copiedBytes = 0;
    const original = Buffer.prototype.copy;
    Buffer.prototype.copy = function (...args: Parameters<Buffer['copy']>) {
      const count = original.apply(this, args);
      copiedBytes += count;
      return count;
    };
    try {
      const reader = new FrameReader(frameBytesMax);
      reader.push(announced(64 * 1024 * 1024));
      for (let index = 0; index < 1024; index++) reader.push(chunk);
    } finally {
      Buffer.prototype.copy = original;
    }
    expect(copiedBytes).to.be.lessThan(2 * 64 * 1024 * 1024);
  });
});
