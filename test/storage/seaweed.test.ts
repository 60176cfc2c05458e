// The cold store against a real SeaweedFS with SeaweedMQ, one broker with its default flush interval of 5 s: what an
// acknowledgement is worth, what a proof is worth, and that everything moved can be read by whoever comes next.

import { randomFillSync } from 'node:crypto';
import { expect } from 'chai';
import { type PartitionKey, partitionKey, StorageFault } from '../../src/actors/shard/ports.ts';
import type { SeaweedShard } from '../../src/storage/seaweed/seaweed-shard.ts';
import { startWeed, type WeedCluster } from '../support/weed-process.ts';
import { ColdWorld, runOf, until, Written } from './seaweed-world.ts';

const A = partitionKey('AAAAAAAAAAAAAAAAAAAAAA', 0);
const B = partitionKey('AAAAAAAAAAAAAAAAAAAAAA', 1);
const drainTimeoutMs = 20_000;
const restartTimeoutMs = 40_000;

/** Moves `count` runs of two batches, each into a log file of its own: those are named by the second they begin in. */
async function moveApart(shard: SeaweedShard, log: Written, count: number): Promise<void> {
  const second = () => Math.floor(Date.now() / 1000);
  for (let number = 0; number < count; number++) {
    const begun = second();
    await until('the next second', 2_000, () => second() > begun, second);
    const proof = shard.move(log.run(2, { bytes: 400 }));
    await shard.drain(drainTimeoutMs);
    await proof;
  }
}

describe('SeaweedMQ store', function () {
  this.timeout(90_000);
  let weed: WeedCluster;
  let world: ColdWorld;
  let worlds = 0;

  before(async function () {
    this.timeout(400_000);
    weed = await startWeed({ flushIntervalSeconds: 5 });
  });

  after(() => weed?.remove());

  beforeEach(() => {
    world = new ColdWorld(weed, `test${++worlds}`);
  });

  afterEach(() => world.close());

  it('proves runs by itself, and gives them back byte for byte, also to a node with an empty disk', async () => {
    const shard = await world.open(0, 1);
    const logs = [new Written(A), new Written(B)];
    const proofs = Array.from({ length: 30 }, (_, number) => {
      const log = logs[number % 2]!;
      return shard.move(log.run((number % 5) + 1, { bytes: 61 + number * 997, records: (number % 7) + 1 }));
    });
    await Promise.all(proofs);
    for (const reader of [shard, await world.open(0, 2)]) {
      expect([...reader.partitions()]).to.have.members([A, B]);
      for (const log of logs) {
        await log.expectReadable(reader);
        await log.expectReadable(reader, 0n, 1);
        await log.expectReadable(reader, log.batches[7]!.lastOffset);
        expect(reader.range(log.partition)).to.deep.equal({ startOffset: 0n, endOffset: log.nextOffset });
        expect(reader.endOfRow(log.partition, 3n)).to.equal(log.nextOffset);
      }
    }
  });

  it('keeps a batch that is larger than a message should be', async () => {
    const shard = await world.open(0, 1);
    const log = new Written(A);
    const proofs = [log.run(1, { bytes: 20_000_000 }), log.run(3), log.run(1, { bytes: 5_000_000 })].map((run) =>
      shard.move(run),
    );
    await shard.drain(drainTimeoutMs);
    await Promise.all(proofs);
    await log.expectReadable(await world.open(0, 2));
  });

  it('answers searches by offset, by time and by size, above the log start only', async () => {
    const shard = await world.open(0, 1);
    const log = new Written(A);
    const times = [5n, 9n, 7n, 30n, 30n, 12n, 8n, 21n];
    for (const timestampMs of times) log.add({ timestampMs, records: 10, bytes: 500 });
    const halves = [log.batches.slice(0, 4), log.batches.slice(4)];
    const proofs = halves.map((batches) => shard.move(runOf(batches)));
    await shard.drain(drainTimeoutMs);
    await Promise.all(proofs);

    expect(await shard.firstBatchAtOrAfter(A, 8n)).to.deep.equal({ baseOffset: 10n, maxTimestampMs: 9n });
    expect(await shard.firstBatchAtOrAfter(A, 31n)).to.equal(undefined);
    expect(await shard.batchOfMaxTimestamp(A)).to.deep.equal({ baseOffset: 30n, maxTimestampMs: 30n });
    expect(await shard.bytesBetween(A, 0n, 80n)).to.equal(4_000);
    expect(await shard.bytesBetween(A, 15n, 61n)).to.equal(3_000);
    const headers: bigint[] = [];
    for await (const header of shard.headers(A, 25n)) headers.push(Buffer.from(header).readBigInt64BE(0));
    expect(headers).to.deep.equal([20n, 30n, 40n, 50n, 60n, 70n]);

    shard.setLogStart(A, 40n);
    expect(await shard.firstBatchAtOrAfter(A, 8n)).to.deep.equal({ baseOffset: 40n, maxTimestampMs: 30n });
    shard.setLogStart(A, 50n);
    expect(await shard.firstBatchAtOrAfter(A, 9n)).to.deep.equal({ baseOffset: 50n, maxTimestampMs: 12n });
    expect(await shard.batchOfMaxTimestamp(A)).to.deep.equal({ baseOffset: 70n, maxTimestampMs: 21n });
    expect(await shard.bytesBetween(A, 0n, 80n)).to.equal(1_500);
    await log.expectReadable(shard, 50n);
  });

  it('sends again what a killed broker had acknowledged and not stored: nothing lost, nothing twice', async () => {
    const store = world.store();
    const shard = await store.openShard(0, 1);
    const log = new Written(A);
    const safe = Promise.all([shard.move(log.run(5)), shard.move(log.run(5))]);
    await shard.drain(drainTimeoutMs);
    await safe;
    const before = log.nextOffset;

    let proven = 0;
    const ackedBefore = store.status().ackedRuns;
    const proofs = Array.from({ length: 40 }, () => shard.move(log.run(3, { bytes: 2_000 })).then(() => proven++));
    await until(
      'all acknowledged',
      drainTimeoutMs,
      () => store.status().ackedRuns >= ackedBefore + 40,
      () => store.status(),
    );
    await weed.brokers[0]!.kill();
    expect(proven, 'proven while in memory only').to.equal(0);
    // The log files say what the acknowledgements were worth.
    expect((await world.open(0, 2)).endOfRow(A, 0n)).to.equal(before);

    await weed.brokers[0]!.start();
    await shard.drain(restartTimeoutMs);
    await Promise.all(proofs);
    expect(store.status().resentRuns).to.equal(40);
    await log.expectReadable(shard);
    await log.expectReadable(await world.open(0, 3));
  });

  it('lives through a filer that is away: moves wait, reads say so, and both go on', async () => {
    const store = world.store({ callTimeoutMs: 3_000 });
    const shard = await store.openShard(0, 1);
    const log = new Written(A);
    const first = shard.move(log.run(4));
    await shard.drain(drainTimeoutMs);
    await first;

    await weed.server.kill();
    const proofs = Array.from({ length: 10 }, () => shard.move(log.run(2)));
    const fault = await shard.read(A, 0n, 100n, 1_000, true).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(fault).to.be.instanceOf(StorageFault);
    expect((fault as StorageFault).code).to.equal('unavailable');
    await until(
      'the fault shows',
      5_000,
      () => store.status().lastFault !== undefined,
      () => store.status(),
    );
    expect(store.status()).to.deep.include({ backlogRuns: 10 });
    expect(store.status().backlogAgeMs).to.be.above(0);

    await weed.server.start();
    await shard.drain(restartTimeoutMs);
    await Promise.all(proofs);
    expect(store.status()).to.deep.include({ backlogRuns: 0, backlogBytes: 0, backlogAgeMs: 0, lastFault: undefined });
    await log.expectReadable(shard);
  });

  it('says that all is well again after a filer was away, though there is nothing to move', async () => {
    const store = world.store({ callTimeoutMs: 3_000, sweepIntervalMs: 100 });
    await store.openShard(0, 1);
    const fault = () => store.status().lastFault;
    await weed.server.kill();
    await until('the fault shows', restartTimeoutMs, () => fault() !== undefined, fault);
    await weed.server.start();
    await until('it is over', restartTimeoutMs, () => fault() === undefined, fault);
  });

  it('notices a broker that hangs, and one that comes back with the same messages does no harm', async () => {
    const store = world.store({ ackTimeoutMs: 1_000, callTimeoutMs: 1_000 });
    const shard = await store.openShard(0, 1);
    const log = new Written(A);
    const first = shard.move(log.run(1));
    await shard.drain(drainTimeoutMs);
    await first;
    const broker = weed.brokers[0]!;
    const acked = store.status().ackedRuns;
    const early = Array.from({ length: 5 }, () => shard.move(log.run(2)));
    await until(
      'acknowledged',
      drainTimeoutMs,
      () => store.status().ackedRuns === acked + 5,
      () => store.status(),
    );
    const late: Promise<void>[] = [];
    await broker.pause();
    try {
      late.push(...Array.from({ length: 5 }, () => shard.move(log.run(2))));
      const isBroken = () => world.log.some(({ event }) => event === 'seaweed.stream-broken');
      await until('the stream is given up', 10_000, isBroken, () => [store.status(), world.log]);
    } finally {
      broker.resume();
    }
    await Promise.all([...early, ...late]);
    await log.expectReadable(shard);
    await log.expectReadable(await world.open(0, 2));
  });

  it('joins what two owners have written, cut otherwise and in part twice', async () => {
    const log = new Written(A);
    for (let number = 0; number < 30; number++) log.add({ records: 10, bytes: 300 });
    const runs = (from: number, end: number, size: number) => {
      const cut = [];
      for (let at = from; at < end; at += size) cut.push(runOf(log.batches.slice(at, Math.min(end, at + size))));
      return cut;
    };
    const old = await world.open(0, 1);
    const oldProofs = runs(0, 12, 4).map((run) => old.move(run));
    await old.drain(drainTimeoutMs);
    await Promise.all(oldProofs);
    // These are acknowledged to the old owner, who is then thought to be dead.
    const late = runs(12, 24, 4).map((run) => old.move(run));

    const owner = await world.open(0, 2);
    expect(owner.endOfRow(A, 0n)).to.equal(120n);
    const proofs = runs(7, 19, 3).map((run) => owner.move(run));
    await owner.drain(drainTimeoutMs);
    await Promise.all(proofs);
    await old.drain(drainTimeoutMs);
    await Promise.all(late);
    // The new owner learns what the old one has moved behind its back, and does not send it once more.
    await until(
      'all known to the new owner',
      10_000,
      () => owner.endOfRow(A, 0n) === 240n,
      () => owner.range(A),
    );
    const rest = runs(19, 30, 5).map((run) => owner.move(run));
    await owner.drain(drainTimeoutMs);
    await Promise.all(rest);
    for (const reader of [owner, await world.open(0, 3)]) {
      await log.expectReadable(reader);
      await log.expectReadable(reader, 75n, 1);
      expect(await reader.bytesBetween(A, 0n, 300n)).to.equal(9_000);
    }
  });

  describe('deletion', () => {
    it('takes files below the log start, and only those', async () => {
      const shard = await world.open(0, 1, { topicSettledMs: 0 });
      const log = new Written(A);
      const other = new Written(B);
      await moveApart(shard, log, 2);
      const boundary = log.nextOffset;
      await moveApart(shard, other, 1);
      await moveApart(shard, log, 2);
      const before = (await world.logFiles()).length;

      shard.setLogStart(A, boundary);
      await shard.round();
      expect(await world.logFiles(), 'nothing goes before the journal is replayed').to.have.length(before);
      shard.adopt(
        new Map<PartitionKey, bigint>([
          [A, boundary],
          [B, 0n],
        ]),
      );
      await shard.round();
      expect(await world.logFiles()).to.have.length(before - 2);
      await log.expectReadable(shard, boundary);
      await other.expectReadable(shard);
      const next = await world.open(0, 2);
      await log.expectReadable(next, boundary);
      await other.expectReadable(next);
    });

    it('takes everything of deleted partitions, and in time the folders of topics that nobody writes to', async () => {
      const old = await world.open(0, 1);
      const log = new Written(A);
      const other = new Written(B);
      await moveApart(old, log, 2);
      await moveApart(old, other, 1);
      await old.close();
      const owner = await world.open(0, 2, { topicSettledMs: 0 });
      owner.adopt(new Map<PartitionKey, bigint>([[B, 0n]]));
      await owner.round();
      expect(await world.logFiles()).to.have.length(1);
      await other.expectReadable(owner);
      owner.remove(B, Written.position);
      await owner.round();
      await owner.round();
      expect([...(await world.files()).keys()]).to.deep.equal([]);

      // A log that begins again under the same name is another one.
      const again = new Written(B);
      const proof = owner.move(again.run(3, { seed: 5 }));
      await owner.drain(drainTimeoutMs);
      await proof;
      await again.expectReadable(owner);
    });

    it('does not take what has newer copies for needed', async () => {
      const old = await world.open(0, 1);
      const log = new Written(A);
      await moveApart(old, log, 2);
      await old.close();
      const owner = await world.open(0, 2, { topicSettledMs: 0 });
      owner.adopt(new Map([[A, 0n]]));
      // One run that holds both of the old ones.
      log.add();
      const proof = owner.move(runOf(log.batches));
      await owner.drain(drainTimeoutMs);
      await proof;
      await owner.round();
      expect(await world.logFiles()).to.have.length(1);
      await log.expectReadable(owner);
      await log.expectReadable(await world.open(0, 3));
    });
  });

  it('opens by index pages where there are any, and without them all the same', async () => {
    const limits = { pageFiles: 2, topicSettledMs: 0 };
    const owner = await world.open(0, 1, limits);
    const log = new Written(A);
    await moveApart(owner, log, 6);
    await owner.round();
    await owner.close();
    const pages = async () => [...(await world.files()).keys()].filter((path) => /sargasso-index.*[^/]$/.test(path));
    expect((await pages()).length).to.be.above(1);

    const store = world.store(limits);
    const second = await store.openShard(0, 2);
    await log.expectReadable(second);
    // The newest file was still open to appends.
    expect(store.status().scannedChunks).to.be.at.most(2);

    const [broken] = await pages();
    await fetch(`http://${weed.filer.http}${broken}`, { method: 'PUT', body: 'no index page' });
    const third = await world.open(0, 3, limits);
    await log.expectReadable(third);
    await log.expectReadable(third, 5n);
  });

  it('compresses what producers did not, where it pays, and gives back the very bytes', async () => {
    const store = world.store({}, true);
    const shard = await store.openShard(0, 1);
    const log = new Written(A);
    const text = JSON.stringify({ name: 'sargasso', kind: 'sea', tags: ['a', 'b'] }).repeat(2_000);
    for (let number = 0; number < 3; number++) {
      const { bytes } = log.add({ bytes: text.length + 61 });
      (bytes as Buffer).write(text, 61);
    }
    const packed = shard.move(runOf(log.batches));
    const unpackable = log.run(1, { bytes: 100_000 });
    randomFillSync(unpackable.pieces[0]!, 61);
    const noise = shard.move(unpackable);
    await shard.drain(drainTimeoutMs);
    await Promise.all([packed, noise]);
    await log.expectReadable(await world.open(0, 2));
    const storedBytes = await world.logBytes();
    expect(storedBytes, 'what was noise stays as it is').to.be.above(100_000);
    expect(storedBytes).to.be.below(100_000 + text.length);
  });

  it('gives room as proofs come, and lets go of what waits when the shard is closed', async () => {
    const store = world.store({ unprovenShardBytesMax: 10_000 });
    const shard = await store.openShard(0, 1);
    const log = new Written(A);
    await shard.room();
    const first = shard.move(log.run(1, { bytes: 20_000 }));
    let hasRoom = false;
    const room = shard.room().then(() => {
      hasRoom = true;
    });
    await until(
      'acknowledged',
      drainTimeoutMs,
      () => store.status().ackedRuns === 1,
      () => store.status(),
    );
    expect(hasRoom).to.equal(false);
    await shard.drain(drainTimeoutMs);
    await Promise.all([first, room]);

    const unproven = shard.move(log.run(1)).then(
      () => 'proven',
      (error: StorageFault) => error.code,
    );
    await shard.close();
    expect(await unproven).to.equal('unavailable');
    expect(store.status()).to.deep.include({ backlogRuns: 0, backlogBytes: 0 });
  });
});

describe('SeaweedMQ store with two brokers', function () {
  this.timeout(120_000);
  let weed: WeedCluster;
  let world: ColdWorld;

  before(async function () {
    this.timeout(400_000);
    weed = await startWeed({ brokers: 2, flushIntervalSeconds: 5 });
    world = new ColdWorld(weed, 'two');
  });

  after(async () => {
    await world?.close();
    await weed?.remove();
  });

  it('goes on at the other one when either dies', async () => {
    const store = world.store();
    const shards = await Promise.all([0, 1, 2, 3].map((number) => store.openShard(number, 1)));
    const logs = shards.map((_, number) => new Written(partitionKey('AAAAAAAAAAAAAAAAAAAAAA', number)));
    const moveSome = () => logs.flatMap((log, number) => [1, 2, 3].map(() => shards[number]!.move(log.run(2))));
    const drainAll = () => Promise.all(shards.map((shard) => shard.drain(restartTimeoutMs)));
    const first = moveSome();
    await drainAll();
    await Promise.all(first);
    for (const broker of weed.brokers) {
      const acked = store.status().ackedRuns;
      const proofs = moveSome();
      await until(
        'acknowledged',
        drainTimeoutMs,
        () => store.status().ackedRuns >= acked + proofs.length,
        store.status,
      );
      await broker.kill();
      await drainAll();
      await Promise.all(proofs);
      await broker.start();
    }
    for (const [number, log] of logs.entries()) {
      await log.expectReadable(shards[number]!);
      await log.expectReadable(await world.open(number, 2));
    }
  });
});
