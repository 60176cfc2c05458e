import { expect } from 'chai';
import { batchCrcValid, patchBatch, readBatchHeader } from '../../../src/protocol/records/batch.ts';
import { decodeEndTransactionMarker, encodeMarkerBatch } from '../../../src/protocol/records/control-record.ts';
import { downConvert } from '../../../src/protocol/records/legacy.ts';
import { type LegacyMessage, readMessage, unwrap } from '../../../src/protocol/records/message-set.ts';
import { decodeRecords, encodeBatch } from '../../../src/protocol/records/record.ts';
import { validateProduced } from '../../../src/protocol/records/validate.ts';
import { APPEND_MS, BASE_MS, BASE_OFFSET, foreignBatches, foreignMarker, recordsOf } from './foreign.ts';
import { rules } from './rules.ts';

const batches = foreignBatches.filter(({ magic }) => magic === 2);
const messageSets = foreignBatches.filter(({ magic }) => magic < 2);

describe('records: what other libraries wrote', () => {
  for (const foreign of batches) {
    it(`is read: ${foreign.name}`, () => {
      expect(batchCrcValid(foreign.bytes)).to.equal(true);
      expect(readBatchHeader(foreign.bytes)).to.include({
        compression: foreign.compression,
        timestampType: foreign.timestampType,
        leaderEpoch: 3,
        baseTimestampMs: BASE_MS,
        maxTimestampMs: foreign.timestampType === 'LogAppendTime' ? APPEND_MS : BASE_MS + 900n,
      });
      expect(decodeRecords(foreign.bytes)).to.deep.equal(recordsOf(foreign, BASE_OFFSET));
    });
  }

  for (const foreign of batches.filter(({ timestampType }) => timestampType === 'CreateTime')) {
    it(`is accepted as it stands: ${foreign.name}`, () => {
      const produced = Buffer.from(foreign.bytes);
      patchBatch(produced, 0n, -1);
      const before = Buffer.from(produced);
      expect(validateProduced(produced, rules())).to.deep.equal({ ok: true, batches: [before], converted: false });
    });
  }

  for (const foreign of messageSets.filter(({ timestampType }) => timestampType === 'CreateTime')) {
    it(`becomes one batch: ${foreign.name}`, () => {
      const verdict = validateProduced(Buffer.from(foreign.bytes), rules({ apiVersion: foreign.magic + 1 }));
      if (!verdict.ok) throw new Error(verdict.errorMessage);
      expect(verdict.batches).to.have.length(1);
      const [batch] = verdict.batches as [Buffer];
      expect(batchCrcValid(batch)).to.equal(true);
      expect(readBatchHeader(batch)).to.include({ compression: foreign.compression, baseOffset: 0n });
      expect(decodeRecords(batch)).to.deep.equal(recordsOf(foreign, 0n));
    });
  }

  for (const foreign of messageSets) {
    it(`is what down-conversion makes of the same records: ${foreign.name}`, () => {
      const { magic, compression, timestampType } = foreign;
      if (magic === 2) throw new Error('not a message set');
      const batch = encodeBatch({
        baseOffset: BASE_OFFSET,
        records: recordsOf({ ...foreign, magic: 2, timestampType: 'CreateTime' }, BASE_OFFSET),
        compression,
        timestampType,
        logAppendTimeMs: APPEND_MS,
      });
      const old = downConvert([batch], magic, BASE_OFFSET, 1_000_000);
      if (!('records' in old)) throw new Error(old.errorMessage);
      if (compression === 'none') {
        expect(old.records.toString('hex')).to.equal(foreign.bytes.toString('hex'));
        return;
      }
      // How a codec's output looks depends on the library; what is in it, and the wrapper around it, do not.
      const [ours, theirs] = [old.records, foreign.bytes].map(readMessage) as [LegacyMessage, LegacyMessage];
      expect({ ...ours, value: null }).to.deep.equal({ ...theirs, value: null });
      const inner = (wrapper: LegacyMessage) => {
        const entries: string[] = [];
        unwrap(wrapper, 1_000_000, ({ entry }) => entries.push(entry.toString('hex')));
        return entries;
      };
      expect(inner(ours)).to.deep.equal(inner(theirs));
      // KIP-57: in magic 0 the header's checksum is over the wrong bytes, and clients of that time insist on it.
      if (compression === 'lz4') expect(ours.value?.subarray(0, 7)).to.deep.equal(theirs.value?.subarray(0, 7));
    });
  }

  it('is encoded to the same bytes, where no codec has a say', () => {
    const plain = batches.filter(({ compression }) => compression === 'none');
    for (const foreign of plain) {
      const ours = encodeBatch({
        baseOffset: BASE_OFFSET,
        leaderEpoch: 3,
        records: recordsOf({ ...foreign, timestampType: 'CreateTime' }, BASE_OFFSET),
        timestampType: foreign.timestampType,
        ...(foreign.timestampType === 'LogAppendTime' ? { logAppendTimeMs: APPEND_MS } : {}),
      });
      expect(ours.toString('hex'), foreign.name).to.equal(foreign.bytes.toString('hex'));
    }
    expect(plain).to.have.length(3);
  });

  it('holds the end of a transaction, and ours is the same', () => {
    const header = readBatchHeader(foreignMarker);
    expect(header).to.include({ isControl: true, isTransactional: true, producerId: 4711n, producerEpoch: 5 });
    const [record] = decodeRecords(foreignMarker);
    expect(decodeEndTransactionMarker(record!)).to.deep.equal({ type: 'commit', coordinatorEpoch: 9 });
    const ours = encodeMarkerBatch({
      baseOffset: 77n,
      leaderEpoch: 3,
      timestampMs: BASE_MS,
      producerId: 4711n,
      producerEpoch: 5,
      type: 'commit',
      coordinatorEpoch: 9,
    });
    expect(ours.toString('hex')).to.equal(foreignMarker.toString('hex'));
  });
});
