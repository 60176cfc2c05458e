// The journal while nats-server is killed, paused and started again, alone and as a cluster of three; and what it says to
// servers that are not set up for it.

import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect } from 'chai';
import { partitionKey, type ShardLog, StorageFault } from '../../src/actors/shard/ports.ts';
import { type JournalStore, openJournalStore } from '../../src/storage/journal/store.ts';
import {
  type NatsProcesses,
  type NatsServer,
  natsServerBinary,
  startNats,
  startNatsCluster,
} from '../support/nats-process.ts';
import { batch } from './batches.ts';
import { freshPrefix, openTestJournal, silent } from './journal-world.ts';

const A = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 0);
const END = 1n << 62n;

interface Written {
  readonly shard: number;
  /** Batches that were acknowledged, in order. */
  readonly acked: Uint8Array[];
  /** The longest time without an acknowledgement, ms. */
  longestGapMs: number;
  /** Openings after an unknown outcome. */
  reopenings: number;
}

/** Appends to each shard until told to stop, opening it anew where the journal says so. */
class Writers {
  readonly written: Written[];
  #stopped = false;
  readonly #running: Promise<void>[];

  constructor(store: JournalStore, shards: readonly number[]) {
    this.written = shards.map((shard) => ({ shard, acked: [], longestGapMs: 0, reopenings: 0 }));
    this.#running = this.written.map((one) => this.#write(store, one));
  }

  get acked(): number {
    return this.written.reduce((sum, { acked }) => sum + acked.length, 0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #write(store: JournalStore, written: Written): Promise<void> {
    let log: ShardLog | undefined;
    let lastMs = performance.now();
    for (let seed = 0; !this.#stopped; seed++) {
      try {
        if (log === undefined) {
          log = await store.shards.openShard(written.shard, 1);
          await this.#adopt(log, written);
        }
        const one = batch(A, BigInt(written.acked.length), { seed, bytes: 200 + (seed % 9) * 3000 });
        await log.append([one]);
        written.acked.push(one.bytes);
        written.longestGapMs = Math.max(written.longestGapMs, performance.now() - lastMs);
        lastMs = performance.now();
      } catch (error) {
        if (!(error instanceof StorageFault)) throw error;
        expect(error.code).oneOf(['unavailable', 'outcome-unknown']);
        if (error.code === 'outcome-unknown') {
          log = undefined;
          written.reopenings++;
        }
        await delay(10);
      }
    }
  }

  /** After an unknown outcome the append may be there: the log says. */
  async #adopt(log: ShardLog, written: Written): Promise<void> {
    const next = Number((await log.describe(A)).nextOffset);
    expect(next).within(written.acked.length, written.acked.length + 1);
    if (next === written.acked.length) return;
    written.acked.push(Buffer.concat(await log.read(A, BigInt(next - 1), END, 1 << 30, true)));
  }
}

async function expectAll(store: JournalStore, written: readonly Written[]): Promise<void> {
  for (const { shard, acked } of written) {
    const log = await store.shards.openShard(shard, 2);
    expect((await log.describe(A)).nextOffset, `shard ${shard}`).equal(BigInt(acked.length));
    const read = Buffer.concat(await log.read(A, 0n, END, 1 << 30, true));
    expect(read.equals(Buffer.concat(acked)), `the bytes of shard ${shard}`).equal(true);
  }
}

async function writesGoOn(writers: Writers, count: number): Promise<void> {
  const before = writers.acked;
  const deadlineMs = Date.now() + 30_000;
  while (writers.acked < before + count) {
    if (Date.now() > deadlineMs) throw new Error(`${writers.acked - before} of ${count} appends in 30 s`);
    await delay(5);
  }
}

describe('journal: nats-server killed and started again', function () {
  this.timeout(120_000);
  let nats: NatsProcesses | undefined;
  before(async function () {
    this.timeout(300_000);
    await natsServerBinary();
  });
  afterEach(async () => {
    await nats?.close();
    nats = undefined;
  });

  for (const syncAlways of [false, true]) {
    it(`keeps every acknowledged batch, ${syncAlways ? 'synced at once' : 'synced now and then'}`, async () => {
      nats = await startNats({ syncAlways });
      const prefix = freshPrefix();
      const store = await openTestJournal(nats.addresses, prefix);
      const writers = new Writers(store, [0, 1, 2, 3, 4, 5]);
      await writesGoOn(writers, 50);
      for (let round = 0; round < 4; round++) {
        await delay(round * 7);
        await nats.servers[0]!.kill();
        await nats.servers[0]!.start();
        await writesGoOn(writers, 50);
      }
      await writers.stop();
      await expectAll(store, writers.written);
      await store.close();
      const again = await openTestJournal(nats.addresses, prefix);
      await expectAll(again, writers.written);
      await again.close();
    });
  }

  it('waits for a server that is paused', async () => {
    nats = await startNats();
    const store = await openTestJournal(nats.addresses, freshPrefix(), { limits: { requestTimeoutMs: 300 } });
    const writers = new Writers(store, [0, 1]);
    await writesGoOn(writers, 20);
    await nats.servers[0]!.pause();
    await delay(1_000);
    nats.servers[0]!.resume();
    await writesGoOn(writers, 20);
    await writers.stop();
    await expectAll(store, writers.written);
    await store.close();
  });
});

describe('journal: three nats-servers', function () {
  this.timeout(180_000);
  let nats: NatsProcesses;
  before(async function () {
    this.timeout(300_000);
    await natsServerBinary();
    nats = await startNatsCluster();
  });
  after(() => nats.close());

  const leaderOf = async (stream: string): Promise<NatsServer> => {
    const connection = await connect({
      servers: nats.servers.filter(({ running }) => running).map((one) => one.address),
    });
    try {
      const { cluster } = await (await jetstreamManager(connection)).streams.info(stream);
      return nats.servers.find(({ name }) => name.endsWith(` ${cluster?.leader}`))!;
    } finally {
      await connection.close();
    }
  };

  it('keeps every acknowledged batch while the leader is killed, and goes on with two', async () => {
    const prefix = freshPrefix();
    const store = await openTestJournal(nats.addresses, prefix, { replicas: 3 });
    const writers = new Writers(store, [0, 1, 2, 3]);
    await writesGoOn(writers, 50);
    for (let round = 0; round < 3; round++) {
      const leader = await leaderOf(`${prefix}-log-0`);
      await leader.kill();
      await writesGoOn(writers, 50);
      await leader.start();
      await writesGoOn(writers, 50);
    }
    await writers.stop();
    await expectAll(store, writers.written);
    const revision = (await store.metadata.put('k', Buffer.from('v'), 0))!;
    expect((await store.metadata.get('k'))?.revision).equal(revision);
    await store.close();
    const again = await openTestJournal(nats.addresses, prefix, { replicas: 3 });
    await expectAll(again, writers.written);
    expect((await again.metadata.list('')).map(({ key }) => key)).deep.equal(['k']);
    await again.close();
    for (const { longestGapMs } of writers.written) expect(longestGapMs).lessThan(20_000);
  });

  it('commits nothing without a majority, and goes on when there is one again', async () => {
    const prefix = freshPrefix();
    const store = await openTestJournal(nats.addresses, prefix, {
      replicas: 3,
      limits: { requestTimeoutMs: 500, resolveTimeoutMs: 1_500, usageIntervalMs: 100 },
    });
    const writers = new Writers(store, [0, 1]);
    await writesGoOn(writers, 20);
    const [first, second] = nats.servers;
    await Promise.all([first!.kill(), second!.kill()]);
    await delay(1_000);
    const before = writers.acked;
    await delay(1_500);
    expect(writers.acked).equal(before);
    expect(store.shards.status!().parts.journal!.ready).equal(false);
    await Promise.all([first!.start(), second!.start()]);
    await writesGoOn(writers, 20);
    await writers.stop();
    await expectAll(store, writers.written);
    await store.close();
  });
});

describe('journal: what NATS must be set up for', function () {
  this.timeout(60_000);
  let nats: NatsProcesses | undefined;
  before(async function () {
    this.timeout(300_000);
    await natsServerBinary();
  });
  afterEach(async () => {
    await nats?.close();
    nats = undefined;
  });

  const messageOf = async (opening: Promise<JournalStore>): Promise<string> => {
    try {
      await (await opening).close();
    } catch (error) {
      expect(error).instanceOf(StorageFault);
      return (error as StorageFault).message;
    }
    return 'it opened';
  };

  it('refuses to start when max_payload is too small, and says how to set it', async () => {
    nats = await startNats({ maxPayload: 1 << 20 });
    const message = await messageOf(openTestJournal(nats.addresses, freshPrefix()));
    expect(message).match(/takes messages of 1048576 bytes, and 1052672 are needed.*max_payload: 8MB/);
    const smaller = await openTestJournal(nats.addresses, freshPrefix(), { batchBytesMax: 1_000_000 });
    await smaller.close();
  });

  it('refuses to start when JetStream has not the space, and says whose limit it is', async () => {
    nats = await startNats({ maxFileStore: 100 << 20 });
    const message = await messageOf(openTestJournal(nats.addresses, freshPrefix()));
    expect(message).match(/wants 1073741824 bytes times 1 replicas.*raise jetstream.max_file_store/);
  });

  it('waits for NATS, and gives up saying where it looked', async () => {
    nats = await startNats();
    const [server] = nats.servers;
    await server!.stop();
    const options = {
      servers: nats.addresses,
      streamPrefix: freshPrefix(),
      replicas: 1,
      bytesMax: 1 << 20,
      batchBytesMax: 1 << 10,
      logger: silent,
    } as const;
    const given = await messageOf(openJournalStore({ ...options, limits: { startTimeoutMs: 300 } }));
    expect(given).match(new RegExp(`NATS at ${server!.address}`));
    const opening = openJournalStore(options);
    await delay(300);
    await server!.start();
    await (await opening).close();
  });

  it('takes replicas that there are no servers for as a fault, not as fewer', async () => {
    nats = await startNats();
    const message = await messageOf(openTestJournal(nats.addresses, freshPrefix(), { replicas: 3 }));
    expect(message).match(/journal.replicas=3 needs 3 nats-servers that form a cluster/);
  });
});
