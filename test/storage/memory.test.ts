import { expect } from 'chai';
import { partitionKey, type ShardLog, StorageFault } from '../../src/actors/shard/ports.ts';
import { createMemoryStore, MemoryDisk, type MemoryStore, type MemoryWriteOutcome } from '../../src/storage/memory.ts';
import { baseOffsets, batch } from './batches.ts';
import { describeStorageContract } from './contract.ts';

let disk: MemoryDisk;
describeStorageContract({
  name: 'memory',
  async open(fresh) {
    if (fresh) disk = new MemoryDisk();
    return createMemoryStore({ disk });
  },
  close: (store) => (store as MemoryStore).close(),
});

const A = partitionKey('AAAAAAAAAAAAAAAAAAAABw', 0);

async function faultOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof StorageFault) return error.code;
    throw error;
  }
  return 'none';
}

async function offsets(log: ShardLog): Promise<bigint[]> {
  return baseOffsets(await log.read(A, 0n, 1n << 62n, 1 << 30, true));
}

describe('memory store, as a twin', () => {
  it('fences across nodes that share a disk', async () => {
    const shared = new MemoryDisk();
    const one = createMemoryStore({ disk: shared });
    const two = createMemoryStore({ disk: shared });
    const first = await one.shards.openShard(4, 1);
    await first.append([batch(A, 0n)]);
    const second = await two.shards.openShard(4, 2);
    expect(second.epoch).greaterThan(first.epoch);
    expect(await faultOf(first.append([batch(A, 1n)]))).equal('fenced');
    expect(await offsets(second)).deep.equal([0n]);
  });

  it('injects what the fault hook says', async () => {
    const outcomes: MemoryWriteOutcome[] = ['fail-full', 'unavailable', 'unknown-applied', 'unknown-not-applied', 'ok'];
    const store = createMemoryStore({ faults: { beforeAppend: () => outcomes.shift() ?? 'ok' } });
    const log = await store.shards.openShard(0, 0);
    expect(await faultOf(log.append([batch(A, 0n)]))).equal('full');
    expect(await faultOf(log.append([batch(A, 0n)]))).equal('unavailable');
    expect(await offsets(log)).deep.equal([]);
    expect(await faultOf(log.append([batch(A, 0n)]))).equal('outcome-unknown');
    expect(await offsets(log)).deep.equal([0n]);
    expect(await faultOf(log.append([batch(A, 1n)]))).equal('outcome-unknown');
    expect(await offsets(log)).deep.equal([0n]);
    await log.append([batch(A, 1n)]);
  });

  it('completes an append when the scheduler says so, and is fenced until then', async () => {
    const held: (() => void)[] = [];
    const shared = new MemoryDisk();
    const slow = createMemoryStore({
      disk: shared,
      schedule: (operation, run) => (operation === 'append' ? held.push(run) : queueMicrotask(run)),
    });
    const log = await slow.shards.openShard(0, 1);
    const appended = faultOf(log.append([batch(A, 0n)]));
    expect(held.length).equal(1);
    const owner = await createMemoryStore({ disk: shared }).shards.openShard(0, 2);
    held[0]!();
    expect(await appended).equal('fenced');
    expect(await offsets(owner)).deep.equal([]);
  });

  it('loses or lands the append in flight when the process dies, and fences its handles', async () => {
    for (const inFlight of ['drop', 'apply'] as const) {
      const shared = new MemoryDisk();
      const dying = createMemoryStore({
        disk: shared,
        schedule: (operation, run) => (operation === 'append' ? undefined : queueMicrotask(run)),
      });
      const log = await dying.shards.openShard(0, 0);
      const appended = faultOf(log.append([batch(A, 0n)]));
      dying.crash(inFlight);
      expect(await appended).equal('outcome-unknown');
      expect(await faultOf(log.describe(A))).equal('unavailable');
      const again = await createMemoryStore({ disk: shared }).shards.openShard(0, 0);
      expect(await offsets(again)).deep.equal(inFlight === 'apply' ? [0n] : []);
    }
  });

  it('loses with the power what was not synced, whole groups from the end, but no epoch', async () => {
    const shared = new MemoryDisk({ durability: 'os' });
    const store = createMemoryStore({ disk: shared });
    const log = await store.shards.openShard(0, 0);
    for (let offset = 0n; offset < 5n; offset++) await log.append([batch(A, offset)]);
    await log.append([{ kind: 'checkpoint', partition: A, offset: 5n, bytes: Buffer.from('kept') }]);
    shared.sync();
    await log.append([batch(A, 5n), { kind: 'logStart', partition: A, offset: 3n }]);
    await log.append([{ kind: 'checkpoint', partition: A, offset: 6n, bytes: Buffer.from('lost') }]);
    await log.append([{ kind: 'removal', partition: A }, batch(A, 0n, { seed: 3 })]);
    await store.metadata.put('view', Buffer.from('lost'), 0);
    const before = await store.shards.openShard(0, 0);
    shared.losePower();
    expect(await faultOf(before.describe(A))).equal('fenced');
    const again = createMemoryStore({ disk: shared });
    const reopened = await again.shards.openShard(0, 0);
    expect(reopened.epoch).greaterThan(before.epoch);
    expect(await offsets(reopened)).deep.equal([0n, 1n, 2n, 3n, 4n]);
    const described = await reopened.describe(A);
    expect(described).deep.include({ logStartOffset: 0n, nextOffset: 5n, bytes: 500 });
    expect(Buffer.from(described.checkpoint!.bytes).toString()).equal('kept');
    expect(await again.metadata.get('view')).equal(undefined);
  });

  it('is full at its limit, still frees, and works again', async () => {
    const shared = new MemoryDisk({ bytesMax: 1000 });
    const log = await createMemoryStore({ disk: shared }).shards.openShard(0, 0);
    await log.append([batch(A, 0n, { bytes: 500 }), batch(A, 1n, { bytes: 400 })]);
    expect(await faultOf(log.append([batch(A, 2n, { bytes: 400 })]))).equal('full');
    await log.append([{ kind: 'logStart', partition: A, offset: 1n }]);
    await log.append([batch(A, 2n, { bytes: 400 })]);
    expect(await offsets(log)).deep.equal([1n, 2n]);
  });

  it('tells watchers of other nodes each change in order, when the scheduler lets it through', async () => {
    const held: (() => void)[] = [];
    const shared = new MemoryDisk();
    const watching = createMemoryStore({
      disk: shared,
      schedule: (operation, run) => (operation === 'watch' ? held.push(run) : queueMicrotask(run)),
    });
    const seen: string[] = [];
    watching.metadata.watch('', (key, value) => seen.push(`${key}@${value?.revision}`));
    const other = createMemoryStore({ disk: shared });
    const first = (await other.metadata.put('a', Buffer.from('1'), 0))!;
    const second = (await other.metadata.put('a', Buffer.from('2'), first))!;
    expect(seen).deep.equal([]);
    for (const run of held) run();
    expect(seen).deep.equal([`a@${first}`, `a@${second}`]);
  });
});
