// The journal's index in memory and as bytes: rows, ledger, header window and whole states against simple models.

import { expect } from 'chai';
import fc from 'fast-check';
import { partitionKey, StorageFault } from '../../src/actors/shard/ports.ts';
import { Budget } from '../../src/storage/journal/budget.ts';
import { HeaderWindow } from '../../src/storage/journal/header-window.ts';
import {
  applyDigest,
  decodeState,
  encodeIndexMessage,
  encodeRecord,
  encodeState,
} from '../../src/storage/journal/index-format.ts';
import { appliedMessage } from '../../src/storage/journal/index-reader.ts';
import { Ledger } from '../../src/storage/journal/ledger.ts';
import { decodeHead, encodeMessage, type JournalEntry } from '../../src/storage/journal/message-format.ts';
import { keyToken, tokenKey } from '../../src/storage/journal/metadata-keys.ts';
import { type Row, Rows } from '../../src/storage/journal/rows.ts';
import { ShardState } from '../../src/storage/journal/shard-state.ts';
import { batch } from './batches.ts';

const A = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 0);
const B = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 1);

/** What a list of rows would answer. */
function expectRows(rows: Rows, model: readonly Row[]): void {
  expect(rows.count).equal(model.length);
  expect(rows.bytes).equal(model.reduce((sum, { length }) => sum + length, 0));
  expect([...rows.from(-1n)]).deep.equal(model);
  expect(rows.firstOffset).equal(model[0]?.baseOffset);
  const last = model.at(-1)?.lastOffset ?? 0n;
  for (const offset of [0n, last / 3n, last / 2n, last, last + 1n]) {
    const first = rows.from(offset).next().value as Row | undefined;
    expect(first?.baseOffset).equal(model.find((row) => row.lastOffset >= offset)?.baseOffset);
  }
  for (const time of [0n, 20n, 500n, 990n]) {
    expect(rows.firstAtOrAfter(time)).equal(model.find((row) => row.maxTimestampMs >= time)?.baseOffset);
  }
  let latest: Row | undefined;
  for (const row of model) if (row.maxTimestampMs > (latest?.maxTimestampMs ?? -1n)) latest = row;
  expect(rows.ofMaxTimestamp()?.baseOffset).equal(latest?.baseOffset);
  for (const wanted of [1, 1000, rows.bytes, rows.bytes + 1]) {
    let kept = 0;
    let boundary: bigint | undefined;
    for (let at = model.length - 1; at >= 0 && kept < wanted; at--) {
      kept += model[at]!.length;
      boundary = model[at]!.baseOffset;
    }
    expect(rows.boundaryToKeep(wanted)).equal(kept < wanted ? undefined : boundary);
  }
}

describe('journal: rows', () => {
  it('answer as a list of rows would, over many blocks, drops and restarts', () => {
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: 700 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('drop' as const), share: fc.integer({ min: 0, max: 10 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        let rows = new Rows();
        let model: Row[] = [];
        let next = 0n;
        let sequence = 0;
        for (const one of steps) {
          if (one.kind === 'push') {
            for (let index = 0; index < one.count; index++) {
              const baseOffset = next + BigInt(index % 3 === 0 ? 2 : 0);
              const row: Row = {
                baseOffset,
                lastOffset: baseOffset + BigInt(index % 5),
                maxTimestampMs: BigInt((index * 37) % 1000) - 1n,
                sequence: ++sequence,
                position: index * 7,
                length: 61 + (index % 900),
              };
              rows.push(row);
              model.push(row);
              next = row.lastOffset + 1n;
            }
          } else if (one.kind === 'drop') {
            const first = model[0]?.baseOffset ?? 0n;
            const offset = first + ((next - first) * BigInt(one.share)) / 10n;
            const gone = model.filter((row) => row.lastOffset < offset);
            const told: number[] = [];
            const bytes = rows.dropBelow(offset, (dropped) => told.push(dropped));
            expect(told).deep.equal(gone.map((row) => row.sequence));
            expect(bytes).equal(gone.reduce((sum, { length }) => sum + length, 0));
            model = model.filter((row) => row.lastOffset >= offset);
          } else {
            const bytes = Buffer.alloc(rows.encodedBytes + 5, 0xee);
            expect(rows.encode(bytes, 3)).equal(rows.encodedBytes + 3);
            const decoded = Rows.decode(bytes, 3);
            expect(decoded.end).equal(bytes.length - 2);
            rows = decoded.rows;
          }
        }
        expectRows(rows, model);
      }),
      { numRuns: 60 },
    );
  });
});

describe('journal: the ledger', () => {
  it('knows what is dead in front and behind, whatever is held, released and forgotten', () => {
    const step = fc.record({
      kind: fc.constantFrom('add', 'add', 'add', 'release', 'front', 'one', 'restart'),
      pick: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 400 }), (steps) => {
        let ledger = new Ledger();
        let model: { sequence: number; rows: number; bytes: number }[] = [];
        let sequence = 0;
        for (const { kind, pick } of steps) {
          const live = model.filter(({ rows }) => rows > 0);
          if (kind === 'add') {
            sequence += 1 + (pick % 4);
            const rows = pick % 3;
            ledger.add(sequence, 10 + (pick % 90));
            for (let row = 0; row < rows; row++) ledger.hold(sequence);
            model.push({ sequence, rows, bytes: 10 + (pick % 90) });
          } else if (kind === 'release' && live.length > 0) {
            const one = live[pick % live.length]!;
            one.rows--;
            ledger.release(one.sequence);
          } else if (kind === 'front') {
            const upTo = (pick % 100) * 4;
            const dead = ledger.deadFront(upTo);
            const expected: typeof model = [];
            for (const one of model) {
              if (one.rows > 0 || one.sequence > upTo) break;
              expected.push(one);
            }
            expect(dead?.sequence).equal(expected.at(-1)?.sequence);
            if (dead === undefined) continue;
            expect(dead.bytes).equal(expected.reduce((sum, { bytes }) => sum + bytes, 0));
            ledger.forgetFront(dead.sequence);
            model = model.slice(expected.length);
          } else if (kind === 'one') {
            const [dead] = ledger.deadInterior(Number.POSITIVE_INFINITY, 1);
            const firstLive = model.findIndex(({ rows }) => rows > 0);
            const expected = model.find(({ rows }, at) => rows === 0 && firstLive >= 0 && at > firstLive);
            expect(dead?.sequence).equal(expected?.sequence);
            if (dead === undefined) continue;
            ledger.forget(dead.sequence);
            model = model.filter((one) => one.sequence !== dead.sequence);
          } else if (kind === 'restart') {
            const bytes = Buffer.alloc(ledger.encodedBytes);
            expect(ledger.encode(bytes, 0)).equal(bytes.length);
            ledger = Ledger.decode(bytes, 0).ledger;
          }
        }
        const sum = (of: typeof model): number => of.reduce((total, { bytes }) => total + bytes, 0);
        expect(ledger.bytes).equal(sum(model));
        expect(ledger.deadBytes).equal(sum(model.filter(({ rows }) => rows === 0)));
        for (const one of model) expect(ledger.sizeOf(one.sequence)).equal(one.bytes);
        expect(ledger.sizeOf(sequence + 1)).equal(0);
      }),
      { numRuns: 200 },
    );
  });
});

describe('journal: the header window', () => {
  it('has every header from its offset on, however many are kept', () => {
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: 400 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('drop' as const), share: fc.integer({ min: 0, max: 10 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
    );
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 10 }),
        fc.constantFrom(3, 300, 10_000),
        (steps, countMax) => {
          let window = new HeaderWindow();
          const all: { base: bigint; last: bigint }[] = [];
          let next = 0n;
          for (const one of steps) {
            if (one.kind === 'push') {
              for (let index = 0; index < one.count; index++) {
                const records = 1 + (index % 4);
                window.push(batch(A, next, { records }).bytes, countMax);
                all.push({ base: next, last: next + BigInt(records - 1) });
                next += BigInt(records);
              }
            } else if (one.kind === 'drop') window.dropBelow((next * BigInt(one.share)) / 10n);
            else {
              const bytes = Buffer.alloc(window.encodedBytes);
              expect(window.encode(bytes, 0)).equal(bytes.length);
              window = HeaderWindow.decode(bytes, 0).headers;
            }
          }
          const from = window.fromOffset;
          for (const offset of [from, (from + next) / 2n, next - 1n, next]) {
            const found = window.from(offset).map((header) => Buffer.from(header).readBigInt64BE(0));
            expect(found).deep.equal(all.filter(({ last }) => last >= offset && last >= from).map(({ base }) => base));
          }
          if (countMax === 10_000) expect(window.count).equal(all.filter(({ last }) => last >= from).length);
          else expect(window.count).most(countMax + 256);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('journal: the budget', () => {
  it('lets in what fits, in order, and what is larger than all of it alone', async () => {
    const budget = new Budget(100);
    const entered: string[] = [];
    const leave = new Map<string, () => void>();
    const work = (name: string, bytes: number): Promise<void> =>
      budget.run(bytes, () => {
        entered.push(name);
        return new Promise((resolve) => leave.set(name, resolve));
      });
    const all = [work('a', 60), work('b', 30), work('large', 500), work('c', 5)];
    expect(entered).deep.equal(['a', 'b']);
    expect([budget.bytes, budget.waiting]).deep.equal([90, 2]);
    leave.get('a')!();
    await all[0];
    expect(entered).deep.equal(['a', 'b']);
    leave.get('b')!();
    await all[1];
    await Promise.resolve();
    expect(entered).deep.equal(['a', 'b', 'large']);
    leave.get('large')!();
    await all[2];
    await Promise.resolve();
    leave.get('c')!();
    await all[3];
    expect([budget.bytes, budget.waiting]).deep.equal([0, 0]);
  });

  it('takes less at a time while what is under way takes long', () => {
    const budget = new Budget(64 << 20);
    for (let round = 0; round < 100; round++) budget.took(2_000);
    expect(budget.bound).equal(2 << 20);
    for (let round = 0; round < 1_000; round++) budget.took(5);
    expect(budget.bound).equal(64 << 20);
  });
});

describe('journal: messages and the index as bytes', () => {
  const entries: JournalEntry[] = [
    batch(A, 0n, { records: 3, bytes: 500 }),
    { kind: 'checkpoint', partition: B, offset: 9n, bytes: Buffer.from('state') },
    batch(B, 1n << 40n, { bytes: 61, timestampMs: -1n }),
    { kind: 'logStart', partition: A, offset: 1n },
    { kind: 'moved', partition: B, offset: 5n },
    { kind: 'removal', partition: partitionKey('AAAAAAAAAAAAAAAAAAAAAw', 65535) },
    { kind: 'opened', node: -1, previous: 2 ** 40 },
  ];
  const fields = {
    kind: 'group',
    lastPart: true,
    epoch: 7,
    counter: 4294967295,
    part: 3,
    indexSequence: 2 ** 41,
  } as const;

  it('come back as they were written', () => {
    const message = encodeMessage(fields, entries);
    const head = decodeHead(message, 'here');
    expect(head).deep.include(fields);
    const bodies = entries.filter((entry) => entry.kind === 'batch');
    expect(head.items.length).equal(entries.length);
    for (const item of head.items) {
      if (item.kind !== 'batch') continue;
      const bytes = message.subarray(item.position, item.position + item.length);
      expect(bytes.equals(bodies.find(({ baseOffset }) => baseOffset === item.baseOffset)!.bytes)).equal(true);
    }
    expect(head.items.filter(({ kind }) => kind !== 'batch')).deep.equal(
      entries.filter(({ kind }) => kind !== 'batch'),
    );
  });

  it('are refused, not misread, when they are cut or are something else', () => {
    const message = encodeMessage(fields, entries);
    const { bytes } = decodeHead(message, 'here');
    for (let length = 0; length < bytes; length++) {
      expect(() => decodeHead(message.subarray(0, length), 'here')).throw(StorageFault, /here/);
    }
    expect(() => decodeHead(Buffer.alloc(100), 'here')).throw(StorageFault, 'not a journal message');
  });

  it('give the same state by digests and by a base', () => {
    const direct = new ShardState(1000);
    const digested = new ShardState(1000);
    for (let round = 0; round < 40; round++) {
      const group: JournalEntry[] = [
        batch(A, BigInt(round * 10), { records: 10, bytes: 300 + round }),
        batch(B, BigInt(round), { timestampMs: BigInt(round % 7) }),
      ];
      if (round === 11) group.push({ kind: 'checkpoint', partition: A, offset: 50n, bytes: Buffer.alloc(900, 1) });
      if (round === 20) group.push({ kind: 'logStart', partition: A, offset: 75n });
      if (round === 30) group.push({ kind: 'moved', partition: A, offset: 120n });
      const data = encodeMessage({ ...fields, part: 0, counter: round }, group);
      const message = appliedMessage(round + 1, data, decodeHead(data, 'here'));
      direct.apply(message);
      const head = {
        kind: 'digest',
        lastPart: true,
        epoch: 1,
        part: 0,
        records: 1,
        previous: 0,
        first: 0,
        covered: 0,
      } as const;
      applyDigest(encodeIndexMessage(head, [encodeRecord(message)]), 1, digested, 'here');
    }
    const based = new ShardState(1000);
    decodeState(encodeState(direct), based, 'here');
    expect(encodeState(digested).equals(encodeState(direct))).equal(true);
    expect(encodeState(based).equals(encodeState(direct))).equal(true);
    expect(based.partitions.get(A)!.describe(based.partitions.get(A)!.coldBytes).bytes).equal(
      Array.from({ length: 40 }, (_, round) => 300 + round)
        .slice(7)
        .reduce((sum, bytes) => sum + bytes, 0),
    );
    const state = encodeState(direct);
    for (const length of [3, 50, state.length - 5]) {
      expect(() => decodeState(state.subarray(0, length), new ShardState(1), 'here')).throw(StorageFault, /here/);
    }
  });

  it('have keys that NATS takes as a token, and back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (key) => {
        expect(keyToken(key)).match(/^[A-Za-z0-9/_=-]*$/);
        expect(tokenKey(keyToken(key))).equal(key);
      }),
    );
    expect(keyToken('topics/a.b=ü')).equal('topics/a=2Eb=3D=C3=BC');
  });
});
