// Produced records good and bad, of which Apache Kafka's answers are kept in fixtures/kafka-answers.json
// (fixtures/generate/kafka-answers.ts asks it). Each goes to a topic with the configs given.
import { gzipSync } from 'node:zlib';
import { crc32 } from '@node-rs/crc32';
import { compressSync as snappyRaw } from 'snappy';
import {
  BATCH_HEADER_BYTES,
  batchField,
  computeBatchCrc,
  readBatchHeader,
} from '../../../src/protocol/records/batch.ts';
import { writeBatchHeader } from '../../../src/protocol/records/batch-builder.ts';
import {
  type CompressionType,
  compress,
  compressionIdOf,
  compressionTypes,
} from '../../../src/protocol/records/compression.ts';
import { encodeMessage, encodeMessageSet, type LegacyMagic } from '../../../src/protocol/records/message-set.ts';
import { encodeBatch, type RecordInput } from '../../../src/protocol/records/record.ts';

export interface ProduceCase {
  readonly name: string;
  readonly apiVersion: number;
  /** Configs of the topic, by Kafka's names; Kafka's defaults otherwise. */
  readonly config: Readonly<Record<string, string>>;
  readonly records: Buffer;
}

/** 2025-06-01: in the past of any broker that is asked. */
export const T = 1_748_736_000_000n;
const ANCIENT = 1000n;
/** The year 2200. */
const FUTURE = 7_258_118_400_000n;

const input = (timestampMs = T, key: string | null = 'k', value: string | null = 'value'): RecordInput => ({
  timestampMs,
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
});
const three = [
  input(),
  input(T + 5n, 'b'),
  { ...input(T + 2n, 'c'), headers: [{ key: 'h', value: Buffer.from('x') }] },
];

const cases: ProduceCase[] = [];
function add(name: string, records: Buffer, config: Record<string, string> = {}, apiVersion = 8): void {
  cases.push({ name, apiVersion, config, records });
}

type Patch = (batch: Buffer) => void;
const i32 =
  (at: number, value: number): Patch =>
  (batch) =>
    void batch.writeInt32BE(value, at);
const attribute =
  (bits: number): Patch =>
  (batch) =>
    void batch.writeInt16BE(batch.readInt16BE(batchField.attributes) | bits, batchField.attributes);
/** A batch of the records, its header changed, its CRC right. */
function patched(patch: Patch, records: readonly RecordInput[] = three, compression: CompressionType = 'none'): Buffer {
  const batch = encodeBatch({ baseOffset: 0n, records, compression });
  patch(batch);
  batch.writeUInt32BE(computeBatchCrc(batch), batchField.crc);
  return batch;
}
/** A batch of three records around any payload. */
function around(payload: Buffer, compression: CompressionType, patch: Patch = () => {}): Buffer {
  const header = readBatchHeader(encodeBatch({ baseOffset: 0n, records: three }));
  const batch = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), payload]);
  writeBatchHeader(batch, { ...header, attributes: compressionIdOf(compression) });
  patch(batch);
  batch.writeUInt32BE(computeBatchCrc(batch), batchField.crc);
  return batch;
}
const payload = encodeBatch({ baseOffset: 0n, records: three }).subarray(BATCH_HEADER_BYTES);

// What is good.
for (const codec of compressionTypes)
  add(`good, ${codec}`, encodeBatch({ baseOffset: 0n, records: three, compression: codec }));
add('good, raw snappy', around(snappyRaw(payload), 'snappy'));
add(
  'good, gzip of two members',
  around(Buffer.concat([gzipSync(payload.subarray(0, 9)), gzipSync(payload.subarray(9))]), 'gzip'),
);
add(
  'good, zstd of two frames',
  around(Buffer.concat([compress('zstd', payload.subarray(0, 9)), compress('zstd', payload.subarray(9))]), 'zstd'),
);
const xerial = compress('snappy', payload);
add('good, two snappy streams', around(Buffer.concat([xerial.subarray(0, 16), compress('snappy', payload)]), 'snappy'));

// Which batches a version may bring.
add('nothing', Buffer.alloc(0));
add('nothing, version 2', Buffer.alloc(0), {}, 2);
const one = encodeBatch({ baseOffset: 0n, records: three });
add('two batches', Buffer.concat([one, one]));
add('two batches, version 2', Buffer.concat([one, one]), {}, 2);
add('one batch, version 2', one, {}, 2);
add('one batch, version 0', one, {}, 0);
const zstd = encodeBatch({ baseOffset: 0n, records: three, compression: 'zstd' });
add('zstd, version 6', zstd, {}, 6);
add('zstd, version 7', zstd, {}, 7);
add('zstd, version 2', zstd, {}, 2);
add('a message of magic 1, version 3', encodeMessage(1, { ...input(), offset: 0n }, 'CreateTime'), {}, 3);
add('a message of magic 0, version 8', encodeMessage(0, { ...input(), offset: 0n }, 'CreateTime'));

// Sizes and checksums.
add(
  'wrong crc',
  (() => {
    const batch = Buffer.from(one);
    batch[70] = (batch[70] as number) ^ 1;
    return batch;
  })(),
);
for (const length of [-1, 5, 13, 14, 20, 48, one.length + 100]) add(`length field ${length}`, patched(i32(8, length)));
add('trailing 5 bytes', Buffer.concat([one, Buffer.from('abcde')]));
add('trailing 20 zero bytes', Buffer.concat([one, Buffer.alloc(20)]));
add('cut by one byte', one.subarray(0, one.length - 1));
add('16 bytes', one.subarray(0, 16));
for (const magic of [3, 127, 255]) {
  add(
    `magic ${magic}`,
    patched((batch) => {
      batch[batchField.magic] = magic;
    }),
  );
}
add('too large', one, { 'max.message.bytes': String(one.length - 1) });
add('as large as allowed', one, { 'max.message.bytes': String(one.length) });
add('too large and wrong crc', Buffer.concat([one.subarray(0, 80), Buffer.alloc(one.length - 80)]), {
  'max.message.bytes': '90',
});

// Header fields.
add(
  'base offset 5',
  patched((batch) => void batch.writeBigInt64BE(5n, 0)),
);
add(
  'base offset 5 and wrong crc',
  (() => {
    const batch = Buffer.from(one);
    batch.writeBigInt64BE(5n, 0);
    batch[70] = (batch[70] as number) ^ 1;
    return batch;
  })(),
);
const count =
  (recordCount: number, lastOffsetDelta: number): Patch =>
  (batch) => {
    batch.writeInt32BE(recordCount, batchField.recordCount);
    batch.writeInt32BE(lastOffsetDelta, batchField.lastOffsetDelta);
  };
for (const codec of ['none', 'gzip'] as const) {
  add(`count 0, delta -1, ${codec}`, patched(count(0, -1), three, codec));
  add(`count 0, delta 0, ${codec}`, patched(count(0, 0), three, codec));
  add(`count -1, delta 2, ${codec}`, patched(count(-1, 2), three, codec));
  add(`count 3, delta 5, ${codec}`, patched(count(3, 5), three, codec));
  add(`count 3, delta -5, ${codec}`, patched(count(3, -5), three, codec));
  add(`count one too many, ${codec}`, patched(count(4, 3), three, codec));
  add(`count one too few, ${codec}`, patched(count(2, 1), three, codec));
  add(`count of the largest int, ${codec}`, patched(count(0x7fffffff, 0x7ffffffe), three, codec));
  add(`control batch, ${codec}`, patched(attribute(0x20), three, codec));
  add(`delete horizon set, ${codec}`, patched(attribute(0x40), three, codec));
  add(`unknown attribute 0x80, ${codec}`, patched(attribute(0x80), three, codec));
  add(`unknown attribute 0x100, ${codec}`, patched(attribute(0x100), three, codec));
  add(
    `max timestamp 0, ${codec}`,
    patched((batch) => void batch.writeBigInt64BE(0n, batchField.maxTimestamp), three, codec),
  );
  add(
    `max timestamp too high, ${codec}`,
    patched((batch) => void batch.writeBigInt64BE(FUTURE, batchField.maxTimestamp), three, codec),
  );
}
const producer =
  (producerId: bigint, epoch: number, sequence: number): Patch =>
  (batch) => {
    batch.writeBigInt64BE(producerId, batchField.producerId);
    batch.writeInt16BE(epoch, batchField.producerEpoch);
    batch.writeInt32BE(sequence, batchField.baseSequence);
  };
add('producer without sequence', patched(producer(900_001n, 0, -1)));
add('sequence without producer', patched(producer(-1n, -1, 5)));
add('producer -2 without sequence', patched(producer(-2n, 0, -1)));
for (const id of [5, 6, 7]) add(`codec id ${id}`, patched(attribute(id)));

// Records that are not framed as they should be, plain and compressed.
const framing: [string, Buffer][] = [
  ['length too large', Buffer.concat([Buffer.from([0x7e]), payload.subarray(1)])],
  ['length negative', Buffer.concat([Buffer.from([0x01]), payload.subarray(1)])],
  ['length zero', Buffer.concat([Buffer.from([0x00]), payload.subarray(1)])],
  ['length one too many', Buffer.concat([Buffer.from([(payload[0] as number) + 2]), payload.subarray(1)])],
  ['length one too few', Buffer.concat([Buffer.from([(payload[0] as number) - 2]), payload.subarray(1)])],
  ['length varint too long', Buffer.concat([Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), payload])],
  ['key too long', Buffer.concat([payload.subarray(0, 4), Buffer.from([0x7e]), payload.subarray(5)])],
  [
    'key of length -2',
    Buffer.concat([
      Buffer.from([0x12, 0, 0, 0, 3, 6]),
      Buffer.from('abc\0'),
      payload.subarray((payload[0] as number) / 2 + 1),
    ]),
  ],
  [
    'header count negative',
    Buffer.concat([Buffer.from([0x0c, 0, 0, 0, 1, 1, 1]), payload.subarray((payload[0] as number) / 2 + 1)]),
  ],
  [
    'header count too large',
    Buffer.concat([Buffer.from([0x0c, 0, 0, 0, 1, 1, 0x7e]), payload.subarray((payload[0] as number) / 2 + 1)]),
  ],
  [
    'header key null',
    Buffer.concat([Buffer.from([0x10, 0, 0, 0, 1, 1, 2, 1, 1]), payload.subarray((payload[0] as number) / 2 + 1)]),
  ],
  [
    'bytes left in a record',
    Buffer.concat([Buffer.from([0x10, 0, 0, 0, 1, 1, 0, 0, 0]), payload.subarray((payload[0] as number) / 2 + 1)]),
  ],
  ['record attributes set', Buffer.concat([payload.subarray(0, 1), Buffer.from([0xff]), payload.subarray(2)])],
  ['bytes behind the last record', Buffer.concat([payload, Buffer.from('abc')])],
  ['cut in the last record', payload.subarray(0, payload.length - 3)],
  ['empty payload', Buffer.alloc(0)],
];
for (const [name, bad] of framing) {
  for (const codec of ['none', 'lz4'] as const) add(`framing: ${name}, ${codec}`, around(compress(codec, bad), codec));
}
// Offsets: zigzag of 0, 1, 2 at the third byte of each record.
const offsets = (deltas: number[]): Buffer => {
  const wrong = Buffer.from(payload);
  let at = 0;
  for (const delta of deltas) {
    wrong[at + 3] = delta * 2;
    at += (wrong[at] as number) / 2 + 1;
  }
  return wrong;
};
for (const codec of ['none', 'gzip'] as const) {
  add(`offsets all 0, ${codec}`, around(compress(codec, offsets([0, 0, 0])), codec));
  add(`offsets backwards, ${codec}`, around(compress(codec, offsets([2, 1, 0])), codec));
}

// Compressed bytes that are not what the codec writes.
for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
  const compressed = compress(codec, payload);
  add(`${codec}: text`, around(Buffer.from('this is no compressed stream at all, of no codec'), codec));
  add(`${codec}: empty`, around(Buffer.alloc(0), codec));
  add(`${codec}: cut in the middle`, around(compressed.subarray(0, compressed.length >> 1), codec));
  add(`${codec}: cut by one byte`, around(compressed.subarray(0, compressed.length - 1), codec));
  add(`${codec}: bytes behind`, around(Buffer.concat([compressed, Buffer.from('behind')]), codec));
}
const lz4 = compress('lz4', payload);
const lz4With = (change: (frame: Buffer) => void): Buffer => {
  const frame = Buffer.from(lz4);
  change(frame);
  return frame;
};
add(
  'lz4: wrong header checksum',
  around(
    lz4With((frame) => void frame.writeUInt8((frame[6] as number) ^ 0xff, 6)),
    'lz4',
  ),
);
add(
  'lz4: linked blocks',
  around(
    lz4With((frame) => void frame.set([0x40, 0x40, 0xc0], 4)),
    'lz4',
  ),
);
add('lz4: no end mark', around(lz4.subarray(0, lz4.length - 4), 'lz4'));
add(
  'snappy: version 0',
  around(Buffer.concat([xerial.subarray(0, 8), Buffer.alloc(8), xerial.subarray(16)]), 'snappy'),
);

// Timestamps.
const before = { 'message.timestamp.before.max.ms': '315360000000' };
const after = { 'message.timestamp.after.max.ms': '3600000' };
const logAppendTime = { 'message.timestamp.type': 'LogAppendTime' };
for (const codec of ['none', 'gzip'] as const) {
  const batch = (...timestamps: bigint[]): Buffer =>
    encodeBatch({ baseOffset: 0n, records: timestamps.map((timestampMs) => input(timestampMs)), compression: codec });
  add(`timestamp too old, ${codec}`, batch(T, ANCIENT, T, ANCIENT), before);
  add(`timestamp old, no rule, ${codec}`, batch(T, ANCIENT));
  add(`timestamp too new, ${codec}`, batch(FUTURE, T), after);
  add(`timestamp too new, wide delta, ${codec}`, batch(T, 2n ** 62n), after);
  add(`timestamp wide, no rule, ${codec}`, batch(T, 2n ** 62n), {
    'message.timestamp.after.max.ms': '9223372036854775807',
  });
  add(`no timestamps, ${codec}`, batch(-1n, -1n), before);
  add(`negative timestamp, ${codec}`, batch(T, -5n));
  add(`LogAppendTime topic, ${codec}`, batch(T, T + 5n), logAppendTime);
  add(`LogAppendTime topic, too old, ${codec}`, batch(T, ANCIENT), { ...logAppendTime, ...before });
  const lat = patched(attribute(0x08), three, codec);
  add(`LogAppendTime batch, ${codec}`, lat);
  add(`LogAppendTime batch, LogAppendTime topic, ${codec}`, lat, logAppendTime);
  add(
    `LogAppendTime batch without time, ${codec}`,
    patched(
      (each) => {
        attribute(0x08)(each);
        each.writeBigInt64BE(-1n, batchField.maxTimestamp);
      },
      three,
      codec,
    ),
  );
}

// Compacted topics.
const compact = { 'cleanup.policy': 'compact' };
for (const codec of ['none', 'gzip'] as const) {
  const mixed = [input(), input(T, null), input(), input(T, null)];
  add(
    `compacted, keys missing, ${codec}`,
    encodeBatch({ baseOffset: 0n, records: mixed, compression: codec }),
    compact,
  );
  add(`compacted, all keyed, ${codec}`, encodeBatch({ baseOffset: 0n, records: three, compression: codec }), compact);
  const both = [input(T, null), input(ANCIENT), input(ANCIENT, null)];
  add(
    `compacted, keys missing, too old, ${codec}`,
    encodeBatch({ baseOffset: 0n, records: both, compression: codec }),
    { ...compact, ...before },
  );
}

// Topics that want a codec.
for (const from of compressionTypes) {
  for (const to of ['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd']) {
    add(`${from} to ${to}`, encodeBatch({ baseOffset: 0n, records: three, compression: from }), {
      'compression.type': to,
    });
  }
}
add(
  'gzip to lz4, negative timestamp',
  encodeBatch({ baseOffset: 0n, records: [input(T), input(-5n)], compression: 'gzip' }),
  { 'compression.type': 'lz4' },
);
add('gzip to lz4, LogAppendTime topic', encodeBatch({ baseOffset: 0n, records: three, compression: 'gzip' }), {
  'compression.type': 'lz4',
  ...logAppendTime,
});
add('gzip to lz4, with a producer', patched(producer(900_002n, 3, 0), three, 'gzip'), { 'compression.type': 'lz4' });
add('gzip to lz4, unknown attributes', patched(attribute(0x140), three, 'gzip'), { 'compression.type': 'lz4' });
add(
  'gzip to uncompressed, too large then',
  encodeBatch({ baseOffset: 0n, records: [input(T, 'k', 'x'.repeat(3000))], compression: 'gzip' }),
  { 'compression.type': 'uncompressed', 'max.message.bytes': '1000' },
);

// Message sets of the old formats.
interface Message {
  readonly offset: bigint;
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}
const message = (offset: bigint, timestampMs = T, key: string | null = 'k'): Message => ({
  ...input(timestampMs, key),
  offset,
});
const crced = (entry: Buffer): Buffer => {
  entry.writeUInt32BE(crc32(entry.subarray(16)), 12);
  return entry;
};
for (const magic of [0, 1] as LegacyMagic[]) {
  const version = magic + 1;
  const old = (name: string, records: Buffer, config: Record<string, string> = {}): void =>
    add(`magic ${magic}: ${name}`, records, config, version);
  const plain = (each: Message): Buffer => encodeMessage(magic, each, 'CreateTime');
  const set = [message(0n), message(1n, T + 9n, null), message(2n, T + 1n)];
  const wrap = (inner: Buffer | null, offset: bigint, codec: CompressionType = 'gzip', timestampMs = T): Buffer =>
    encodeMessage(
      magic,
      { offset, timestampMs, key: null, value: inner === null ? null : compress(codec, inner, undefined, { magic }) },
      'CreateTime',
      codec,
    );
  const inner = Buffer.concat(set.map(plain));
  old('one message', plain(set[0] as Message));
  old('three messages', inner);
  old('offsets at random', Buffer.concat([plain(message(7n)), plain(message(3n)), plain(message(3n))]));
  for (const codec of ['gzip', 'snappy', 'lz4'] as const)
    old(`wrapped, ${codec}`, encodeMessageSet(magic, set, 'CreateTime', codec));
  old('wrapped, absolute offsets', wrap(Buffer.concat([plain(message(10n)), plain(message(11n))]), 11n));
  old('wrapped, wrapper offset 0', wrap(inner, 0n));
  old('wrapped, wrapper offset less than the last', wrap(inner, 1n));
  old('wrapped, wrapper offset beyond', wrap(inner, 100n));
  old('wrapped, offsets with gaps', wrap(Buffer.concat([plain(message(0n)), plain(message(5n))]), 5n));
  old('wrapped, all offsets 0', wrap(Buffer.concat([plain(message(0n)), plain(message(0n))]), 0n));
  old(
    'wrapped, inner of the other magic',
    wrap(Buffer.concat([plain(message(0n)), encodeMessage(magic === 0 ? 1 : 0, message(1n), 'CreateTime')]), 1n),
  );
  old(
    'wrapped, inner crc wrong',
    wrap(
      Buffer.concat([
        plain(message(0n)),
        (() => {
          const bad = plain(message(1n));
          bad[bad.length - 1] = 0;
          return bad;
        })(),
      ]),
      1n,
    ),
  );
  old('wrapped twice', wrap(wrap(inner, 2n), 2n));
  old('wrapped, null', wrap(null, 0n));
  old('wrapped, nothing in it', wrap(Buffer.alloc(0), 0n));
  old('wrapped, last one cut', wrap(inner.subarray(0, inner.length - 3), 1n));
  old(
    'wrapped, inner size too small',
    wrap(
      (() => {
        const bad = plain(message(0n));
        bad.writeInt32BE(5, 8);
        return bad;
      })(),
      0n,
    ),
  );
  old('wrapped, zstd', wrap(inner, 2n, 'zstd'));
  old('wrapped, text', crced(encodeMessage(magic, { ...message(0n), key: null }, 'CreateTime', 'gzip')));
  old(
    'wrapped, codec id 5',
    crced(
      (() => {
        const bad = wrap(inner, 2n);
        bad[17] = 5;
        return bad;
      })(),
    ),
  );
  old('two wrappers', Buffer.concat([wrap(inner, 2n), wrap(inner, 2n)]));
  old('a wrapper and a plain one', Buffer.concat([wrap(inner, 2n), plain(message(3n))]));
  old(
    'a plain one and one of the other magic',
    Buffer.concat([plain(message(0n)), encodeMessage(magic === 0 ? 1 : 0, message(1n), 'CreateTime')]),
  );
  old('a plain one and a batch', Buffer.concat([plain(message(0n)), one]));
  old(
    'crc wrong',
    (() => {
      const bad = plain(message(0n));
      bad[bad.length - 1] = 0;
      return bad;
    })(),
  );
  const keyAt = magic === 0 ? 18 : 26;
  old(
    'key beyond the end',
    crced(
      (() => {
        const bad = plain(message(0n));
        bad.writeInt32BE(1000, keyAt);
        return bad;
      })(),
    ),
  );
  old(
    'value beyond the end',
    crced(
      (() => {
        const bad = plain(message(0n));
        bad.writeInt32BE(1000, keyAt + 5);
        return bad;
      })(),
    ),
  );
  old(
    'bytes behind the value',
    crced(
      (() => {
        const bad = plain(message(0n));
        bad.writeInt32BE(2, keyAt + 5);
        return bad;
      })(),
    ),
  );
  old(
    '14 bytes',
    crced(
      (() => {
        const bad = Buffer.alloc(26);
        bad.writeInt32BE(14, 8);
        bad[16] = magic;
        return bad;
      })(),
    ),
  );
  old('last one cut', inner.subarray(0, inner.length - 3));
  old(
    'size 5',
    (() => {
      const bad = plain(message(0n));
      bad.writeInt32BE(5, 8);
      return bad;
    })(),
  );
  old('compacted, key missing', inner, compact);
  old('compacted, key missing in a wrapper', wrap(inner, 2n), compact);
  old('too large', inner, { 'max.message.bytes': '30' });
  old('too large as one batch', inner, { 'max.message.bytes': '60' });
  old('wrapper too large', wrap(inner, 2n), { 'max.message.bytes': '50' });
  old('to zstd', inner, { 'compression.type': 'zstd' });
  old('wrapped, to uncompressed', wrap(inner, 2n), { 'compression.type': 'uncompressed' });
  old('LogAppendTime topic', inner, logAppendTime);
  old('too old', Buffer.concat([plain(message(0n, ANCIENT)), plain(message(1n, ANCIENT))]), before);
  old('wrapped, too old', wrap(Buffer.concat([plain(message(0n)), plain(message(1n, ANCIENT))]), 1n), before);
  old('without timestamp', plain(message(0n, -1n)), before);
  old('negative timestamp', plain(message(0n, -5n)));
  const marked = encodeMessage(magic, message(0n), 'LogAppendTime');
  old('marked LogAppendTime', marked);
  old('marked LogAppendTime, LogAppendTime topic', marked, logAppendTime);
  const wrapped = compress('gzip', encodeMessageSet(magic, set, 'LogAppendTime', 'none'));
  old(
    'wrapper marked LogAppendTime',
    encodeMessage(magic, { offset: 2n, timestampMs: T + 77n, key: null, value: wrapped }, 'LogAppendTime', 'gzip'),
  );
  old(
    'lz4 with the header checksum of the other magic',
    crced(
      encodeMessage(
        magic,
        {
          offset: 2n,
          timestampMs: T,
          key: null,
          value: compress('lz4', inner, undefined, { magic: magic === 0 ? 1 : 0 }),
        },
        'CreateTime',
        'lz4',
      ),
    ),
  );
}
add('magic 1 in version 0', encodeMessage(1, message(0n), 'CreateTime'), {}, 0);
add('magic 0 in version 2', encodeMessage(0, message(0n), 'CreateTime'), {}, 2);

export const produceCases: readonly ProduceCase[] = cases;
