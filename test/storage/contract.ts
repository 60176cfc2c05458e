// What every store must do, whichever it is: one suite, run by each store's own test file.

import { expect } from 'chai';
import fc from 'fast-check';
import {
  type LogEntry,
  type MetadataStore,
  type MetadataValue,
  type PartitionKey,
  partitionKey,
  type ShardLog,
  type ShardStorage,
  StorageFault,
} from '../../src/actors/shard/ports.ts';
import { baseOffsets, batch, splitBatches } from './batches.ts';
import { headersOf, Model, observed } from './model.ts';

export interface ContractStore {
  readonly shards: ShardStorage;
  readonly metadata: MetadataStore;
}

export interface ContractSubject {
  readonly name: string;
  /** Opens a store on a fresh disk, or on the disk of the store that was closed before it. */
  open(fresh: boolean): Promise<ContractStore>;
  close(store: ContractStore): Promise<void>;
}

const A = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 0);
const B = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 1);
const MANY = 1 << 30;
const END = 1n << 62n;

async function faultOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof StorageFault) return error.code;
    return (error as Error).name;
  }
  return 'none';
}

/** Declares the suite for one store. */
export function describeStorageContract(subject: ContractSubject): void {
  describe(`storage contract: ${subject.name}`, () => {
    let store: ContractStore;
    const reopen = async (): Promise<void> => {
      await subject.close(store);
      store = await subject.open(false);
    };
    beforeEach(async () => {
      store = await subject.open(true);
    });
    afterEach(() => subject.close(store));

    describe('a shard', () => {
      it('gives every opening a larger epoch, also after a restart', async () => {
        const first = await store.shards.openShard(3, 0);
        const second = await store.shards.openShard(3, 0);
        await reopen();
        const third = await store.shards.openShard(3, 0);
        expect(second.epoch).greaterThan(first.epoch);
        expect(third.epoch).greaterThan(second.epoch);
        expect(first.shard).equal(3);
      });

      it('opens all its siblings at once', async () => {
        const logs = await Promise.all(Array.from({ length: 48 }, (_, shard) => store.shards.openShard(shard, 0)));
        expect(logs.map((log) => log.shard)).deep.equal(Array.from({ length: 48 }, (_, shard) => shard));
      });

      it('fences the earlier owner in every call and commits nothing of it', async () => {
        const old = await store.shards.openShard(1, 0);
        await old.append([batch(A, 0n)]);
        const owner = await store.shards.openShard(1, 1);
        expect(await faultOf(old.append([batch(A, 1n)]))).equal('fenced');
        expect(await faultOf(old.describe(A))).equal('fenced');
        expect(await faultOf(old.read(A, 0n, END, MANY, true))).equal('fenced');
        expect(await faultOf(headersOf(old, A, 0n))).equal('fenced');
        expect(await faultOf(old.firstBatchAtOrAfter(A, 0n))).equal('fenced');
        expect(await faultOf(old.batchOfMaxTimestamp(A))).equal('fenced');
        expect(await faultOf(old.offsetToKeep(A, 0))).equal('fenced');
        expect(await faultOf(old.sizes())).equal('fenced');
        expect((await owner.describe(A)).nextOffset).equal(1n);
        await owner.append([batch(A, 1n)]);
      });

      it('lets the old owner close without touching the new one', async () => {
        const old = await store.shards.openShard(1, 0);
        const owner = await store.shards.openShard(1, 0);
        await old.close();
        await owner.append([batch(A, 0n)]);
        expect((await owner.describe(A)).nextOffset).equal(1n);
      });

      it('decides between an append in flight and the next owner, all or nothing', async () => {
        for (const bytes of [100, 50_000]) {
          let next = 0n;
          for (let round = 0; round < 10; round++) {
            const old = await store.shards.openShard(1, 0);
            next = (await old.describe(A)).nextOffset;
            const appended = faultOf(
              old.append([batch(A, next, { bytes, seed: round }), batch(B, next, { bytes, seed: round })]),
            );
            const owner = await store.shards.openShard(1, 1);
            const outcome = await appended;
            const after = await owner.describe(A);
            expect(outcome).oneOf(['none', 'fenced']);
            expect(after.nextOffset).equal(outcome === 'none' ? next + 1n : next);
            expect(await owner.describe(B)).deep.equal(after);
            await owner.append([batch(A, after.nextOffset, { bytes }), batch(B, after.nextOffset, { bytes })]);
            expect(baseOffsets(await owner.read(B, 0n, END, MANY, true)).length).equal(Number(after.nextOffset) + 1);
          }
        }
      });

      it('refuses a second append while one is in flight', async () => {
        const log = await store.shards.openShard(1, 0);
        const first = log.append([batch(A, 0n)]);
        expect(await faultOf(log.append([batch(A, 1n)]))).equal('InvariantBroken');
        await first;
        await log.append([batch(A, 1n)]);
        expect((await log.describe(A)).nextOffset).equal(2n);
      });

      it('closes after the append in flight, and is of no use then', async () => {
        const log = await store.shards.openShard(1, 0);
        const appended = log.append([batch(A, 0n)]);
        await log.close();
        await appended;
        expect(await faultOf(log.append([batch(A, 1n)]))).equal('fenced');
        expect((await (await store.shards.openShard(1, 0)).describe(A)).nextOffset).equal(1n);
      });

      it('keeps its partitions apart from those of other shards', async () => {
        const one = await store.shards.openShard(1, 0);
        const two = await store.shards.openShard(2, 0);
        await one.append([batch(A, 0n)]);
        await two.append([batch(B, 0n, { bytes: 200 })]);
        expect([...(await one.sizes())]).deep.equal([[A, 100]]);
        expect([...(await two.sizes())]).deep.equal([[B, 200]]);
      });
    });

    describe('an append', () => {
      it('keeps batches byte for byte over a restart, small and large', async () => {
        const log = await store.shards.openShard(0, 0);
        const sizes = [61, 200, 3000, 16 << 10, 70_000, 1 << 20, 100];
        const written = sizes.map((bytes, index) => batch(A, BigInt(index), { bytes, seed: index }));
        for (const one of written) await log.append([one]);
        await reopen();
        const read = splitBatches(await (await store.shards.openShard(0, 0)).read(A, 0n, END, MANY, true));
        expect(read.length).equal(written.length);
        for (const [index, bytes] of read.entries())
          expect(bytes.equals(written[index]!.bytes), `batch ${index}`).equal(true);
      });

      it('lands a group of several partitions as one', async () => {
        const log = await store.shards.openShard(0, 0);
        await log.append([
          batch(A, 0n, { records: 5 }),
          batch(B, 0n),
          batch(A, 5n),
          { kind: 'checkpoint', partition: B, offset: 1n, bytes: Buffer.from('state') },
        ]);
        expect((await log.describe(A)).nextOffset).equal(6n);
        const described = await log.describe(B);
        expect(described.checkpoint?.offset).equal(1n);
        expect(Buffer.from(described.checkpoint!.bytes).toString()).equal('state');
      });

      it('refuses a group whose offsets overlap, whole', async () => {
        const log = await store.shards.openShard(0, 0);
        await log.append([batch(A, 0n, { records: 10 })]);
        expect(await faultOf(log.append([batch(B, 0n), batch(A, 9n)]))).equal('InvariantBroken');
        expect((await log.describe(B)).nextOffset).equal(0n);
        await log.append([batch(B, 0n), batch(A, 10n)]);
        expect((await log.describe(A)).nextOffset).equal(11n);
      });

      it('takes an empty group', async () => {
        const log = await store.shards.openShard(0, 0);
        await log.append([]);
        expect((await log.sizes()).size).equal(0);
      });

      it('takes groups of many shards at the same time', async () => {
        const logs = await Promise.all(Array.from({ length: 16 }, (_, shard) => store.shards.openShard(shard, 0)));
        const key = (shard: number): PartitionKey => partitionKey('AAAAAAAAAAAAAAAAAAAAAg', shard);
        for (let offset = 0n; offset < 20n; offset++) {
          await Promise.all(
            logs.map((log) => log.append([batch(key(log.shard), offset, { bytes: 61 + log.shard * 700 })])),
          );
        }
        await reopen();
        for (const { shard } of logs) {
          const log = await store.shards.openShard(shard, 0);
          expect(baseOffsets(await log.read(key(shard), 0n, END, MANY, true))).deep.equal(
            Array.from({ length: 20 }, (_, index) => BigInt(index)),
          );
        }
      });
    });

    describe('a read', () => {
      let log: ShardLog;
      beforeEach(async () => {
        log = await store.shards.openShard(0, 0);
        // 0..9, 10..19, …, 90..99, then a gap up to 120..129.
        for (let base = 0n; base < 100n; base += 10n) await log.append([batch(A, base, { records: 10, bytes: 500 })]);
        await log.append([batch(A, 120n, { records: 10, bytes: 500 })]);
      });

      it('starts with the batch that holds the offset', async () => {
        expect(baseOffsets(await log.read(A, 35n, 60n, MANY, true))).deep.equal([30n, 40n, 50n]);
        expect(baseOffsets(await log.read(A, 39n, 40n, MANY, true))).deep.equal([30n]);
        expect(baseOffsets(await log.read(A, 40n, 41n, MANY, true))).deep.equal([40n]);
      });

      it('starts with the next batch above a gap', async () => {
        expect(baseOffsets(await log.read(A, 105n, END, MANY, true))).deep.equal([120n]);
      });

      it('stops before the byte limit, but gives one batch if it must', async () => {
        expect(baseOffsets(await log.read(A, 0n, END, 1499, true))).deep.equal([0n, 10n]);
        expect(baseOffsets(await log.read(A, 0n, END, 1500, true))).deep.equal([0n, 10n, 20n]);
        expect(baseOffsets(await log.read(A, 0n, END, 10, true))).deep.equal([0n]);
        expect(await log.read(A, 0n, END, 10, false)).deep.equal([]);
      });

      it('is empty at the end, above it, and of an unknown partition', async () => {
        expect(await log.read(A, 130n, END, MANY, true)).deep.equal([]);
        expect(await log.read(A, 500n, END, MANY, true)).deep.equal([]);
        expect(await log.read(A, 20n, 20n, MANY, true)).deep.equal([]);
        expect(await log.read(B, 0n, END, MANY, true)).deep.equal([]);
      });

      it('gives the headers from the batch that holds the offset on', async () => {
        const headers = await headersOf(log, A, 85n);
        expect(headers.map((header) => Buffer.from(header).readBigInt64BE(0))).deep.equal([80n, 90n, 120n]);
        expect(headers.every((header) => header.length === 61)).equal(true);
        expect(await headersOf(log, B, 0n)).deep.equal([]);
      });

      it('gives the same again when the memory of what it gave has been taken back', async () => {
        const large = Array.from({ length: 6 }, (_, at) => batch(B, BigInt(at), { bytes: 700_000, seed: at }));
        for (const one of large) await log.append([one]);
        const kept = await log.read(B, 0n, END, MANY, true);
        for (let round = 0; round < 5; round++) {
          const found = await log.read(B, 0n, END, MANY, true);
          expect(splitBatches(found).map((bytes, at) => bytes.equals(large[at]!.bytes))).deep.equal(
            Array(6).fill(true),
          );
          store.shards.reclaim?.(found);
          // Twice does no harm, and neither does what was never lent.
          store.shards.reclaim?.([...found, Buffer.alloc(700_000)]);
        }
        expect(splitBatches(kept).map((bytes, at) => bytes.equals(large[at]!.bytes))).deep.equal(Array(6).fill(true));
      });

      it('sees the same after a restart', async () => {
        const before = await observed(log, A);
        await reopen();
        expect(await observed(await store.shards.openShard(0, 0), A)).deep.equal(before);
      });
    });

    it('gives readers whole batches without a gap while it appends, settles and deletes', async function () {
      this.timeout(60_000);
      const log = await store.shards.openShard(0, 0);
      let appending = true;
      const writer = async (): Promise<void> => {
        for (let offset = 0n; offset < 600n; offset++) {
          const bytes = [100, 3000, 20_000][Number(offset % 3n)]!;
          const entries: LogEntry[] = [batch(A, offset, { bytes, timestampMs: offset })];
          if (offset % 50n === 49n) entries.push({ kind: 'logStart', partition: A, offset: offset - 30n });
          await log.append(entries);
        }
      };
      let reads = 0;
      const reader = async (step: bigint): Promise<void> => {
        let seed = step;
        while (appending) {
          const before = await log.describe(A);
          seed = (seed * 1103515245n + 12345n) & 0x7fffffffn;
          const live = before.nextOffset - before.logStartOffset;
          const from = before.logStartOffset + (live > 0n ? seed % live : 0n);
          const found = baseOffsets(await log.read(A, from, END, 200_000, true));
          const start = (await log.describe(A)).logStartOffset;
          for (const [index, base] of found.entries()) expect(base).equal(found[0]! + BigInt(index));
          // Unless the log start has passed it meanwhile, what was asked for comes first.
          if (found.length > 0 && start <= from) expect(found[0]).equal(from);
          const byTime = await log.firstBatchAtOrAfter(A, from);
          const passed = (await log.describe(A)).logStartOffset > from;
          if (live > 0n && !passed) expect(byTime).equal(from);
          const latest = await log.batchOfMaxTimestamp(A);
          if (live > 0n) expect(latest! >= before.nextOffset - 1n, `latest ${latest}`).equal(true);
          for (const header of await headersOf(log, A, from)) expect(Buffer.from(header).readInt8(16)).equal(2);
          reads += 1;
          // What is in memory is read without the event loop; the writer needs it.
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const written = writer().finally(() => {
        appending = false;
      });
      await Promise.all([written, reader(1n), reader(2n), reader(3n)]);
      expect(reads).at.least(3);
    });

    describe('the log start', () => {
      it('takes whole batches below it and never moves down', async () => {
        const log = await store.shards.openShard(0, 0);
        for (let base = 0n; base < 50n; base += 10n) await log.append([batch(A, base, { records: 10 })]);
        await log.append([{ kind: 'logStart', partition: A, offset: 25n }]);
        await log.append([{ kind: 'logStart', partition: A, offset: 5n }]);
        expect(await log.describe(A)).deep.include({ logStartOffset: 25n, nextOffset: 50n, bytes: 300 });
        expect(baseOffsets(await log.read(A, 0n, END, MANY, true))).deep.equal([20n, 30n, 40n]);
        await reopen();
        const again = await store.shards.openShard(0, 0);
        expect(await again.describe(A)).deep.include({ logStartOffset: 25n, nextOffset: 50n, bytes: 300 });
      });

      it('empties the log, whose next offset stays', async () => {
        const log = await store.shards.openShard(0, 0);
        await log.append([batch(A, 0n, { records: 10 })]);
        await log.append([{ kind: 'logStart', partition: A, offset: 10n }]);
        expect(await log.describe(A)).deep.include({ logStartOffset: 10n, nextOffset: 10n, bytes: 0 });
        expect([...(await log.sizes())]).deep.equal([[A, 0]]);
        await reopen();
        const again = await store.shards.openShard(0, 0);
        await again.append([batch(A, 10n)]);
        expect(await again.describe(A)).deep.include({ logStartOffset: 10n, nextOffset: 11n, bytes: 100 });
      });

      it('moves above the end of the log', async () => {
        const log = await store.shards.openShard(0, 0);
        await log.append([{ kind: 'logStart', partition: A, offset: 77n }]);
        expect(await log.describe(A)).deep.include({ logStartOffset: 77n, nextOffset: 77n, bytes: 0 });
      });

      it('hides the timestamps of what it took', async () => {
        const log = await store.shards.openShard(0, 0);
        const times = [5n, 900n, 20n, 10n, 30n];
        for (const [index, timestampMs] of times.entries())
          await log.append([batch(A, BigInt(index), { timestampMs })]);
        await log.append([{ kind: 'logStart', partition: A, offset: 2n }]);
        expect(await log.firstBatchAtOrAfter(A, 25n)).equal(4n);
        expect(await log.firstBatchAtOrAfter(A, 31n)).equal(undefined);
        expect(await log.batchOfMaxTimestamp(A)).equal(4n);
      });
    });

    describe('a removal', () => {
      it('leaves nothing, and the partition may begin again from 0', async () => {
        const log = await store.shards.openShard(0, 0);
        await log.append([
          batch(A, 0n, { bytes: 100_000 }),
          batch(B, 0n),
          { kind: 'checkpoint', partition: A, offset: 1n, bytes: Buffer.from('x') },
        ]);
        await log.append([{ kind: 'removal', partition: A }]);
        expect([...(await log.sizes()).keys()]).deep.equal([B]);
        expect(await log.describe(A)).deep.equal({ logStartOffset: 0n, nextOffset: 0n, bytes: 0 });
        await log.append([{ kind: 'removal', partition: A }, batch(A, 0n, { seed: 9 })]);
        await reopen();
        const again = await store.shards.openShard(0, 0);
        expect(baseOffsets(await again.read(A, 0n, END, MANY, true))).deep.equal([0n]);
      });

      it('takes effect in its place within a group', async () => {
        const log = await store.shards.openShard(0, 0);
        await log.append([
          batch(A, 0n),
          { kind: 'removal', partition: A },
          batch(A, 0n, { seed: 5 }),
          batch(B, 0n),
          { kind: 'removal', partition: B },
        ]);
        expect([...(await log.sizes())]).deep.equal([[A, 100]]);
        expect((await log.describe(A)).nextOffset).equal(1n);
      });
    });

    describe('timestamps', () => {
      it('finds the first batch at or after a time, though times go back and forth', async () => {
        const log = await store.shards.openShard(0, 0);
        const times = [10n, 30n, 20n, 30n, -1n, 50n, 40n, 50n];
        for (const [index, timestampMs] of times.entries())
          await log.append([batch(A, BigInt(index), { timestampMs })]);
        expect(await log.firstBatchAtOrAfter(A, 0n)).equal(0n);
        expect(await log.firstBatchAtOrAfter(A, 11n)).equal(1n);
        expect(await log.firstBatchAtOrAfter(A, 30n)).equal(1n);
        expect(await log.firstBatchAtOrAfter(A, 31n)).equal(5n);
        expect(await log.firstBatchAtOrAfter(A, 51n)).equal(undefined);
        expect(await log.batchOfMaxTimestamp(A)).equal(5n);
      });

      it('finds nothing in a log without timestamps', async () => {
        const log = await store.shards.openShard(0, 0);
        await log.append([batch(A, 0n, { timestampMs: -1n })]);
        expect(await log.batchOfMaxTimestamp(A)).equal(undefined);
        expect(await log.firstBatchAtOrAfter(A, 0n)).equal(undefined);
      });
    });

    describe('offsetToKeep', () => {
      it('is the largest boundary that keeps the bytes', async () => {
        const log = await store.shards.openShard(0, 0);
        for (let base = 0n; base < 50n; base += 10n) await log.append([batch(A, base, { records: 10, bytes: 100 })]);
        expect(await log.offsetToKeep(A, 0)).equal(50n);
        expect(await log.offsetToKeep(A, 1)).equal(40n);
        expect(await log.offsetToKeep(A, 100)).equal(40n);
        expect(await log.offsetToKeep(A, 101)).equal(30n);
        expect(await log.offsetToKeep(A, 500)).equal(0n);
        expect(await log.offsetToKeep(A, 501)).equal(0n);
        await log.append([{ kind: 'logStart', partition: A, offset: 15n }]);
        expect(await log.offsetToKeep(A, 400)).equal(15n);
        expect(await log.offsetToKeep(A, 9999)).equal(15n);
      });
    });

    it('agrees with the model after any sequence of groups and restarts', async function () {
      this.timeout(60_000);
      const step = fc.oneof(
        {
          weight: 6,
          arbitrary: fc.record({
            kind: fc.constant('batch' as const),
            records: fc.integer({ min: 1, max: 5 }),
            gap: fc.constantFrom(0, 0, 0, 3),
            bytes: fc.constantFrom(61, 90, 700, 5000, 40_000),
            time: fc.integer({ min: -1, max: 60 }),
          }),
        },
        {
          weight: 2,
          arbitrary: fc.record({ kind: fc.constant('logStart' as const), share: fc.integer({ min: 0, max: 11 }) }),
        },
        {
          weight: 1,
          arbitrary: fc.record({ kind: fc.constant('checkpoint' as const), bytes: fc.constantFrom(0, 30, 9000) }),
        },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('removal' as const) }) },
      );
      const group = fc.array(fc.tuple(fc.constantFrom(A, A, B), step), { minLength: 1, maxLength: 8 });
      const action = fc.oneof(
        { weight: 6, arbitrary: group },
        { weight: 1, arbitrary: fc.constant('restart' as const) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 12 }), async (actions) => {
          await subject.close(store);
          store = await subject.open(true);
          let log = await store.shards.openShard(7, 0);
          const model = new Model();
          for (const act of actions) {
            if (act === 'restart') {
              await reopen();
              log = await store.shards.openShard(7, 0);
              continue;
            }
            const entries: LogEntry[] = [];
            for (const [partition, one] of act) {
              const next = model.next(partition);
              const entry: LogEntry =
                one.kind === 'batch'
                  ? batch(partition, next + BigInt(one.gap), {
                      records: one.records,
                      bytes: one.bytes,
                      timestampMs: BigInt(one.time),
                    })
                  : one.kind === 'logStart'
                    ? { kind: 'logStart', partition, offset: (next * BigInt(one.share)) / 10n }
                    : one.kind === 'checkpoint'
                      ? { kind: 'checkpoint', partition, offset: next, bytes: Buffer.alloc(one.bytes, 7) }
                      : { kind: 'removal', partition };
              entries.push(entry);
              model.apply(entry);
            }
            await log.append(entries);
          }
          for (const partition of [A, B]) expect(await observed(log, partition)).deep.equal(model.observed(partition));
          await reopen();
          log = await store.shards.openShard(7, 0);
          for (const partition of [A, B]) expect(await observed(log, partition)).deep.equal(model.observed(partition));
        }),
        { numRuns: 25 },
      );
    });

    describe('metadata', () => {
      const bytes = (text: string): Uint8Array => Buffer.from(text);
      const text = (value: MetadataValue | undefined): string | undefined =>
        value && Buffer.from(value.value).toString();

      it('changes only by compare-and-set', async () => {
        expect(await store.metadata.get('k')).equal(undefined);
        const first = (await store.metadata.put('k', bytes('1'), 0))!;
        expect(first).greaterThan(0);
        expect(await store.metadata.put('k', bytes('x'), 0)).equal(undefined);
        const second = (await store.metadata.put('k', bytes('2'), first))!;
        expect(second).greaterThan(first);
        expect(await store.metadata.put('k', bytes('x'), first)).equal(undefined);
        expect(text(await store.metadata.get('k'))).equal('2');
        expect(await store.metadata.delete('k', first)).equal(false);
        expect(await store.metadata.delete('nobody', 0)).equal(false);
        expect(await store.metadata.delete('k', second)).equal(true);
        expect(await store.metadata.get('k')).equal(undefined);
        expect((await store.metadata.put('k', bytes('3'), 0))!).greaterThan(second);
      });

      it('lets one of two rivals win', async () => {
        const won = await Promise.all([1, 2, 3].map((one) => store.metadata.put('race', bytes(`${one}`), 0)));
        expect(won.filter((revision) => revision !== undefined).length).equal(1);
      });

      it('lists a prefix in key order and survives a restart', async () => {
        for (const key of ['b/2', 'a', 'b/10', 'b/', 'c', 'b/é', `b/${'long'.repeat(60)}`])
          await store.metadata.put(key, bytes(key), 0);
        await reopen();
        const listed = await store.metadata.list('b/');
        expect(listed.map((value) => value.key)).deep.equal(['b/', 'b/10', 'b/2', `b/${'long'.repeat(60)}`, 'b/é']);
        expect(listed.map(text)).deep.equal(listed.map((value) => value.key));
        expect((await store.metadata.list('')).length).equal(7);
      });

      it('holds values of half a megabyte', async () => {
        const large = Buffer.alloc(512 << 10, 'v');
        const revision = (await store.metadata.put('large', large, 0))!;
        await reopen();
        const value = (await store.metadata.get('large'))!;
        expect(value.revision).equal(revision);
        expect(Buffer.from(value.value).equals(large)).equal(true);
      });

      it('tells watchers each change in order, before the change resolves', async () => {
        const seen: string[] = [];
        const stop = store.metadata.watch('w/', (key, value) => seen.push(`${key}=${text(value)}`));
        const first = (await store.metadata.put('w/a', bytes('1'), 0))!;
        expect(seen).deep.equal(['w/a=1']);
        await store.metadata.put('other', bytes('1'), 0);
        await store.metadata.put('w/a', bytes('lost'), 0);
        const second = (await store.metadata.put('w/a', bytes('2'), first))!;
        await store.metadata.delete('w/a', second);
        expect(seen).deep.equal(['w/a=1', 'w/a=2', 'w/a=undefined']);
        stop();
        await store.metadata.put('w/a', bytes('3'), 0);
        expect(seen.length).equal(3);
      });
    });

    it('tells what volume it is on', async () => {
      const volume = await store.shards.volume();
      expect(volume.path).not.equal('');
      expect(volume.usableBytes).at.most(volume.totalBytes);
    });
  });
}
