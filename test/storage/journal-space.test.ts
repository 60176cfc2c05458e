// The journal's space: the byte limit, what is trimmed and what never is, and how much of it an opening reads.

import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect } from 'chai';
import type { LogLevel } from '../../src/actors/runtime/ports.ts';
import {
  type LogEntry,
  type PartitionKey,
  partitionKey,
  type ShardLog,
  StorageFault,
} from '../../src/actors/shard/ports.ts';
import { encodeMessage } from '../../src/storage/journal/message-format.ts';
import { PartsPublisher } from '../../src/storage/journal/parts-publisher.ts';
import type { JournalStore } from '../../src/storage/journal/store.ts';
import { type NatsProcesses, natsServerBinary, startNats } from '../support/nats-process.ts';
import { baseOffsets, batch } from './batches.ts';
import { dropJournal, freshPrefix, openTestJournal } from './journal-world.ts';

const key = (index: number): PartitionKey => partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', index);
const A = key(0);
const B = key(1);
const END = 1n << 62n;
const MIB = 1 << 20;

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

describe('journal: space', function () {
  this.timeout(60_000);
  let nats: NatsProcesses;
  let store: JournalStore;
  let prefix = '';
  let opened: Record<string, unknown>[] = [];
  const logger = {
    log(_level: LogLevel, event: string, fields: Readonly<Record<string, unknown>> = {}) {
      if (event === 'journal.shard-opened') opened.push(fields);
    },
  };

  before(async function () {
    this.timeout(300_000);
    await natsServerBinary();
    nats = await startNats();
  });
  after(() => nats.close());
  beforeEach(() => {
    prefix = freshPrefix();
    opened = [];
  });
  afterEach(async () => {
    await store.close();
    await dropJournal(nats.addresses, prefix);
  });

  const quick = { trimIntervalMs: 10, usageIntervalMs: 10, trimBytesMin: 1 };
  const stateOf = async (stream: string): Promise<StreamInfo['state']> => {
    const connection = await connect({ servers: nats.addresses });
    try {
      return (await (await jetstreamManager(connection)).streams.info(`${prefix}-${stream}`)).state;
    } finally {
      await connection.close();
    }
  };
  const offsets = async (log: ShardLog, partition = A): Promise<bigint[]> =>
    baseOffsets(await log.read(partition, 0n, END, 1 << 30, true));

  it('refuses records at the byte limit, takes what frees space, and goes on when there is room', async () => {
    store = await openTestJournal(nats.addresses, prefix, { bytesMax: 4 * MIB, limits: quick, logger });
    const log = await store.shards.openShard(0, 1);
    let offset = 0n;
    let outcome = 'none';
    while (outcome === 'none') {
      outcome = await faultOf(log.append([batch(A, offset, { bytes: 100_000 })]));
      if (outcome === 'none') offset += 1n;
    }
    expect(outcome).equal('full');
    expect(Number(offset)).within(30, 41);
    await eventually('the journal says so', () => store.status().full);
    expect((await offsets(log)).length).equal(Number(offset));
    expect(await faultOf(log.append([batch(B, 0n, { bytes: 200_000 })]))).equal('full');
    expect((await log.describe(B)).nextOffset).equal(0n);

    await log.append([{ kind: 'logStart', partition: A, offset: offset - 2n }]);
    await eventually('there is room', () => !store.status().full && store.status().backlogBytes < MIB);
    for (let index = 0n; index < 10n; index++) await log.append([batch(B, index, { bytes: 100_000 })]);
    expect(await offsets(log)).deep.equal([offset - 2n, offset - 1n]);
    expect((await offsets(await store.shards.openShard(0, 2), B)).length).equal(10);
  });

  it('takes the limit of the stream itself for what it is', async () => {
    const limits = { ...quick, usageIntervalMs: 3_600_000, trimIntervalMs: 3_600_000, reservedBytesMax: 0 };
    store = await openTestJournal(nats.addresses, prefix, { bytesMax: 2 * MIB, limits, logger });
    const log = await store.shards.openShard(0, 1);
    // Another node fills the journal without this one knowing.
    const other = await openTestJournal(nats.addresses, prefix, { bytesMax: 2 * MIB, limits, logger });
    const theirs = await other.shards.openShard(1, 2);
    for (let index = 0n; index < 19n; index++) await theirs.append([batch(B, index, { bytes: 100_000 })]);
    expect(await faultOf(log.append([batch(A, 0n, { bytes: 300_000 })]))).equal('full');
    await log.append([batch(A, 0n, { bytes: 1_000 })]);
    expect(await offsets(log)).deep.equal([0n]);
    await other.close();
  });

  it('gives back what lies below the log start, before and behind what is live', async () => {
    store = await openTestJournal(nats.addresses, prefix, { limits: quick, logger });
    const log = await store.shards.openShard(0, 1);
    for (let index = 0n; index < 40n; index++) {
      await log.append([batch(A, index, { bytes: 10_000 })]);
      await log.append([batch(B, index, { bytes: 10_000 })]);
    }
    await log.append([{ kind: 'logStart', partition: A, offset: 30n }]);
    await log.append([{ kind: 'logStart', partition: B, offset: 10n }]);
    // 30 batches of B and 10 of A are live, and the first 20 messages of both are gone in one piece.
    await eventually('the dead ones are gone', async () => (await stateOf('log-0')).bytes < 430_000);
    expect(await offsets(log)).deep.equal(Array.from({ length: 10 }, (_, index) => BigInt(30 + index)));
    expect((await offsets(log, B)).length).equal(30);
    await log.append([{ kind: 'removal', partition: B }, batch(A, 40n)]);
    await eventually('the removed ones are gone', async () => (await stateOf('log-0')).bytes < 130_000);
    const again = await store.shards.openShard(0, 2);
    expect((await offsets(again)).length).equal(11);
    expect((await again.describe(B)).nextOffset).equal(0n);
    expect((await again.describe(A)).logStartOffset).equal(30n);
  });

  it('keeps the last message of a shard that is empty, by which earlier owners are fenced', async () => {
    store = await openTestJournal(nats.addresses, prefix, { limits: quick, logger });
    const log = await store.shards.openShard(0, 1);
    await log.append([batch(A, 0n, { bytes: 10_000 })]);
    await log.append([{ kind: 'removal', partition: A }]);
    await eventually('the dead ones are gone', async () => (await stateOf('log-0')).messages <= 1);
    const again = await store.shards.openShard(0, 2);
    expect(again.epoch).greaterThan(log.epoch);
    expect(await faultOf(log.append([batch(A, 0n)]))).equal('fenced');
  });

  it('opens a shard by its index: what is read of the log stays bounded', async () => {
    const limits = { ...quick, digestMessagesMax: 32, digestBytesBeforeBaseMin: 20_000, trimIntervalMs: 1_000 };
    store = await openTestJournal(nats.addresses, prefix, { limits, logger });
    const log = await store.shards.openShard(0, 1);
    const next = new Map<PartitionKey, bigint>();
    for (let round = 0; round < 600; round++) {
      const entries: LogEntry[] = [0, 1, 2].map((spread) => {
        const partition = key((round * 7 + spread * 3) % 20);
        const base = next.get(partition) ?? 0n;
        next.set(partition, base + 10n);
        return batch(partition, base, { records: 10, bytes: 500 });
      });
      await log.append(entries);
    }
    // Another owner, as after a crash: the first one has not been closed.
    const again = await store.shards.openShard(0, 2);
    expect(opened.at(-1)!.messagesReplayed).most(32 * 3);
    for (const [partition, nextOffset] of next) {
      expect(await again.describe(partition)).deep.include({ nextOffset, bytes: Number(nextOffset) * 50 });
      expect((await offsets(again, partition)).length).equal(Number(nextOffset) / 10);
    }
    // The index does not grow with its own history.
    expect((await stateOf('index')).bytes).lessThan(600_000);
    await again.append([batch(A, next.get(A)!)]);
    await store.close();
    store = await openTestJournal(nats.addresses, prefix, { limits, logger });
    await store.shards.openShard(0, 3);
    expect(opened.at(-1)!.messagesReplayed, 'after a good leave').most(4);
  });

  it('cuts a group that NATS does not take in one message, and applies it whole or not at all', async () => {
    const limits = { messageBytesMax: 64 << 10 };
    store = await openTestJournal(nats.addresses, prefix, { limits, batchBytesMax: 50_000, logger });
    const log = await store.shards.openShard(0, 1);
    const group = Array.from({ length: 12 }, (_, index) => batch(A, BigInt(index), { bytes: 40_000, seed: index }));
    await log.append([...group, { kind: 'checkpoint', partition: B, offset: 0n, bytes: Buffer.alloc(30_000, 3) }]);
    expect((await stateOf('log-0')).messages).greaterThan(12);
    await log.append([batch(A, 12n)]);
    const again = await store.shards.openShard(0, 2);
    expect((await offsets(again)).length).equal(13);
    expect((await again.describe(B)).checkpoint?.bytes.length).equal(30_000);

    // The first half of another group, as its writer dies.
    const connection = await connect({ servers: nats.addresses });
    const fields = {
      kind: 'group',
      epoch: again.epoch,
      counter: 900,
      part: 0,
      lastPart: false,
      indexSequence: 0,
    } as const;
    const payload = encodeMessage(fields, [batch(A, 13n)]);
    await connection.request(`${prefix}.log.0.0`, payload);
    await connection.close();
    const third = await store.shards.openShard(0, 3);
    expect((await third.describe(A)).nextOffset).equal(13n);
    await third.append([batch(A, 13n, { seed: 77 })]);
    expect((await offsets(await store.shards.openShard(0, 4))).length).equal(14);
  });

  it('sends batches without copying them, and copies where the NATS client is built otherwise', async () => {
    store = await openTestJournal(nats.addresses, prefix, { logger });
    const log = await store.shards.openShard(0, 1);
    const before = store.status().gathered;
    await log.append([batch(A, 0n, { bytes: 100_000 }), batch(A, 1n, { bytes: 90 })]);
    expect(store.status().gathered).equal(before + 1);

    const connection = await connect({ servers: nats.addresses });
    const inbox = connection.subscribe('parts.>', { max: 2 });
    const publisher = new PartsPublisher(connection);
    const parts = [Buffer.from('ab'), Buffer.alloc(20_000, 'c'), Buffer.from('d')];
    publisher.publish('parts.1', 'r', ['A', '1'], parts);
    Object.defineProperty((connection as unknown as { protocol: object }).protocol, 'infoReceived', { value: 1 });
    publisher.publish('parts.2', 'r', ['A', '2'], parts);
    expect(publisher.gathered).equal(1);
    // The library's own queue is written with that mark set.
    Object.defineProperty((connection as unknown as { protocol: object }).protocol, 'infoReceived', { value: true });
    const got: string[] = [];
    for await (const message of inbox) {
      expect(Buffer.from(message.data).equals(Buffer.concat(parts))).equal(true);
      got.push(`${message.subject} ${message.headers?.get('A')} ${message.reply}`);
    }
    expect(got).deep.equal(['parts.1 1 r', 'parts.2 2 r']);
    await connection.close();
  });

  it('keeps what a later version has written, and refuses what only it can read', async () => {
    const limits = { ...quick, digestMessagesMax: 2, digestBytesBeforeBaseMin: 1 };
    store = await openTestJournal(nats.addresses, prefix, { limits, logger });
    const first = await store.shards.openShard(0, 1);
    await first.append([batch(A, 0n)]);
    const connection = await connect({ servers: nats.addresses });
    const publish = async (payload: Buffer): Promise<number> => {
      const reply = await connection.request(`${prefix}.log.0.0`, payload);
      return (reply.json() as { seq: number }).seq;
    };
    const fields = {
      kind: 'group',
      epoch: first.epoch,
      counter: 900,
      part: 0,
      lastPart: true,
      indexSequence: 0,
    } as const;
    const payload = encodeMessage(fields, [
      { kind: 'logStart', partition: B, offset: 5n },
      { kind: 'removal', partition: key(7) },
    ]);
    // The removal becomes an item of a kind that is not known here.
    payload[32 + 12 + B.length + 8] = 99;
    const foreign = await publish(payload);
    const log = await store.shards.openShard(0, 2);
    expect((await log.describe(B)).logStartOffset).equal(5n);
    for (let offset = 1n; offset < 20n; offset++) await log.append([batch(A, offset)]);
    await log.append([{ kind: 'logStart', partition: A, offset: 19n }]);
    const present = async (sequence: number): Promise<boolean> => {
      const manager = await jetstreamManager(connection);
      return (await manager.streams.getMessage(`${prefix}-log-0`, { seq: sequence }).catch(() => null)) !== null;
    };
    await eventually('what is dead around it is gone', async () => (await stateOf('log-0')).messages < 6);
    expect(await present(foreign)).equal(true);
    await (await store.shards.openShard(0, 3)).append([batch(A, 20n)]);
    await delay(100);
    expect(await present(foreign), 'after another owner').equal(true);

    payload[1] = 2;
    await publish(payload);
    const error = await store.shards.openShard(0, 4).then(
      () => undefined,
      (fault: unknown) => fault as StorageFault,
    );
    expect(error).instanceOf(StorageFault);
    expect(error!.message).match(/written by format 1, which this version \(format 1\) cannot read; update it/);
    await connection.close();
  });
});
