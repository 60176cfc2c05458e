import { expect } from 'chai';
import fc from 'fast-check';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import {
  batchCrcValid,
  lastOffsetOf,
  patchBatch,
  patchLogAppendTime,
  readBatchHeader,
  splitBatches,
} from '../../../src/protocol/records/batch.ts';
import { decodeRecords, encodeBatch, iterateRecords } from '../../../src/protocol/records/record.ts';
import { RecordsFault } from '../../../src/protocol/records/records-fault.ts';
import {
  VarintReader,
  varintBytes,
  varlongBytes,
  writeVarint,
  writeVarlong,
} from '../../../src/protocol/records/varint.ts';
import { xxhash32 } from '../../../src/protocol/records/xxhash32.ts';

const T = 1_748_736_000_000n;
const record = (value: string, timestampMs = T) => ({ timestampMs, key: null, value: Buffer.from(value) });
const batch = () =>
  encodeBatch({
    baseOffset: 0n,
    records: [record('a'), record('b', T + 10n)],
    producerId: 7n,
    producerEpoch: 2,
    baseSequence: 5,
    isTransactional: true,
  });

function faultOf(run: () => unknown): number | undefined {
  try {
    run();
    return undefined;
  } catch (fault) {
    if (!(fault instanceof RecordsFault)) throw fault;
    return fault.errorCode;
  }
}

describe('records: a batch', () => {
  it('moves to its place in the log without a new checksum', () => {
    const moved = batch();
    const { crc } = readBatchHeader(moved);
    patchBatch(moved, 2n ** 40n, 17);
    expect(readBatchHeader(moved)).to.include({ baseOffset: 2n ** 40n, leaderEpoch: 17, crc });
    expect(lastOffsetOf(readBatchHeader(moved))).to.equal(2n ** 40n + 1n);
    expect(batchCrcValid(moved)).to.equal(true);
    expect(decodeRecords(moved).map(({ offset }) => offset)).to.deep.equal([2n ** 40n, 2n ** 40n + 1n]);
  });

  it('takes the time of its append for all its records, and keeps the rest', () => {
    const appended = batch();
    patchLogAppendTime(appended, T + 99n);
    expect(batchCrcValid(appended)).to.equal(true);
    expect(readBatchHeader(appended)).to.include({
      timestampType: 'LogAppendTime',
      maxTimestampMs: T + 99n,
      baseTimestampMs: T,
      isTransactional: true,
      isControl: false,
      producerId: 7n,
      producerEpoch: 2,
      baseSequence: 5,
    });
    expect(decodeRecords(appended).map(({ timestampMs }) => timestampMs)).to.deep.equal([T + 99n, T + 99n]);
  });

  it('is read where it lies in a larger buffer', () => {
    const buffer = Buffer.concat([Buffer.alloc(13, 0xff), batch()]);
    expect(readBatchHeader(buffer, 13)).to.deep.equal(readBatchHeader(batch()));
  });

  it('without records, as compaction leaves it, holds none', () => {
    const empty = batch().subarray(0, 61);
    empty.writeInt32BE(61 - 12, 8);
    empty.writeInt32BE(0, 57);
    expect([...iterateRecords(empty)]).to.deep.equal([]);
  });

  it('that is cut, too short or of another format is corrupt', () => {
    expect(faultOf(() => readBatchHeader(batch().subarray(0, 60)))).to.equal(ErrorCode.CORRUPT_MESSAGE);
    const short = batch();
    short.writeInt32BE(48, 8);
    expect(faultOf(() => readBatchHeader(short))).to.equal(ErrorCode.CORRUPT_MESSAGE);
    const old = batch();
    old[16] = 1;
    expect(faultOf(() => readBatchHeader(old))).to.equal(ErrorCode.CORRUPT_MESSAGE);
    expect(faultOf(() => decodeRecords(batch().subarray(0, 70)))).to.equal(ErrorCode.CORRUPT_MESSAGE);
  });
});

describe('records: several batches in one buffer', () => {
  const two = Buffer.concat([batch(), batch()]);

  it('are split into views of it', () => {
    const parts = splitBatches(two);
    expect(parts).to.deep.equal([batch(), batch()]);
    patchBatch(parts[1] as Buffer, 9n, 1);
    expect(two.readBigInt64BE((parts[0] as Buffer).length)).to.equal(9n);
  });

  it('may end in a cut one only where a Fetch response is read', () => {
    for (let bytes = two.length - 1; bytes > batch().length; bytes--) {
      const cut = two.subarray(0, bytes);
      expect(splitBatches(cut, { allowPartialTail: true })).to.have.length(1);
      expect(faultOf(() => splitBatches(cut))).to.equal(ErrorCode.CORRUPT_MESSAGE);
    }
    expect(splitBatches(Buffer.alloc(0))).to.deep.equal([]);
  });

  it('never hang on a size of nothing', () => {
    for (const size of [0, -12, -0x8000_0000, 48]) {
      const bad = batch();
      bad.writeInt32BE(size, 8);
      expect(
        faultOf(() => splitBatches(bad, { allowPartialTail: true })),
        `${size}`,
      ).to.equal(ErrorCode.CORRUPT_MESSAGE);
    }
  });
});

describe('records: varints', () => {
  it('of 32 bits take as many bytes as they say and come back', () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        const buffer = Buffer.alloc(5);
        expect(writeVarint(buffer, 0, value)).to.equal(varintBytes(value));
        expect(new VarintReader(buffer, 0, 5).varint()).to.equal(value);
      }),
    );
  });

  it('of 64 bits take as many bytes as they say and come back', () => {
    const value = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.bigInt({ min: -5000n, max: 5000n }),
    );
    fc.assert(
      fc.property(value, (each) => {
        const buffer = Buffer.alloc(10);
        expect(writeVarlong(buffer, 0, each)).to.equal(varlongBytes(each));
        expect(new VarintReader(buffer, 0, 10).varlong()).to.equal(each);
      }),
    );
  });

  it('that never end are refused', () => {
    const endless = Buffer.alloc(20, 0x80);
    expect(faultOf(() => new VarintReader(endless, 0, 20).varint())).to.equal(ErrorCode.INVALID_RECORD);
    expect(faultOf(() => new VarintReader(endless, 0, 20).varlong())).to.equal(ErrorCode.INVALID_RECORD);
    expect(faultOf(() => new VarintReader(endless, 0, 3).varint())).to.equal(ErrorCode.INVALID_RECORD);
  });
});

describe('records: xxHash', () => {
  it('gives the values of its specification', () => {
    expect(xxhash32(Buffer.alloc(0))).to.equal(0x02cc5d05);
    expect(xxhash32(Buffer.from('a'))).to.equal(0x550d7456);
    expect(xxhash32(Buffer.from('Nobody inspects the spammish repetition'))).to.equal(0xe2293b2f);
  });
});
