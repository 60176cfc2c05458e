// What becomes of appends when NATS, or the way there, fails at the worst moment.

import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { type PartitionKey, partitionKey, type ShardLog, StorageFault } from '../../src/actors/shard/ports.ts';
import type { JournalStore } from '../../src/storage/journal/store.ts';
import { type NatsProcesses, natsServerBinary, startNats } from '../support/nats-process.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { baseOffsets, batch } from './batches.ts';
import { dropJournal, freshPrefix, lastLogSequence, openTestJournal } from './journal-world.ts';

const A = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 0);
const END = 1n << 62n;

async function faultOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof StorageFault ? error.code : String(error);
  }
  return 'none';
}

async function offsets(log: ShardLog, partition: PartitionKey = A): Promise<bigint[]> {
  return baseOffsets(await log.read(partition, 0n, END, 1 << 30, true));
}

async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error(`not in time: ${what}`);
    await delay(5);
  }
}

describe('journal: faults on the way to NATS', function () {
  this.timeout(60_000);
  let nats: NatsProcesses;
  let proxy: TcpProxy;
  let store: JournalStore;
  let other: JournalStore;
  let prefix = '';

  before(async function () {
    this.timeout(300_000);
    await natsServerBinary();
    nats = await startNats();
  });
  after(() => nats.close());
  beforeEach(async () => {
    prefix = freshPrefix();
    proxy = await new TcpProxy(nats.servers[0]!.port).listen();
    store = await openTestJournal([proxy.address], prefix, { limits: { requestTimeoutMs: 500 } });
    other = await openTestJournal(nats.addresses, prefix);
  });
  afterEach(async () => {
    proxy.pass();
    await store.close();
    await other.close();
    await proxy.close();
    await dropJournal(nats.addresses, prefix);
  });

  const landed = (count: number) => () => lastLogSequence(nats.addresses, prefix).then((last) => last >= count);

  it('finds out that an append landed whose acknowledgement was lost', async () => {
    const log = await store.shards.openShard(0, 1);
    await log.append([batch(A, 0n)]);
    proxy.holdAnswers();
    const appended = log.append([batch(A, 1n)]);
    await eventually('the message is in the stream', landed(3));
    proxy.pass();
    proxy.cut();
    await appended;
    await log.append([batch(A, 2n)]);
    expect(await offsets(log)).deep.equal([0n, 1n, 2n]);
    expect(await offsets(await other.shards.openShard(0, 2))).deep.equal([0n, 1n, 2n]);
  });

  it('finds out that an append landed, though the connection stays and only says nothing', async () => {
    const log = await store.shards.openShard(0, 1);
    proxy.holdAnswers();
    const appended = log.append([batch(A, 0n)]);
    await eventually('the message is in the stream', landed(2));
    // The request times out; then the outcome is looked for on the same connection.
    await delay(700);
    proxy.pass();
    proxy.cut();
    await appended;
    expect(await offsets(log)).deep.equal([0n]);
  });

  it('looks for what became of an append sooner than for other answers', async () => {
    const patient = await openTestJournal([proxy.address], prefix, {
      limits: { requestTimeoutMs: 20_000, appendTimeoutMs: 300 },
    });
    try {
      const log = await patient.shards.openShard(0, 1);
      proxy.holdAnswers();
      const appended = log.append([batch(A, 0n)]);
      await eventually('the message is in the stream', landed(2));
      const startedMs = performance.now();
      proxy.pass();
      await appended;
      expect(performance.now() - startedMs).lessThan(5_000);
      expect(await offsets(log)).deep.equal([0n]);
    } finally {
      await patient.close();
    }
  });

  it('refuses an append that NATS never got, and one that comes late cannot land', async () => {
    const log = await store.shards.openShard(0, 1);
    await log.append([batch(A, 0n, { seed: 1 })]);
    proxy.holdRequests();
    const appended = faultOf(log.append([batch(A, 1n, { seed: 2 })]));
    await eventually('the message is on its way', () => proxy.heldBytes > 100);
    proxy.pass();
    proxy.cut();
    expect(await appended).equal('unavailable');
    proxy.deliverHeld();
    await log.append([batch(A, 1n, { seed: 3 })]);
    await log.append([batch(A, 2n, { seed: 4 })]);
    expect(await offsets(log)).deep.equal([0n, 1n, 2n]);
    const again = await other.shards.openShard(0, 2);
    const read = Buffer.concat(await again.read(A, 1n, 2n, 1 << 20, true));
    expect(read.equals(batch(A, 1n, { seed: 3 }).bytes)).equal(true);
  });

  it('tells an append that landed before another node took the shard from one that did not', async () => {
    const log = await store.shards.openShard(0, 1);
    proxy.holdAnswers();
    const appended = faultOf(log.append([batch(A, 0n)]));
    await eventually('the message is in the stream', landed(2));
    const owner = await other.shards.openShard(0, 2);
    proxy.pass();
    proxy.cut();
    expect(await appended).equal('none');
    expect(await faultOf(log.append([batch(A, 1n)]))).equal('fenced');
    expect(await offsets(owner)).deep.equal([0n]);

    const mine = await store.shards.openShard(1, 1);
    proxy.holdRequests();
    const refused = faultOf(mine.append([batch(A, 0n)]));
    await eventually('the message is on its way', () => proxy.heldBytes > 100);
    const theirs = await other.shards.openShard(1, 2);
    proxy.pass();
    proxy.cut();
    expect(await refused).equal('fenced');
    proxy.deliverHeld();
    await theirs.append([batch(A, 0n)]);
    expect(await offsets(theirs)).deep.equal([0n]);
  });

  it('refuses at once while there is no connection, and goes on when there is', async () => {
    const log = await store.shards.openShard(0, 1);
    proxy.refuse();
    proxy.cut();
    await eventually('the loss is noticed', () => !store.status().connected);
    expect(store.shards.status!().parts.journal).deep.include({ ready: false, reason: 'no connection to NATS' });
    const startedMs = Date.now();
    expect(await faultOf(log.append([batch(A, 0n)]))).equal('unavailable');
    expect(Date.now() - startedMs).lessThan(200);
    proxy.pass();
    await eventually('the connection is back', () => store.status().connected);
    await log.append([batch(A, 0n)]);
    expect(await offsets(log)).deep.equal([0n]);
    const { parts, figures } = store.shards.status!();
    expect(parts.journal!.ready).equal(true);
    expect(figures.sargasso_journal_stored_bytes).greaterThan(100);
    expect(figures.sargasso_journal_limit_bytes).equal(1 << 30);
  });

  it('says that the outcome is unknown when nothing can be found out, and the shard opens again', async () => {
    await store.close();
    store = await openTestJournal([proxy.address], prefix, {
      limits: { requestTimeoutMs: 100, resolveTimeoutMs: 300 },
    });
    const log = await store.shards.openShard(0, 1);
    proxy.holdAnswers();
    const appended = faultOf(log.append([batch(A, 0n)]));
    await eventually('the message is in the stream', landed(2));
    proxy.refuse();
    proxy.cut();
    expect(await appended).equal('outcome-unknown');
    expect(await faultOf(log.append([batch(A, 1n)]))).equal('fenced');
    proxy.pass();
    await eventually('the connection is back', () => store.status().connected);
    expect(await offsets(await store.shards.openShard(0, 1))).deep.equal([0n]);
  });

  it('loses and doubles nothing while connections are cut again and again', async () => {
    const shards = [0, 1, 2, 3];
    const logs = await Promise.all(shards.map((shard) => store.shards.openShard(shard, 1)));
    let stopped = false;
    const written = shards.map(() => [] as { offset: bigint; seed: number }[]);
    const unclear = new Set<number>();
    const write = async (shard: number): Promise<void> => {
      for (let seed = 0; !stopped; seed++) {
        const offset = BigInt(written[shard]!.length);
        const outcome = await faultOf(logs[shard]!.append([batch(A, offset, { seed, bytes: 61 + (seed % 5) * 9000 })]));
        if (outcome === 'none') written[shard]!.push({ offset, seed });
        else if (outcome === 'outcome-unknown') {
          unclear.add(shard);
          return;
        } else expect(outcome).equal('unavailable');
        if (outcome === 'unavailable') await delay(2);
      }
    };
    const writers = shards.map(write);
    for (let round = 0; round < 40; round++) {
      await delay(10 + (round % 7) * 5);
      if (round % 3 === 0) proxy.holdAnswers();
      if (round % 3 === 1) proxy.holdRequests();
      await delay(round % 5);
      proxy.pass();
      proxy.cut();
      await eventually('the connections are back', () => store.status().connected);
      if (round % 4 === 0) proxy.deliverHeld();
    }
    stopped = true;
    await Promise.all(writers);
    expect(unclear.size).equal(0);
    for (const shard of shards) {
      const log = await other.shards.openShard(shard, 2);
      const expected = written[shard]!.map(({ offset, seed }) =>
        batch(A, offset, { seed, bytes: 61 + (seed % 5) * 9000 }),
      );
      expect((await log.describe(A)).nextOffset).equal(BigInt(expected.length));
      const read = Buffer.concat(await log.read(A, 0n, END, 1 << 30, true));
      expect(read.equals(Buffer.concat(expected.map(({ bytes }) => bytes)))).equal(true);
      expect(expected.length).greaterThan(10);
    }
  });

  it('changes metadata once, whatever becomes of the answer', async () => {
    proxy.holdAnswers();
    const put = store.metadata.put('a', Buffer.from('1'), 0);
    await eventually('the value is there', async () => (await other.metadata.get('a')) !== undefined);
    proxy.pass();
    proxy.cut();
    const revision = (await put)!;
    expect((await other.metadata.get('a'))?.revision).equal(revision);

    proxy.holdRequests();
    const second = store.metadata.put('a', Buffer.from('2'), revision);
    await eventually('the request is on its way', () => proxy.heldBytes > 50);
    proxy.pass();
    proxy.cut();
    const changed = (await second)!;
    proxy.deliverHeld();
    expect(await store.metadata.put('a', Buffer.from('3'), changed)).greaterThan(changed);
  });

  it('tells watchers after a reconnect what they have missed, deletions included', async () => {
    const first = (await other.metadata.put('w/a', Buffer.from('1'), 0))!;
    const kept = (await other.metadata.put('w/b', Buffer.from('1'), 0))!;
    await store.metadata.list('w/');
    const seen: string[] = [];
    store.metadata.watch('w/', (key, value) => seen.push(`${key}=${value && Buffer.from(value.value)}`));
    proxy.refuse();
    proxy.cut();
    await eventually('the loss is noticed', () => !store.status().connected);
    await other.metadata.delete('w/a', first);
    await other.metadata.put('w/b', Buffer.from('2'), kept);
    await other.metadata.put('w/c', Buffer.from('1'), 0);
    expect(seen).deep.equal([]);
    proxy.pass();
    await eventually('all is told', () => seen.length === 3);
    expect(seen).deep.equal(['w/a=undefined', 'w/b=2', 'w/c=1']);
  });
});
