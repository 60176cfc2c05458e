// What the SeaweedMQ store writes and finds again, without a SeaweedFS: runs, log chunks, the index of runs, index pages.

import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { type PartitionKey, partitionKey, StorageFault } from '../../src/actors/shard/ports.ts';
import { type ScannedRun, scanChunk } from '../../src/storage/seaweed/chunk-scan.ts';
import { decodeIndexPage, encodeIndexPage } from '../../src/storage/seaweed/index-page.ts';
import { logEntryAt, publishFrame } from '../../src/storage/seaweed/log-entry.ts';
import { PartitionRuns, type Run } from '../../src/storage/seaweed/partition-runs.ts';
import { seaweedMethods } from '../../src/storage/seaweed/protos.ts';
import { readRunHeader, runHeaderBytes, writeRunHeader } from '../../src/storage/seaweed/run-format.ts';
import {
  parseShardTopic,
  partitionDirectory,
  shardTopic,
  topicOfPartitionDirectory,
} from '../../src/storage/seaweed/topic-names.ts';

const P = partitionKey('c2FyZ2Fzc28tcGFydGl0aQ', 7);

/** A run as the value of a message. */
function runValue(baseOffset: bigint, payload: Buffer, partition: PartitionKey = P): Buffer {
  const headerBytes = runHeaderBytes(partition);
  const value = Buffer.alloc(headerBytes + payload.length);
  payload.copy(value, headerBytes);
  writeRunHeader(value, 0, {
    partition,
    epoch: 3,
    position: 77n,
    baseOffset,
    lastOffset: baseOffset + 9n,
    maxTimestampMs: 1_234_567n,
    rawBytes: payload.length,
    storedBytes: payload.length,
    compressed: false,
  });
  return value;
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}

/** A LogEntry as a Go broker writes it, with its length before it. */
function logEntry(value: Buffer, offset: bigint, keyHash: number): Buffer {
  const key = Buffer.from('01234567');
  const field = (number: number, body: Buffer) =>
    Buffer.concat([varint(BigInt((number << 3) | 2)), varint(BigInt(body.length)), body]);
  const entry = Buffer.concat([
    Buffer.from([1 << 3]),
    varint(1_795_447_263_011_000_000n),
    ...(keyHash === 0 ? [] : [Buffer.from([2 << 3]), varint(BigInt(keyHash))]),
    ...(value.length === 0 ? [] : [field(3, value)]),
    field(4, key),
    ...(offset === 0n ? [] : [Buffer.from([5 << 3]), varint(offset)]),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(entry.length);
  return Buffer.concat([length, entry]);
}

async function faultOf(promise: Promise<unknown>): Promise<string> {
  const outcome = await promise.then(
    () => 'fine',
    (error: unknown) => error,
  );
  return outcome instanceof StorageFault ? outcome.code : String(outcome);
}

describe('SeaweedMQ store: messages', () => {
  it('builds publish requests that protobuf reads back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: 70_000 }), (key, valueBytes) => {
        const { frame, valueAt } = publishFrame(key, valueBytes, Buffer.alloc);
        const value = Buffer.alloc(valueBytes, 7);
        value.copy(frame, valueAt);
        expect(valueAt + valueBytes).to.equal(frame.length);
        const message = seaweedMethods().broker.PublishMessage.requestDeserialize(frame) as unknown as {
          data: { key: Buffer; value: Buffer };
        };
        expect(message.data.key.equals(key)).to.equal(true);
        expect(message.data.value.equals(value)).to.equal(true);
      }),
      { numRuns: 50 },
    );
  });

  it('finds the value of a log entry from its first bytes, whatever the other fields', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5_000 }),
        fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        (valueBytes, offset, keyHash) => {
          const value = Buffer.alloc(valueBytes, 9);
          const entry = logEntry(value, offset, keyHash);
          const place = logEntryAt(entry.subarray(0, 40), 0);
          if (place === undefined || place === 'cut') throw new Error(`not found: ${place}`);
          expect(place.end).to.equal(entry.length);
          expect(place.valueBytes).to.equal(valueBytes);
          if (valueBytes > 0)
            expect(entry.subarray(place.valueAt, place.valueAt + valueBytes).equals(value)).to.equal(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('reads back the header of a run, and refuses one with a flipped bit', () => {
    const value = runValue(500n, Buffer.from('the batches'));
    const header = readRunHeader(value, 0);
    expect(header).to.deep.include({ partition: P, baseOffset: 500n, lastOffset: 509n, position: 77n, epoch: 3 });
    const markBits = 64 * 8;
    for (let bit = 0; bit < runHeaderBytes(P) * 8; bit++) {
      const damaged = Buffer.from(value);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      let seen: unknown;
      try {
        seen = readRunHeader(damaged, 0);
      } catch (error) {
        seen = (error as StorageFault).code;
      }
      // Without its mark it is no run; a length that grew makes it run out of the buffer.
      expect(seen, `bit ${bit}`).to.be.oneOf(bit < markBits ? [undefined] : ['corrupt', 'cut']);
    }
  });

  it('begins chunks so that SeaweedFS does not compress them: it tries the first 128 bytes', () => {
    const partition = partitionKey('AAAAAAAAAAAAAAAAAAAAAA', 0);
    for (const keyHash of [0, 1, -1]) {
      const chunk = logEntry(runValue(0n, Buffer.alloc(1_000), partition), 0n, keyHash);
      // weed/operation/upload_content.go: compressed when the 128 bytes become less than nine tenths.
      expect(gzipSync(chunk.subarray(0, 128)).length * 10).to.be.at.least(128 * 9);
    }
  });
});

describe('SeaweedMQ store: looking through a log chunk', () => {
  const limits = { scanFirstBytes: 700, scanStepBytes: 4_000 };

  /** Reads of a chunk in memory, with the bytes that were asked for. */
  function readerOf(chunk: Buffer) {
    const reader = { bytesRead: 0, read: async (from: number, end: number) => chunk.subarray(from, end) };
    const { read } = reader;
    reader.read = (from, end) => {
      reader.bytesRead += end - from;
      return read(from, end);
    };
    return reader;
  }

  it('finds every run and passes over other messages, whatever their sizes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ bytes: fc.integer({ min: 0, max: 200_000 }), foreign: fc.boolean(), hash: fc.integer() }),
          { maxLength: 12 },
        ),
        async (entries) => {
          const expected: bigint[] = [];
          const chunk = Buffer.concat(
            entries.map(({ bytes, foreign, hash }, index) => {
              if (foreign) return logEntry(Buffer.alloc(bytes % 50, 1), BigInt(index), hash);
              expected.push(BigInt(index * 10));
              return logEntry(runValue(BigInt(index * 10), Buffer.alloc(bytes, index)), BigInt(index), hash);
            }),
          );
          const found = (await scanChunk(chunk.length, readerOf(chunk).read, limits)) as ScannedRun[];
          expect(found.map((run) => run.header.baseOffset)).to.deep.equal(expected);
          for (const { header, at } of found) {
            expect(readRunHeader(chunk, at)).to.deep.equal(header);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('reads little of a chunk of large runs', async () => {
    const runs = [0, 1, 2, 3].map((index) =>
      logEntry(runValue(BigInt(index), Buffer.alloc(500_000)), BigInt(index), 5),
    );
    const chunk = Buffer.concat(runs);
    const reader = readerOf(chunk);
    expect(await scanChunk(chunk.length, reader.read, limits)).to.have.length(4);
    expect(reader.bytesRead).to.be.below(chunk.length / 100);
  });

  it('takes a chunk with a cut or broken entry for corrupt, and one that is gone for gone', async () => {
    const chunk = Buffer.concat([
      logEntry(runValue(0n, Buffer.alloc(100)), 0n, 5),
      logEntry(runValue(1n, Buffer.alloc(100)), 1n, 5),
    ]);
    const cut = chunk.subarray(0, chunk.length - 1);
    expect(await faultOf(scanChunk(cut.length, readerOf(cut).read, limits))).to.equal('corrupt');
    // The filer states more bytes than the volume server has.
    expect(await faultOf(scanChunk(chunk.length + 50, readerOf(chunk).read, limits))).to.equal('corrupt');
    const damaged = Buffer.from(chunk);
    damaged.writeUInt32BE(0x7fffffff, 0);
    expect(await faultOf(scanChunk(damaged.length, readerOf(damaged).read, limits))).to.equal('corrupt');
    expect(await scanChunk(100, async () => undefined, limits)).to.equal(undefined);
  });
});

describe('SeaweedMQ store: the runs of a partition', () => {
  function run(baseOffset: number, lastOffset: number, chunk: number, position = 1): Run {
    return {
      baseOffset: BigInt(baseOffset),
      lastOffset: BigInt(lastOffset),
      maxTimestampMs: 0n,
      position: BigInt(position),
      rawBytes: 1,
      chunk,
      at: 0,
      bytes: 1,
    };
  }

  interface Held {
    readonly base: number;
    readonly last: number;
    readonly position: number;
    readonly chunk: number;
  }

  const holds = (outer: Held, inner: Held) => outer.base <= inner.base && inner.last <= outer.last;
  const isSame = (a: Held, b: Held) => a.base === b.base && a.last === b.last;
  const prefers = (chunk: number, other: number) => chunk < other;

  function listed(runs: PartitionRuns): Held[] {
    return Array.from({ length: runs.count }, (_, index) => {
      const { baseOffset, lastOffset, position, chunk } = runs.run(index);
      return { base: Number(baseOffset), last: Number(lastOffset), position: Number(position), chunk };
    });
  }

  it('agrees with the rules applied to a plain list, in any order, with log starts and removals', () => {
    const span = fc.tuple(fc.nat(60), fc.nat(12), fc.nat(5));
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ add: span }) },
      { weight: 1, arbitrary: fc.record({ logStart: fc.nat(60) }) },
      { weight: 1, arbitrary: fc.record({ removeUpTo: fc.nat(5) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const runs = new PartitionRuns(P, prefers);
        let model: Held[] = [];
        let logStart = 0;
        let removedUpTo = -1;
        const live = new Map<number, number>();
        const lose = (chunks: number[]) => {
          for (const chunk of chunks) live.set(chunk, live.get(chunk)! - 1);
        };
        for (const [number, each] of steps.entries()) {
          if ('add' in each) {
            const [base, length, position] = each.add;
            // Chunks are not found in the order of their names.
            const added = { base, last: base + length, position, chunk: (number * 17) % 41 };
            live.set(added.chunk, (live.get(added.chunk) ?? 0) + 1);
            lose(runs.add(run(base, added.last, added.chunk, position)));
            const isDead = added.last < logStart || position <= removedUpTo;
            const isOlder = model.some((held) => held.position > position && held.last <= added.last);
            if (!isDead && !isOlder) {
              const newer = model.filter((held) => held.position >= position || held.last < added.last);
              const holder = newer.find((held) => holds(held, added));
              if (holder === undefined || (isSame(holder, added) && !prefers(holder.chunk, added.chunk)))
                model = [...newer.filter((held) => !holds(added, held)), added].sort((a, b) => a.base - b.base);
            }
          } else if ('logStart' in each) {
            lose(runs.moveLogStart(BigInt(each.logStart)));
            logStart = Math.max(logStart, each.logStart);
            model = model.filter(({ last }) => last >= logStart);
          } else {
            lose(runs.remove(BigInt(each.removeUpTo)));
            removedUpTo = Math.max(removedUpTo, each.removeUpTo);
            logStart = 0;
            model = model.filter(({ position }) => position > removedUpTo);
          }
          expect(listed(runs)).to.deep.equal(model);
          const counted = new Map([...live.keys()].map((chunk) => [chunk, 0]));
          for (const { chunk } of model) counted.set(chunk, counted.get(chunk)! + 1);
          expect(live, 'live runs by chunk').to.deep.equal(counted);
          const offsets = Array.from({ length: 75 }, (_, offset) => offset);
          const isHeld = (offset: number) => model.some(({ base, last }) => base <= offset && offset <= last);
          const covered = offsets.filter((offset) => runs.covers(BigInt(offset), BigInt(offset)));
          expect(covered).to.deep.equal(offsets.filter(isHeld));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps the same runs of one log in whatever order they are found: owners agree on what is not needed', () => {
    const span = fc.tuple(fc.nat(20), fc.nat(6));
    fc.assert(
      fc.property(fc.array(span, { maxLength: 25 }), fc.infiniteStream(fc.nat()), (spans, order) => {
        const all = spans.map(([base, length], chunk) => run(base, base + length, chunk, base + length));
        const shuffled = [...all].sort(() => (order.next().value % 2 === 0 ? -1 : 1));
        const [one, other] = [all, shuffled].map((found) => {
          const runs = new PartitionRuns(P, prefers);
          for (const each of found) runs.add(each);
          return listed(runs);
        });
        expect(other).to.deep.equal(one);
      }),
      { numRuns: 300 },
    );
  });

  it('does not let the runs of an earlier log of the same name hide those of the new one', () => {
    const runs = new PartitionRuns(P, prefers);
    expect(runs.add(run(0, 99, 1, 10))).to.deep.equal([]);
    expect(runs.add(run(0, 9, 2, 20))).to.deep.equal([1]);
    expect(runs.add(run(10, 99, 1, 10)), 'older, found late').to.deep.equal([1]);
    expect(listed(runs)).to.deep.equal([{ base: 0, last: 9, position: 20, chunk: 2 }]);
  });

  it('sees a gap between two runs, and takes a row of overlapping ones as one', () => {
    const runs = new PartitionRuns(P, prefers);
    runs.add(run(0, 9, 1));
    runs.add(run(5, 19, 2));
    runs.add(run(30, 39, 3));
    expect(runs.covers(0n, 19n)).to.equal(true);
    expect(runs.covers(0n, 20n)).to.equal(false);
    expect(runs.covers(15n, 35n)).to.equal(false);
    expect([0n, 19n, 20n, 31n].map((offset) => runs.endOfRow(offset))).to.deep.equal([20n, 20n, 20n, 40n]);
    expect(runs.run(runs.firstEndingAtOrAbove(22n)).baseOffset).to.equal(30n);
  });
});

describe('SeaweedMQ store: index pages and names', () => {
  it('keeps files, chunks and runs in a page, and refuses a damaged one', () => {
    const runs = [1, 2, 3].map((number) => ({
      partition: number === 2 ? partitionKey('AAAAAAAAAAAAAAAAAAAAAA', 1) : P,
      position: BigInt(number),
      baseOffset: 10n * BigInt(number),
      lastOffset: 10n * BigInt(number) + 9n,
      maxTimestampMs: -1n,
      rawBytes: 5,
      at: 100 * number,
      bytes: 60,
    }));
    const files = [
      { directory: '/topics/n/shard-1-2-3/v1/0000-2520', name: 'a', chunks: [{ fileId: '3,01ab', bytes: 900, runs }] },
      { directory: '/topics/n/shard-1-2-3/v1/0000-2520', name: 'b', chunks: [] },
    ];
    const page = encodeIndexPage(files);
    expect(decodeIndexPage(page)).to.deep.equal(files);
    expect(decodeIndexPage(encodeIndexPage([]))).to.deep.equal([]);
    for (let at = 0; at < page.length; at++) {
      const damaged = Buffer.from(page);
      damaged[at]! ^= 0x10;
      expect(decodeIndexPage(damaged), `byte ${at}`).to.equal(undefined);
    }
    expect(decodeIndexPage(page.subarray(0, 5))).to.equal(undefined);
  });

  it('names the folder of a partition as SeaweedMQ does, and knows its own topics', () => {
    const topic = shardTopic(12, 3, 4);
    const partition = { ring_size: 2520, range_start: 0, range_stop: 2520, unix_time_ns: '1795447263011234567' };
    const directory = partitionDirectory('sargasso', topic.name, partition);
    expect(directory).to.equal('/topics/sargasso/shard-12-3-4/v2026-11-23-15-21-03/0000-2520');
    expect(topicOfPartitionDirectory('sargasso', directory)).to.deep.equal(topic);
    expect(topicOfPartitionDirectory('other', directory)).to.equal(undefined);
    expect(topicOfPartitionDirectory('sargasso', '/topics/sargasso/shard-12-3-4')).to.equal(undefined);
    expect(parseShardTopic('shard-12-3-x')).to.equal(undefined);
  });
});
