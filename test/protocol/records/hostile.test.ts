// Bytes that mean harm, or have been harmed: nothing but an answer may come of them, and never more memory than the
// bounds allow.
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { compressSync as lz4Block } from 'lz4-napi';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import {
  BATCH_HEADER_BYTES,
  batchField,
  computeBatchCrc,
  readBatchHeader,
  splitBatches,
} from '../../../src/protocol/records/batch.ts';
import { writeBatchHeader } from '../../../src/protocol/records/batch-builder.ts';
import {
  type CompressionType,
  compress,
  compressionIdOf,
  compressionTypes,
  decompress,
} from '../../../src/protocol/records/compression.ts';
import { downConvert } from '../../../src/protocol/records/legacy.ts';
import { encodeMessage } from '../../../src/protocol/records/message-set.ts';
import { decodeRecords, encodeBatch } from '../../../src/protocol/records/record.ts';
import { RecordsFault } from '../../../src/protocol/records/records-fault.ts';
import { validateProduced } from '../../../src/protocol/records/validate.ts';
import { foreignBatches } from './foreign.ts';
import { NOW_MS, rules } from './rules.ts';

const codecs = compressionTypes.filter((type) => type !== 'none');

/** A batch that says it holds `recordCount` records, around any payload. */
function around(payload: Buffer, compression: CompressionType, recordCount: number): Buffer {
  const batch = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), payload]);
  writeBatchHeader(batch, {
    baseOffset: 0n,
    leaderEpoch: -1,
    attributes: compressionIdOf(compression),
    lastOffsetDelta: recordCount - 1,
    baseTimestampMs: NOW_MS,
    maxTimestampMs: NOW_MS,
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    recordCount,
  });
  return batch;
}

/** Runs what may fail with a RecordsFault and with nothing else. */
function answered(run: () => unknown): unknown {
  try {
    return run();
  } catch (fault) {
    if (!(fault instanceof RecordsFault)) throw fault;
    return fault.errorCode;
  }
}

/** Overwrites, removes or inserts a few bytes. */
const mutation = fc.array(
  fc.record({ kind: fc.constantFrom('set', 'flip', 'remove', 'insert'), at: fc.nat(100_000), byte: fc.nat(255) }),
  { minLength: 1, maxLength: 4 },
);
function mutate(bytes: Buffer, mutations: readonly { kind: string; at: number; byte: number }[]): Buffer {
  let result = Buffer.from(bytes);
  for (const { kind, at, byte } of mutations) {
    const position = result.length === 0 ? 0 : at % result.length;
    if (kind === 'set') result[position] = byte;
    else if (kind === 'flip') result[position] = (result[position] as number) ^ (1 << (byte & 7));
    else {
      const middle = kind === 'insert' ? Buffer.from([byte]) : Buffer.alloc(0);
      const rest = result.subarray(kind === 'insert' ? position : position + 1);
      result = Buffer.concat([result.subarray(0, position), middle, rest]);
    }
  }
  return result;
}

function fixCrc(batch: Buffer): Buffer {
  if (batch.length < BATCH_HEADER_BYTES) return batch;
  batch.writeInt32BE(batch.length - 12, batchField.length);
  batch.writeUInt32BE(computeBatchCrc(batch), batchField.crc);
  return batch;
}

describe('records: harmed bytes', () => {
  it('are answered, whatever four bytes were changed in a batch or message set', () => {
    fc.assert(
      fc.property(fc.constantFrom(...foreignBatches), mutation, fc.boolean(), (foreign, mutations, repaired) => {
        const harmed = mutate(foreign.bytes, mutations);
        const records = repaired && foreign.magic === 2 ? fixCrc(harmed) : harmed;
        const apiVersion = foreign.magic === 2 ? 9 : foreign.magic + 1;
        const verdict = validateProduced(Buffer.from(records), rules({ apiVersion }));
        // What is accepted can be read by everyone after it.
        if (verdict.ok) for (const batch of verdict.batches) decodeRecords(batch);
        answered(() => splitBatches(records, { allowPartialTail: true }));
        answered(() => decodeRecords(records));
        answered(() => downConvert([records], 1, 0n, 1_000_000));
      }),
      { numRuns: 1500 },
    );
  });

  it('are answered when only the compressed payload was changed and the checksum is right', () => {
    fc.assert(
      fc.property(fc.constantFrom(...codecs), mutation, (codec, mutations) => {
        const records = Array.from({ length: 50 }, (_, index) => ({
          timestampMs: NOW_MS,
          key: null,
          value: Buffer.from(`value ${index} value ${index * 7}`),
        }));
        const batch = encodeBatch({ baseOffset: 0n, records, compression: codec });
        const harmed = around(mutate(batch.subarray(BATCH_HEADER_BYTES), mutations), codec, 50);
        const verdict = validateProduced(harmed, rules());
        if (verdict.ok) expect(decodeRecords(verdict.batches[0] as Buffer)).to.have.length(50);
        else expect(verdict.errorCode).to.be.oneOf([ErrorCode.INVALID_RECORD, ErrorCode.INVALID_TIMESTAMP]);
      }),
      { numRuns: 1000 },
    );
  });

  it('are answered when they are nothing but chance', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(9),
        fc.constantFrom(0, 1, 2),
        (array, apiVersion, magic) => {
          const bytes = Buffer.from(array);
          validateProduced(Buffer.from(bytes), rules({ apiVersion }));
          if (bytes.length > 16) bytes[16] = magic;
          if (bytes.length > 12) bytes.writeInt32BE(bytes.length - 12, 8);
          validateProduced(bytes, rules({ apiVersion }));
          for (const codec of codecs) answered(() => decompress(codec, bytes, 1_000_000));
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('records: bombs', () => {
  const MEGABYTE = 1 << 20;
  const zeros = Buffer.alloc(64 * MEGABYTE);
  const limits = rules({ decompressedBytesMax: MEGABYTE, maxMessageBytes: 16 * MEGABYTE });

  for (const codec of codecs) {
    it(`of ${codec} are refused as MESSAGE_TOO_LARGE, so that a producer splits them`, () => {
      const bomb = around(compress(codec, zeros), codec, 1);
      expect(validateProduced(bomb, limits)).to.include({ ok: false, errorCode: ErrorCode.MESSAGE_TOO_LARGE });
    });

    it(`of ${codec} are not unpacked to be refused`, () => {
      const bomb = compress(codec, zeros);
      const before = process.memoryUsage();
      for (let round = 0; round < 20; round++) {
        expect(answered(() => decompress(codec, bomb, MEGABYTE))).to.equal(ErrorCode.MESSAGE_TOO_LARGE);
      }
      const after = process.memoryUsage();
      expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).to.be.below(64 * MEGABYTE);
    });

    it(`of ${codec} just as large as allowed are no bombs`, () => {
      expect(decompress(codec, compress(codec, zeros.subarray(0, MEGABYTE)), MEGABYTE)).to.have.length(MEGABYTE);
    });
  }

  it('of zstd that lie about their content size are refused by their blocks', () => {
    // A frame of one segment that states 5 bytes, and 1,000 blocks of 128 KiB of the same byte each.
    const block = (last: number) => Buffer.from([0x02 | last, 0x00, 0x10, 0x61]);
    const blocks = Array.from({ length: 1000 }, (_, index) => block(index === 999 ? 1 : 0));
    const bomb = Buffer.concat([Buffer.from('28b52ffd2005', 'hex'), ...blocks]);
    expect(answered(() => decompress('zstd', bomb, MEGABYTE))).to.equal(ErrorCode.MESSAGE_TOO_LARGE);
  });

  it('of zstd are told from streams of many small blocks, which are unpacked', () => {
    // What an encoder writes that is flushed after each record: compressed blocks far below 128 KiB.
    const frame = compress('zstd', Buffer.from('abcabcabcabcabcabcabcabcabcabcabcabc'.repeat(4)));
    const descriptor = frame[4] as number;
    const headerBytes = 5 + ((descriptor & 0x20) === 0 ? 1 : 0) + (descriptor >> 6 === 0 && descriptor & 0x20 ? 1 : 0);
    const body = frame.subarray(headerBytes, frame.length - ((descriptor & 4) === 0 ? 0 : 4));
    const open = Buffer.from(body);
    open[0] = (open[0] as number) & 0xfe;
    expect(((open[0] as number) >> 1) & 3, 'a compressed block').to.equal(2);
    const many = Buffer.concat([Buffer.from('28b52ffd0058', 'hex'), ...Array.from({ length: 499 }, () => open), body]);
    const plain = decompress('zstd', many, 4 * MEGABYTE);
    expect(plain).to.have.length(500 * 144);
    expect(answered(() => decompress('zstd', many, 2 * MEGABYTE))).to.deep.equal(plain);
    expect(answered(() => decompress('zstd', many, 140_000))).to.equal(ErrorCode.MESSAGE_TOO_LARGE);
  });

  it('of snappy that state more than they could hold are refused before anything is allocated', () => {
    const bomb = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61]);
    expect(answered(() => decompress('snappy', bomb))).to.equal(ErrorCode.INVALID_RECORD);
  });

  it('of lz4 in blocks of 4 MiB are refused at the first block beyond the bound', () => {
    const header = Buffer.from('04224d186070', 'hex');
    const checked = Buffer.concat([header, compress('lz4', Buffer.alloc(1)).subarray(6, 7)]);
    const block = lz4Block(Buffer.alloc(4 * MEGABYTE));
    block.writeUInt32LE(block.length - 4, 0);
    checked[5] = 0x70;
    // The header checksum of 60 70, known from the frame that the library itself writes.
    checked[6] = 0x73;
    const bomb = Buffer.concat([checked, block, block, Buffer.alloc(4)]);
    expect(decompress('lz4', bomb)).to.have.length(8 * MEGABYTE);
    expect(answered(() => decompress('lz4', bomb, MEGABYTE))).to.equal(ErrorCode.MESSAGE_TOO_LARGE);
  });

  it('in a wrapper of an old format are refused as well', () => {
    const inner = encodeMessage(1, { offset: 0n, timestampMs: NOW_MS, key: null, value: zeros }, 'CreateTime');
    const wrapper = { offset: 0n, timestampMs: NOW_MS, key: null, value: gzipSync(inner) };
    const bomb = encodeMessage(1, wrapper, 'CreateTime', 'gzip');
    const verdict = validateProduced(bomb, { ...limits, apiVersion: 2 });
    expect(verdict).to.include({ ok: false, errorCode: ErrorCode.MESSAGE_TOO_LARGE });
  });

  it('of two million tiny records cost no object each', () => {
    const tiny = Buffer.from([0x0c, 0, 0, 0, 1, 1, 0]);
    const batch = around(gzipSync(Buffer.alloc(tiny.length * 2_000_000, tiny)), 'gzip', 2_000_000);
    const heapBefore = process.memoryUsage().heapUsed;
    // Offsets that are all 0 make it the most expensive case: every record is numbered anew.
    const verdict = validateProduced(Buffer.from(batch), rules({ maxMessageBytes: 32 * MEGABYTE }));
    expect(verdict).to.include({ ok: true, converted: true });
    const refused = validateProduced(Buffer.from(batch), rules({ compacted: true }));
    if (refused.ok) throw new Error('keys are missing');
    expect(refused.errorCode).to.equal(ErrorCode.INVALID_RECORD);
    expect(refused.recordErrors).to.have.length(1000);
    expect(process.memoryUsage().heapUsed - heapBefore).to.be.below(100 * MEGABYTE);
  });

  it('of counts have no effect: the payload ends first', () => {
    const payload = encodeBatch({ baseOffset: 0n, records: [{ timestampMs: NOW_MS, key: null, value: null }] });
    const batch = around(payload.subarray(BATCH_HEADER_BYTES), 'none', 0x7fff_ffff);
    expect(readBatchHeader(batch).recordCount).to.equal(0x7fff_ffff);
    expect(validateProduced(batch, rules())).to.include({ ok: false, errorCode: ErrorCode.INVALID_RECORD });
    expect(answered(() => decodeRecords(batch))).to.equal(ErrorCode.INVALID_RECORD);
  });

  it('are not even tried with a codec that Kafka does not know', () => {
    const batch = around(brotliCompressSync(zeros.subarray(0, MEGABYTE)), 'none', 1);
    batch.writeInt16BE(5, batchField.attributes);
    expect(validateProduced(fixCrc(batch), limits)).to.include({ errorCode: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE });
  });
});
