// The rules of message definitions, each on a small definition of its own or on a real one that depends on it.

import { expect } from 'chai';
import { fetch } from '../../src/protocol/apis/fetch.ts';
import { joinGroup } from '../../src/protocol/apis/join-group.ts';
import { produce } from '../../src/protocol/apis/produce.ts';
import { consumerProtocolSubscription } from '../../src/protocol/coordinator-records/consumer-protocol.ts';
import { recordVersion } from '../../src/protocol/coordinator-records/define.ts';
import { groupMetadataKey } from '../../src/protocol/coordinator-records/group-metadata.ts';
import { offsetCommitKey, offsetCommitValue } from '../../src/protocol/coordinator-records/offset-commit.ts';
import { EncodeError, ProtocolError } from '../../src/protocol/protocol-error.ts';
import {
  array,
  bool,
  bytes,
  defineApi,
  float64,
  int8,
  int16,
  int32,
  int64,
  object,
  string,
  uint16,
  uint32,
  uuid,
} from '../../src/protocol/schema/define.ts';
import { stringBytesMax } from '../../src/protocol/wire/reader.ts';
import { spliceBytesMin } from '../../src/protocol/wire/writer.ts';

const sample = defineApi({
  key: 1000,
  name: 'Sample',
  versions: '0-3',
  flexible: '2+',
  request: {
    name: string('0+', { nullable: '1+' }),
    timeoutMs: int32('1+', { default: 60_000 }),
    reason: string('1+', { nullable: '1+', default: null, ignorable: true }),
    old: int32('0-1'),
    inner: object('2+', { epoch: int32('0+', { default: -1 }), end: int64('0+', { default: -1n }) }, { tag: 1 }),
    label: string('2+', { tag: 0 }),
    late: string('3+', { tag: 2, ignorable: true }),
  },
  response: {
    flag: bool('0+'),
    byte: int8('0+'),
    short: int16('0+'),
    port: uint16('0+'),
    count: int32('0+'),
    size: uint32('0+'),
    offset: int64('0+'),
    ratio: float64('0+'),
    id: uuid('0+'),
    text: string('0+'),
    data: bytes('0+', { nullable: '0+' }),
    indexes: array('0+', 'int32', { nullable: '0+' }),
    cursor: object('0+', { at: int32('0+') }, { nullable: '0+', default: null }),
  },
});

function hex(chunks: readonly Uint8Array[]): string {
  return Buffer.concat(chunks).toString('hex');
}

describe('wire types', () => {
  const values = {
    flag: true,
    byte: -2,
    short: -3,
    port: 65_535,
    count: -5,
    size: 4_294_967_295,
    offset: -9_007_199_254_740_993n,
    ratio: 0.5,
    id: 'ABEiM0RVZneImaq7zN3u_w',
    text: 'é',
    data: Buffer.from([1, 2]),
    indexes: [7],
    cursor: { at: 9 },
  };
  const fixed = '01fefffdfffffffffffbffffffffffdfffffffffffff3fe000000000000000112233445566778899aabbccddeeff';

  it('are big-endian, with fixed lengths in the older versions', () => {
    expect(hex(sample.encodeResponse(0, values))).to.equal(
      [fixed, '0002c3a9', '000000020102', '0000000100000007', '0100000009'].join(''),
    );
  });

  it('have varint lengths, one above the length, in flexible versions', () => {
    expect(hex(sample.encodeResponse(2, values))).to.equal(
      [fixed, '03c3a9', '030102', '0200000007', '010000000900', '00'].join(''),
    );
  });

  it('come back as they went', () => {
    for (const version of [0, 2]) {
      const body = Buffer.concat(sample.encodeResponse(version, values));
      expect(sample.decodeResponse(version, body, 0)).to.deep.equal(values);
    }
  });

  it('are null where they may be', () => {
    const nulls = { ...values, data: null, indexes: null, cursor: null };
    for (const version of [0, 2]) {
      const body = Buffer.concat(sample.encodeResponse(version, nulls));
      expect(sample.decodeResponse(version, body, 0)).to.deep.equal(nulls);
    }
  });

  it('hold what their size holds and no more', () => {
    const refuse = (change: object, message: string): void => {
      expect(() => sample.encodeResponse(0, { ...values, ...change })).to.throw(EncodeError, message);
    };
    refuse({ byte: 128 }, 'byte: 128 is no int8');
    refuse({ short: -32_769 }, 'short: -32769 is no int16');
    refuse({ port: -1 }, 'port: -1 is no uint16');
    refuse({ count: 2 ** 31 }, 'count: 2147483648 is no int32');
    refuse({ count: 1.5 }, 'count: 1.5 is no int32');
    refuse({ size: -1 }, 'size: -1 is no uint32');
    refuse({ offset: 2n ** 63n }, 'offset: 9223372036854775808 is no int64');
    refuse({ id: 'short' }, 'id: short is no uuid');
    refuse({ id: '*'.repeat(22) }, 'is no uuid');
    refuse({ text: 'x'.repeat(stringBytesMax + 1) }, 'text: string of 32768 bytes, 32767 at most');
    refuse({ indexes: [1, 2, 2 ** 40] }, 'indexes[2]: 1099511627776 is no int32');
  });

  it('of text have the same limit in the compact form, both ways', () => {
    const long = { ...values, text: 'é'.repeat(stringBytesMax / 2 + 1) };
    expect(() => sample.encodeResponse(2, long)).to.throw(EncodeError, 'text: string of 32768 bytes');
    const subscribed = joinGroup.encodeRequest(6, {
      groupId: 'x'.repeat(stringBytesMax),
      sessionTimeoutMs: 1,
      memberId: '',
      protocolType: '',
      protocols: [],
    });
    const body = Buffer.concat(subscribed);
    expect(joinGroup.decodeRequest(6, body, 0).groupId).to.have.length(stringBytesMax);
    // The varint of its length: 0x8000 becomes 0x8001.
    body[0]! += 1;
    expect(() => joinGroup.decodeRequest(6, body, 0)).to.throw(ProtocolError, 'groupId: string of 32768 bytes');
  });

  it('of bytes are views of the frame', () => {
    const records = Buffer.alloc(100, 7);
    const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
    const body = Buffer.concat(produce.encodeRequest(3, { acks: -1, timeoutMs: 1, topicData }));
    const decoded = produce.decodeRequest(3, body, 0).topicData[0]!.partitionData[0]!.records!;
    expect(decoded.buffer).to.equal(body.buffer);
    expect(decoded.equals(records)).to.equal(true);
  });

  it('of bytes are not copied from a size on when encoded', () => {
    for (const [size, spliced] of [
      [spliceBytesMin - 1, false],
      [spliceBytesMin, true],
    ] as const) {
      const data = Buffer.alloc(size);
      const chunks = sample.encodeResponse(0, { ...values, data });
      expect(chunks.includes(data), String(size)).to.equal(spliced);
    }
  });
});

describe('fields and versions', () => {
  it('a field that the version lacks has its default', () => {
    const body = Buffer.concat(sample.encodeRequest(0, { name: 'n' }));
    expect(sample.decodeRequest(0, body, 0)).to.deep.equal({
      name: 'n',
      timeoutMs: 60_000,
      reason: null,
      old: 0,
      inner: { epoch: -1, end: -1n },
      label: '',
      late: '',
    });
  });

  it('a field left out is written as its default', () => {
    expect(hex(sample.encodeRequest(1, { name: 'n' }))).to.equal('00016e' + '0000ea60' + 'ffff' + '00000000');
  });

  it('a value that the version would lose is refused, unless it may be ignored', () => {
    expect(() => sample.encodeRequest(0, { name: 'n', timeoutMs: 5 })).to.throw(
      EncodeError,
      'timeoutMs: has a value that version 0 cannot carry',
    );
    expect(() => sample.encodeRequest(2, { name: 'n', old: 5 })).to.throw(EncodeError, 'old: has a value');
    expect(() => sample.encodeRequest(1, { name: 'n', inner: { end: 4n } })).to.throw(
      EncodeError,
      'inner: has a value',
    );
    expect(hex(sample.encodeRequest(0, { name: 'n', reason: 'why' }))).to.equal('00016e00000000');
    expect(hex(sample.encodeRequest(0, { name: 'n', timeoutMs: 60_000, inner: {} }))).to.equal('00016e00000000');
  });

  it('null is refused in versions that do not have it, both ways', () => {
    expect(() => sample.encodeRequest(0, { name: null })).to.throw(EncodeError, 'name: is null');
    expect(hex(sample.encodeRequest(1, { name: null })).slice(0, 4)).to.equal('ffff');
    expect(() => sample.decodeRequest(0, Buffer.from('ffff00000000', 'hex'), 0)).to.throw(
      ProtocolError,
      'name: is null',
    );
  });

  it('a version that does not exist is refused', () => {
    expect(() => sample.encodeRequest(4, { name: 'n' })).to.throw(EncodeError, 'SampleRequest has no version 4');
    expect(() => sample.decodeRequest(4, Buffer.alloc(10), 0)).to.throw(
      ProtocolError,
      'SampleRequest has no version 4',
    );
    expect(() => sample.decodeRequest(-1, Buffer.alloc(10), 0)).to.throw(ProtocolError, 'no version -1');
  });

  it('a fault deep inside says where', () => {
    const partition = { partition: 0, fetchOffset: 0n, partitionMaxBytes: 1 };
    const topics = [
      { topic: 'a', partitions: [partition] },
      { topic: 'b', partitions: [partition, { ...partition, fetchOffset: 2n ** 70n }] },
    ];
    const request = { maxWaitMs: 1, minBytes: 1, topics };
    expect(() => fetch.encodeRequest(4, request)).to.throw(EncodeError, 'topics[1].partitions[1].fetchOffset: ');
    const partitionData = [0, 1].map((index) => ({ index, records: Buffer.alloc(9) }));
    const body = Buffer.concat(
      produce.encodeRequest(3, { acks: -1, timeoutMs: 1, topicData: [{ name: 't', partitionData }] }),
    );
    expect(() => produce.decodeRequest(3, body.subarray(0, -3), 0))
      .to.throw(ProtocolError, 'needs 9 bytes, 6 are left')
      .with.property('path', 'topicData[0].partitionData[1].records');
  });
});

describe('tagged fields', () => {
  it('are written in the order of their tags, and only where they say something', () => {
    expect(hex(sample.encodeRequest(2, { name: '' }))).to.equal('01' + '0000ea60' + '00' + '00');
    expect(hex(sample.encodeRequest(2, { name: '', inner: { epoch: 1 }, label: 'x' }))).to.equal(
      '01' + '0000ea60' + '00' + '02' + '0002' + '0278' + '010d' + '00000001ffffffffffffffff00',
    );
  });

  it('may be longer than one byte can say', () => {
    for (const length of [125, 126, 127, 128, 500, 16_382, 16_383, 16_384, 20_000]) {
      const body = Buffer.concat(
        sample.encodeRequest(2, { name: 'n', label: 'x'.repeat(length), inner: { epoch: 4 } }),
      );
      const decoded = sample.decodeRequest(2, body, 0);
      expect([decoded.label.length, decoded.inner.epoch]).to.deep.equal([length, 4]);
    }
  });

  it('that are unknown are skipped, and so are those of later versions', () => {
    const body = Buffer.from(
      '01' + '0000ea60' + '00' + '03' + '0002' + '0278' + '0202' + '0179' + '6301' + 'ff',
      'hex',
    );
    expect(sample.decodeRequest(2, body, 0)).to.include({ label: 'x', late: '' });
  });

  it('that are not as long as they say are refused', () => {
    for (const wrong of ['0003' + '027800', '0001' + '0278']) {
      const body = Buffer.from(`010000ea600001${wrong}0000`, 'hex');
      expect(() => sample.decodeRequest(2, body, 0)).to.throw(ProtocolError, 'label: tagged field is not as long');
    }
  });

  it('that would reach beyond the frame are refused', () => {
    const body = Buffer.from('01' + '0000ea60' + '00' + '01' + '63ffffffff0f', 'hex');
    expect(() => sample.decodeRequest(2, body, 0)).to.throw(ProtocolError, 'tagged fields: needs 4294967295 bytes');
  });
});

describe('varints', () => {
  it('of more than 32 bits are refused', () => {
    for (const tooLong of ['8080808080', 'ffffffff10', 'ffffffff8f00']) {
      expect(() => sample.decodeRequest(2, Buffer.from(`${tooLong}000000`, 'hex'), 0)).to.throw(
        ProtocolError,
        'name: varint is longer than 32 bits',
      );
    }
  });

  it('may be padded, as Kafka allows', () => {
    const body = Buffer.from('828000' + '6e' + '0000ea60' + '00' + '00', 'hex');
    expect(sample.decodeRequest(2, body, 0).name).to.equal('n');
  });

  it('that end with the frame are refused', () => {
    expect(() => sample.decodeRequest(2, Buffer.from('8080', 'hex'), 0)).to.throw(ProtocolError, 'name: needs 3 bytes');
  });
});

describe("coordinators' records", () => {
  it('begin with their version, which tells the kind of a key', () => {
    expect(offsetCommitKey.encode(1, { group: 'g', topic: 't', partition: 2 }).toString('hex')).to.equal(
      '0001' + '000167' + '000174' + '00000002',
    );
    const groupKey = groupMetadataKey.encode(2, { group: 'g' });
    expect(groupKey.toString('hex')).to.equal('0002' + '000167');
    expect(recordVersion(groupKey)).to.equal(2);
    expect(() => offsetCommitKey.decode(groupKey)).to.throw(ProtocolError, 'OffsetCommitKey has no version 2');
    expect(() => recordVersion(Buffer.alloc(1))).to.throw(ProtocolError, 'needs 2 bytes, 1 are left');
  });

  it('have a buffer of their own', () => {
    const value = offsetCommitValue.encode(3, { offset: 5n, metadata: '', commitTimestamp: 7n });
    const copy = Buffer.from(value);
    for (let index = 0; index < 100; index++)
      offsetCommitValue.encode(3, { offset: 6n, metadata: 'x', commitTimestamp: 0n });
    expect(value.equals(copy)).to.equal(true);
    expect(offsetCommitValue.decode(value).value).to.include({ offset: 5n, leaderEpoch: -1, expireTimestamp: -1n });
  });

  it('of the consumer protocol are read in the newest known form if they are newer', () => {
    // ConsumerProtocol.java: later versions only append.
    const known = consumerProtocolSubscription.encode(3, { topics: ['a'], rackId: 'r' });
    const newer = Buffer.concat([Buffer.from([0, 9]), known.subarray(2), Buffer.from('more')]);
    const { version, value } = consumerProtocolSubscription.decode(newer);
    expect(version).to.equal(9);
    expect(value).to.include({ rackId: 'r', generationId: -1 });
  });
});
