// The trace context that clients put into record headers: found in the first record of a plain batch, and nowhere else.

import { expect } from 'chai';
import fc from 'fast-check';
import { encodeBatch, type RecordHeader } from '../../../src/protocol/records/record.ts';
import { traceOfFirstRecord } from '../../../src/protocol/records/trace-header.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

function batchOf(headers: readonly RecordHeader[], more: Partial<Parameters<typeof encodeBatch>[0]> = {}): Buffer {
  const records = [
    { timestampMs: 5_000_000_000n, key: Buffer.from('key'), value: Buffer.alloc(300), headers },
    { timestampMs: 1n, key: null, value: null, headers: [header('traceparent', traceparent)] },
  ];
  return encodeBatch({ baseOffset: 0n, records, ...more });
}

function header(key: string, value: string | null): RecordHeader {
  return { key, value: value === null ? null : Buffer.from(value) };
}

describe('a trace context in record headers', () => {
  it('is found among others, with its state, in whatever case its name is written', () => {
    const headers = [header('a', null), header('Traceparent', traceparent), header('tracestate', 'vendor=x')];
    expect(traceOfFirstRecord(batchOf(headers))).to.deep.equal({ traceparent, tracestate: 'vendor=x' });
    expect(traceOfFirstRecord(batchOf([header('traceparent', traceparent)]))).to.deep.equal({ traceparent });
  });

  it('is not looked for behind the first record, nor in compressed batches, old formats and empty ones', () => {
    expect(traceOfFirstRecord(batchOf([]))).to.equal(undefined);
    const headers = [header('traceparent', traceparent)];
    expect(traceOfFirstRecord(batchOf(headers, { compression: 'lz4' }))).to.equal(undefined);
    const old = batchOf(headers);
    old[16] = 1;
    expect(traceOfFirstRecord(old)).to.equal(undefined);
    expect(traceOfFirstRecord(Buffer.alloc(0))).to.equal(undefined);
  });

  it('counts only in its valid form', () => {
    for (const value of [
      '',
      'x',
      traceparent.toUpperCase(),
      traceparent.slice(0, -1),
      `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
      `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`,
    ]) {
      expect(traceOfFirstRecord(batchOf([header('traceparent', value)])), value).to.equal(undefined);
    }
    expect(traceOfFirstRecord(batchOf([header('traceparent', null)]))).to.equal(undefined);
  });

  it('is absent, and nothing thrown, in batches cut or damaged anywhere', () => {
    const whole = batchOf([header('other', 'y'), header('traceparent', traceparent)]);
    for (let length = 0; length < whole.length; length++) traceOfFirstRecord(whole.subarray(0, length));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const damaged = Buffer.from(whole);
        damaged[at] = byte;
        const found = traceOfFirstRecord(damaged);
        if (found !== undefined) expect(found.traceparent).to.match(/^[0-9a-f]{2}(-[0-9a-f]+){3}$/);
      }),
    );
  });
});
