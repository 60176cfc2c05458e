// The journal in front of a cold store: what is moved, what is trimmed for it, and what happens while it is away.

import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect } from 'chai';
import { type PartitionKey, partitionKey, type ShardLog, StorageFault } from '../../src/actors/shard/ports.ts';
import { noTracer, type Tracer } from '../../src/events.ts';
import type { JournalStore, JournalStoreOptions } from '../../src/storage/journal/store.ts';
import { type NatsProcesses, natsServerBinary, startNats } from '../support/nats-process.ts';
import { baseOffsets, batch, splitBatches } from './batches.ts';
import { ColdDisk, ColdMemory } from './cold-memory.ts';
import { dropJournal, freshPrefix, openTestJournal } from './journal-world.ts';

const A = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 0);
const B = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 1);
const END = 1n << 62n;

async function faultOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof StorageFault ? error.code : String(error);
  }
  return 'none';
}

async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error(`not in time: ${what}`);
    await delay(5);
  }
}

async function headersFrom(log: ShardLog, partition: PartitionKey, offset: bigint): Promise<bigint[]> {
  const found: bigint[] = [];
  for await (const header of log.headers(partition, offset)) found.push(Buffer.from(header).readBigInt64BE(0));
  return found;
}

describe('journal: before a cold store', function () {
  this.timeout(60_000);
  let nats: NatsProcesses;
  let store: JournalStore;
  let disk: ColdDisk;
  let prefix = '';

  before(async function () {
    this.timeout(300_000);
    await natsServerBinary();
    nats = await startNats();
  });
  after(() => nats.close());
  beforeEach(() => {
    prefix = freshPrefix();
    disk = new ColdDisk();
  });
  afterEach(async () => {
    await store.close();
    await dropJournal(nats.addresses, prefix);
  });

  const open = (options: Partial<JournalStoreOptions> = {}): Promise<JournalStore> =>
    openTestJournal(nats.addresses, prefix, {
      cold: new ColdMemory(disk),
      ...options,
      limits: {
        runBytesMax: 20_000,
        moveDelayMs: 20,
        moveIntervalMs: 2,
        movedIntervalMs: 5,
        coldRetryMs: 20,
        trimBytesMin: 1,
        trimIntervalMs: 10,
        usageIntervalMs: 10,
        digestMessagesMax: 8,
        ...options.limits,
      },
    });
  const logBytes = async (): Promise<number> => {
    const connection = await connect({ servers: nats.addresses });
    try {
      return (await (await jetstreamManager(connection)).streams.info(`${prefix}-log-0`)).state.bytes;
    } finally {
      await connection.close();
    }
  };
  const write = async (log: ShardLog, partition: PartitionKey, from: bigint, count: number): Promise<void> => {
    for (let offset = from; offset < from + BigInt(count); offset++) {
      await log.append([batch(partition, offset, { bytes: 5_000, seed: Number(offset) })]);
    }
  };
  /** All of a partition, byte for byte as it was written. */
  const expectWritten = async (log: ShardLog, partition: PartitionKey, from: bigint, end: bigint): Promise<void> => {
    const read = splitBatches(await log.read(partition, 0n, END, 1 << 30, true));
    expect(read.map((bytes) => bytes.readBigInt64BE(0))).deep.equal(
      Array.from({ length: Number(end - from) }, (_, index) => from + BigInt(index)),
    );
    for (const [index, bytes] of read.entries()) {
      const offset = from + BigInt(index);
      expect(bytes.equals(batch(partition, offset, { bytes: 5_000, seed: Number(offset) }).bytes)).equal(true);
    }
  };

  it('moves what is committed, gives its space back and reads it from there, by any later owner', async () => {
    store = await open();
    const log = await store.shards.openShard(0, 1);
    await write(log, A, 0n, 60);
    await write(log, B, 0n, 20);
    await eventually('all is moved', () => disk.bytes === 80 * 5_000);
    await eventually('the journal is trimmed', async () => (await logBytes()) < 20_000);
    await write(log, A, 60n, 2);
    await expectWritten(log, A, 0n, 62n);
    expect(await log.describe(A)).deep.include({ logStartOffset: 0n, nextOffset: 62n, bytes: 62 * 5_000 });

    const again = await store.shards.openShard(0, 2);
    await eventually('the cold store is open', async () => (await faultOf(again.read(A, 0n, 1n, 1, true))) === 'none');
    await expectWritten(again, A, 0n, 62n);
    await expectWritten(again, B, 0n, 20n);
    // Some hundred bytes at a time, over the border.
    const offsets: bigint[] = [];
    for (let next = 50n; next < 62n; next = offsets.at(-1)! + 1n) {
      offsets.push(...baseOffsets(await again.read(A, next, END, 12_000, true)));
    }
    expect(offsets).deep.equal(Array.from({ length: 12 }, (_, index) => BigInt(50 + index)));
    expect((await headersFrom(again, A, 40n)).length).equal(22);
    expect(await again.firstBatchAtOrAfter(A, 1_005n)).equal(5n);
    expect(await again.batchOfMaxTimestamp(A)).equal(61n);
    expect(await again.offsetToKeep(A, 30 * 5_000)).equal(32n);
    expect(await again.offsetToKeep(A, 30 * 5_000 + 1)).equal(31n);
  });

  it('takes records and serves the tail while the cold store is away, and catches up when it is back', async () => {
    store = await open();
    const log = await store.shards.openShard(0, 1);
    await write(log, A, 0n, 40);
    await log.append([{ kind: 'checkpoint', partition: A, offset: 20n, bytes: Buffer.from('state') }]);
    await eventually('all is moved', () => disk.bytes === 40 * 5_000);
    await eventually('the journal is trimmed', async () => (await logBytes()) < 20_000);
    expect(store.shards.status!().parts.seaweedmq).deep.include({ ready: true, reason: 'open' });
    disk.away = true;
    // A takeover meanwhile: nothing of it needs the cold store.
    const owner = await store.shards.openShard(0, 2);
    await write(owner, A, 40n, 10);
    expect((await owner.describe(A)).nextOffset).equal(50n);
    expect((await owner.describe(A)).bytes).equal(50 * 5_000);
    expect(await headersFrom(owner, A, 20n)).deep.equal(Array.from({ length: 30 }, (_, index) => BigInt(20 + index)));
    expect(baseOffsets(await owner.read(A, 40n, END, 1 << 30, true)).length).equal(10);
    expect(await faultOf(owner.read(A, 39n, END, 1 << 30, true))).equal('unavailable');
    expect(await faultOf(owner.firstBatchAtOrAfter(A, 0n))).equal('unavailable');
    const { seaweedmq } = store.shards.status!().parts;
    expect(seaweedmq).deep.include({ ready: true, reason: 'not open for 1 of 1 shards' });
    await owner.append([{ kind: 'logStart', partition: A, offset: 10n }]);
    disk.away = false;
    await eventually('it has caught up', () => disk.bytes === 40 * 5_000 && disk.log(0, A).logStart === 10n);
    await expectWritten(owner, A, 10n, 50n);
  });

  it('goes on where a former owner stopped, whatever of its moves was proven', async () => {
    disk.proofDelayMs = 30;
    store = await open();
    let log = await store.shards.openShard(0, 1);
    let next = 0n;
    for (let round = 0; round < 6; round++) {
      await write(log, A, next, 9);
      await write(log, B, next, 9);
      next += 9n;
      await delay(round * 9);
      if (round === 3) {
        // The node dies: nothing is closed in order, another begins with an empty memory.
        await store.close();
        store = await open();
      }
      log = await store.shards.openShard(0, round);
    }
    await eventually('all is moved', () => disk.bytes === Number(next) * 2 * 5_000);
    await eventually('the journal is trimmed', async () => (await logBytes()) < 20_000);
    await expectWritten(log, A, 0n, next);
    await expectWritten(log, B, 0n, next);
  });

  it('tells the cold store of log starts and removals, and begins a log again under a name that was removed', async () => {
    store = await open();
    const log = await store.shards.openShard(0, 1);
    await write(log, A, 0n, 20);
    await write(log, B, 0n, 20);
    await eventually('all is moved', () => disk.bytes === 40 * 5_000);
    await log.append([{ kind: 'logStart', partition: A, offset: 15n }]);
    await log.append([{ kind: 'removal', partition: B }]);
    expect(disk.bytes).equal(5 * 5_000);
    disk.away = true;
    const owner = await store.shards.openShard(0, 2);
    // Removed and begun again while the cold store cannot be told.
    await owner.append([{ kind: 'removal', partition: A }, batch(A, 0n, { bytes: 5_000, seed: 0 })]);
    await write(owner, A, 1n, 4);
    disk.away = false;
    const stored = (): bigint[] => baseOffsets(disk.log(0, A).batches.map(({ bytes }) => bytes));
    await eventually('the new log is moved', () => stored().join() === '0,1,2,3,4');
    await eventually('the journal is trimmed', async () => (await logBytes()) < 20_000);
    await expectWritten(owner, A, 0n, 5n);
    expect(disk.bytes).equal(5 * 5_000);
  });

  it('leaves no gap where a batch in the cold store is larger than a read that need not bring one', async () => {
    store = await open();
    const log = await store.shards.openShard(0, 1);
    await write(log, A, 0n, 4);
    await eventually('all is moved', () => disk.bytes === 4 * 5_000);
    await eventually('the journal is trimmed', async () => (await logBytes()) < 5_000);
    disk.proofDelayMs = 60_000;
    await log.append([batch(A, 4n, { bytes: 200, seed: 4 })]);
    expect(await log.read(A, 3n, END, 1_000, false)).deep.equal([]);
    expect(baseOffsets(await log.read(A, 3n, END, 5_100, false))).deep.equal([3n]);
    expect(baseOffsets(await log.read(A, 3n, END, 5_200, false))).deep.equal([3n, 4n]);
  });

  it('leaves no gap between the cold store and a journal that is moved from while the cold store is read', async () => {
    store = await open();
    const log = await store.shards.openShard(0, 1);
    await write(log, A, 0n, 10);
    await eventually('the first are moved', () => disk.bytes === 10 * 5_000);
    await eventually('the journal is trimmed', async () => (await logBytes()) < 20_000);
    disk.proofDelayMs = 200;
    await write(log, A, 10n, 10);
    const reads = disk.hold();
    const all = log.read(A, 8n, END, 1 << 30, true);
    const late = log.firstBatchAtOrAfter(A, 1_012n);
    await eventually('the rest is moved', () => disk.bytes === 20 * 5_000);
    await eventually('the journal is trimmed', async () => (await logBytes()) < 20_000);
    await write(log, A, 20n, 1);
    reads.release();
    const offsets = baseOffsets(await all);
    expect(offsets).deep.equal(offsets.map((_, index) => BigInt(8 + index)));
    expect(offsets.length).above(1);
    expect(await late).equal(12n);
  });

  it('tells a reader that something is missing in the cold store, instead of going on behind it', async () => {
    store = await open();
    const log = await store.shards.openShard(0, 1);
    await write(log, A, 0n, 10);
    await eventually('all is moved', () => disk.bytes === 10 * 5_000);
    await eventually('the journal is trimmed', async () => (await logBytes()) < 5_000);
    const stored = disk.log(0, A).batches;
    const [lost] = stored.splice(4, 1);
    expect(await faultOf(log.read(A, 4n, END, 1 << 30, true))).equal('corrupt');
    expect(baseOffsets(await log.read(A, 5n, END, 1 << 30, true)).length).equal(5);
    // A log start in a batch, or behind what is missing, is none of that.
    stored.splice(4, 0, lost!);
    await log.append([{ kind: 'logStart', partition: A, offset: 5n }]);
    expect(baseOffsets(await log.read(A, 0n, END, 1 << 30, true)).length).equal(5);
  });

  it('waits for what fills a run, unless the journal is half full', async () => {
    store = await open({
      bytesMax: 600_000,
      staysInJournal: (partition) => partition === B,
      limits: { moveDelayMs: 60_000, moveDelayPressedMs: 20 },
    });
    const log = await store.shards.openShard(0, 1);
    await write(log, A, 0n, 6);
    await eventually('a full run is moved', () => disk.bytes === 4 * 5_000);
    const unmoved = () => store.shards.status!().figures.sargasso_seaweedmq_unmoved_bytes;
    await eventually('the rest is told of', () => unmoved() === 2 * 5_000);
    await delay(100);
    expect(disk.bytes).equal(4 * 5_000);
    await write(log, B, 0n, 70);
    await eventually('the rest is moved', () => disk.bytes === 6 * 5_000 && unmoved() === 0);
  });

  it('gives back in time what is too little to be worth it at once', async () => {
    store = await open({ limits: { trimBytesMin: 8 << 20, digestMessagesMax: 512 } });
    const log = await store.shards.openShard(0, 1);
    await write(log, A, 0n, 40);
    await eventually('all is moved', () => disk.bytes === 40 * 5_000);
    await eventually('the journal is trimmed', async () => (await logBytes()) < 20_000);
    await expectWritten(log, A, 0n, 40n);
  });

  it('tells of a move as a trace that is linked to the requests it is for', async () => {
    const begun: { name: string; causes: string[]; attributes: object; ended: string | undefined }[] = [];
    const tracer: Tracer = {
      ...noTracer,
      startLinked(_span, name, causes, attributes) {
        const one = {
          name,
          causes: causes.map(({ traceparent }) => traceparent),
          attributes,
          ended: undefined as string | undefined,
        };
        begun.push(one);
        const end = (error?: unknown) => {
          one.ended = error === undefined ? 'well' : String(error);
        };
        return { context: causes[0]!, set() {}, event() {}, end };
      },
    };
    disk.proofDelayMs = 50;
    store = await open({ tracer, limits: { runBytesMax: 10_000, moveDelayMs: 50 } });
    const log = await store.shards.openShard(0, 1);
    await eventually('the cold store is open', () => store.status().shards[0]!.coldOpen === true);
    for (const offset of [0n, 1n, 2n]) {
      const traced = offset === 1n ? {} : { trace: { traceparent: `of ${offset}` } };
      await log.append([{ ...batch(A, offset, { bytes: 5_000, seed: Number(offset) }), ...traced }]);
    }
    await log.append([batch(B, 0n, { bytes: 5_000 })]);
    await eventually('all is moved', () => disk.bytes === 4 * 5_000);
    const common = { name: 'seaweedmq publish', ended: 'well' };
    expect(begun).deep.equal([
      { ...common, causes: ['of 0'], attributes: { 'sargasso.shard': 0, 'sargasso.run.bytes': 10_000 } },
      { ...common, causes: ['of 2'], attributes: { 'sargasso.shard': 0, 'sargasso.run.bytes': 5_000 } },
    ]);
  });

  it('keeps in the journal what is to stay there', async () => {
    store = await open({ staysInJournal: (partition) => partition === B });
    const log = await store.shards.openShard(0, 1);
    await write(log, A, 0n, 10);
    await write(log, B, 0n, 10);
    await eventually('the rest is moved', () => disk.bytes === 10 * 5_000);
    await delay(100);
    expect(disk.bytes).equal(10 * 5_000);
    await expectWritten(log, B, 0n, 10n);
    await expectWritten(log, A, 0n, 10n);
  });
});
