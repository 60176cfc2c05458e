import { expect } from 'chai';
import fc from 'fast-check';
import { lastOffsetOf, readBatchHeader } from '../../../src/protocol/records/batch.ts';
import { compress, compressionTypes, decompress } from '../../../src/protocol/records/compression.ts';
import { downConvert } from '../../../src/protocol/records/legacy.ts';
import { decodeRecords, encodeBatch, type RecordInput } from '../../../src/protocol/records/record.ts';
import { validateProduced } from '../../../src/protocol/records/validate.ts';
import { NOW_MS, rules } from './rules.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const nullableBytes = (maxLength: number) => fc.option(bytes(maxLength), { nil: null });
const record: fc.Arbitrary<RecordInput> = fc.record({
  timestampMs: fc.bigInt({ min: 0n, max: NOW_MS }),
  key: nullableBytes(40),
  value: nullableBytes(300),
  headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 10 }), value: nullableBytes(20) }), {
    maxLength: 3,
  }),
});
const records = fc.array(record, { minLength: 1, maxLength: 40 });
const codec = fc.constantFrom(...compressionTypes);

describe('records: what is encoded comes back', () => {
  it('as the same bytes through every codec', () => {
    fc.assert(
      fc.property(
        codec,
        fc.oneof(
          bytes(400),
          fc.tuple(bytes(10), fc.nat(300_000)).map(([part, size]) => Buffer.alloc(size, part.length === 0 ? 0 : part)),
        ),
        (type, data) => {
          expect(decompress(type, compress(type, data)).equals(data)).to.equal(true);
        },
      ),
    );
  });

  it('as the same records with offsets counted from the base offset', () => {
    fc.assert(
      fc.property(codec, records, fc.bigInt({ min: 0n, max: 2n ** 62n }), (compression, input, baseOffset) => {
        const batch = encodeBatch({ baseOffset, records: input, compression });
        const header = readBatchHeader(batch);
        expect(header).to.include({ baseOffset, compression, recordCount: input.length, batchBytes: batch.length });
        expect(lastOffsetOf(header)).to.equal(baseOffset + BigInt(input.length - 1));
        expect(decodeRecords(batch)).to.deep.equal(
          input.map((each, index) => ({ ...each, offset: baseOffset + BigInt(index) })),
        );
      }),
    );
  });

  it('unchanged by validation when nothing about the topic asks for a change', () => {
    fc.assert(
      fc.property(codec, records, (compression, input) => {
        const batch = encodeBatch({ baseOffset: 0n, records: input, compression });
        const before = Buffer.from(batch);
        const verdict = validateProduced(batch, rules());
        expect(verdict).to.include({ ok: true, converted: false });
        expect(batch.equals(before)).to.equal(true);
      }),
    );
  });

  it('with the same records when the topic wants another codec', () => {
    fc.assert(
      fc.property(
        codec,
        fc.constantFrom('gzip', 'snappy', 'lz4', 'zstd', 'uncompressed' as const),
        records,
        (from, to, input) => {
          const batch = encodeBatch({ baseOffset: 0n, records: input, compression: from });
          const before = decodeRecords(batch);
          const verdict = validateProduced(batch, rules({ compressionType: to }));
          if (!verdict.ok) throw new Error(verdict.errorMessage);
          const [stored] = verdict.batches as [Buffer];
          expect(readBatchHeader(stored).compression).to.equal(to === 'uncompressed' ? 'none' : to);
          expect(decodeRecords(stored)).to.deep.equal(before);
        },
      ),
    );
  });

  it('through a message set of the old formats and back, but for headers and (magic 0) timestamps', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('none', 'gzip', 'snappy', 'lz4' as const),
        fc.constantFrom(0, 1 as const),
        records,
        (compression, magic, input) => {
          const batch = encodeBatch({ baseOffset: 1000n, records: input, compression });
          const old = downConvert([batch], magic, 1000n, 10_000_000);
          if (!('records' in old)) throw new Error(old.errorMessage);
          const verdict = validateProduced(old.records, rules({ apiVersion: magic + 1 }));
          if (!verdict.ok) throw new Error(verdict.errorMessage);
          expect(verdict.converted).to.equal(true);
          const [stored] = verdict.batches as [Buffer];
          expect(readBatchHeader(stored).compression).to.equal(compression);
          expect(decodeRecords(stored)).to.deep.equal(
            input.map((each, index) => ({
              offset: BigInt(index),
              timestampMs: magic === 0 ? -1n : each.timestampMs,
              key: each.key,
              value: each.value,
              headers: [],
            })),
          );
        },
      ),
    );
  });
});
