// What every client must be able to do with the broker, told once; the tests name the client.

import { expect } from 'chai';
import type { BrokerProcess } from '../support/broker-process.ts';
import { type Client, ClientRun, type Codec, type Command, consume, produce } from './program.ts';
import { type Lack, numberedRecords, type SeenRecord, type SentRecord, sampleRecords } from './records.ts';
import { committedOffsets, createTopic, endOffsets, groupState, useTarget } from './target.ts';
import { goProgram } from './toolchain.ts';
import { anyEvent, eventually } from './waiting.ts';

const setUpTimeoutMs = 360_000;
const caseTimeoutMs = 120_000;
const sessionTimeoutMs = 4_000;
/** From a member's death to the end of the rebalance, on top of the session time-out. */
const takeOverSlackMs = 20_000;
const settleTimeoutMs = 30_000;

/** Declares the tests of one client. */
export function describeClient(client: Client): void {
  describe(`${client.name} as a client`, () => {
    const broker = useTarget();
    let command: Command;
    let reference: Command;
    before(async function () {
      this.timeout(setUpTimeoutMs);
      command = await client.setUp();
      reference = await goProgram('franz-go');
    });

    for (const codec of client.codecs)
      it(`produces with ${codec} what it and franz-go then read alike`, async () => {
        const topic = `codec-${codec}`;
        const partitions = 3;
        const records = recordsFor(client, 240, partitions);
        await createTopic(broker().bootstrap, topic, partitions);
        const acks = await produce(client, command, { bootstrap: broker().bootstrap, topic, codec }, records);

        const from = { bootstrap: broker().bootstrap, topic, partitions, count: records.length };
        const seen = await consume({ name: 'franz-go' }, reference, from);
        expectSame(seen, records, ofReference(client.lacks));
        expectAcked(acks, seen, client.lacks);
        expectCodec(seen, codec);
        expectSame(await consume(client, command, from), records, client.lacks);
      }).timeout(caseTimeoutMs);

    if (!client.lacks?.includes('idempotence'))
      it('produces as an idempotent producer', async () => {
        const [topic, partitions] = ['idempotent', 3];
        const records = recordsFor(client, 120, partitions);
        await createTopic(broker().bootstrap, topic, partitions);
        const to = { bootstrap: broker().bootstrap, topic, codec: 'none', idempotent: true } as const;
        const acks = await produce(client, command, to, records);
        const from = { bootstrap: broker().bootstrap, topic, partitions, count: records.length };
        const seen = await consume({ name: 'franz-go' }, reference, from);
        expectSame(seen, records, ofReference(client.lacks));
        expectAcked(acks, seen, client.lacks);
        expect(seen.every((record) => record.producerId! >= 0)).to.equal(true);
      }).timeout(caseTimeoutMs);

    it('shares a topic in a group of three, takes over from a killed member and resumes where the group stood', () =>
      groupStory(client, command, broker())).timeout(caseTimeoutMs);
  });
}

async function groupStory(client: Client, command: Command, broker: BrokerProcess): Promise<void> {
  const { bootstrap } = broker;
  const [topic, group, partitions] = ['shared', `group-${client.name}`, 6];
  await createTopic(bootstrap, topic, partitions);
  const members: ClientRun[] = [];
  const join = () => {
    const timeout = ['--session-timeout-ms', String(sessionTimeoutMs)];
    const flags = ['--bootstrap', bootstrap, '--topic', topic, '--group', group, '--reset', 'earliest', ...timeout];
    const member = new ClientRun(client.name, command, ['member', ...flags]);
    members.push(member);
    return member;
  };
  const sent: SentRecord[] = [];
  const send = async (round: string, perPartition: number) => {
    const records = numberedRecords(round, perPartition, partitions);
    await produce(client, command, { bootstrap, topic }, records);
    sent.push(...records);
  };
  const seen = () => members.flatMap((member) => member.all('record'));
  const allSeen = (timeoutMs: number) =>
    anyEvent(
      members,
      `${sent.length} records seen`,
      () => seen().length >= sent.length,
      () => seen().length,
      timeoutMs,
    );
  const committed = () =>
    eventually('the group has committed up to the end', settleTimeoutMs, async () => {
      const [have, want] = await Promise.all([committedOffsets(bootstrap, group, topic), endOffsets(bootstrap, topic)]);
      expect(Object.fromEntries(have)).to.deep.equal(Object.fromEntries(want));
    });

  try {
    const [first, second, victim] = [join(), join(), join()];
    await settled([first, second, victim], partitions);
    await send('with three', 20);
    await allSeen(settleTimeoutMs);
    await committed();

    await victim.kill();
    await send('after the kill', 20);
    await allSeen(sessionTimeoutMs + takeOverSlackMs);
    await settled([first, second], partitions);
    await committed();

    await Promise.all([first.leave(), second.leave()]);
    // Members that leave do not wait for their session to time out.
    expect(await groupState(bootstrap, group)).to.equal('Empty');
    await send('with nobody there', 10);
    const late = join();
    await settled([late], partitions);
    await allSeen(settleTimeoutMs);
    await committed();
    expect(late.all('record')).to.have.length(10 * partitions);
    await late.leave();
    expectSame(seen(), sent, client.lacks);
  } finally {
    for (const member of members) if (!member.process.hasEnded) await member.kill();
  }
}

/** Waits until the members own every partition once, none over one more than another. */
async function settled(members: readonly ClientRun[], partitions: number): Promise<void> {
  const shares = () => members.map((member) => member.owned);
  const whole = () => {
    const owned = shares().flat();
    const sizes = shares().map((share) => share.length);
    const once = owned.length === partitions && new Set(owned).size === partitions;
    return once && Math.max(...sizes) - Math.min(...sizes) <= 1;
  };
  const what = `${members.length} members share ${partitions} partitions`;
  await anyEvent(members, what, whole, () => JSON.stringify(shares()), settleTimeoutMs);
}

/** Every record once, in the order it was sent in its partition, with equal contents. */
export function expectSame(
  seen: readonly SeenRecord[],
  sent: readonly SentRecord[],
  lacks: readonly Lack[] = [],
): void {
  const partitions = new Set([...seen, ...sent].map((record) => record.partition));
  for (const partition of partitions) {
    const want = sent.filter((record) => record.partition === partition);
    const have = seen.filter((record) => record.partition === partition).sort((a, b) => a.offset - b.offset);
    have.forEach((record, index) => {
      expect(record.offset, `partition ${partition}, record ${index}: offset`).to.equal(index);
      const expected = want[index];
      expect(expected, `partition ${partition} has a record too many at offset ${index}`).not.to.equal(undefined);
      expect(content(record, lacks)).to.deep.equal(content(expected!, lacks));
    });
    expect(have.length, `records of partition ${partition}`).to.equal(want.length);
  }
}

/** What counts when franz-go reads what the client produced. */
function ofReference(lacks: readonly Lack[] = []): readonly Lack[] {
  return lacks.filter((lack) => lack !== 'emptyBytesRead');
}

function recordsFor(client: Client, count: number, partitions: number): SentRecord[] {
  const records = sampleRecords(count, partitions, client.lacks);
  return client.arrange?.(records) ?? records;
}

/** The large record has the codec; a batch that would not get smaller, most clients send uncompressed. */
function expectCodec(seen: readonly SeenRecord[], codec: Codec): void {
  const large = seen.reduce((a, b) => ((b.value?.length ?? 0) > (a.value?.length ?? 0) ? b : a));
  expect(large.codec).to.equal(codec);
  expect([codec, 'none']).to.include.members(seen.map((record) => record.codec!));
}

function expectAcked(
  acks: readonly { partition: number; offset: number | null }[],
  seen: readonly SeenRecord[],
  lacks: readonly Lack[] = [],
): void {
  if (lacks.includes('ackedOffsets')) return;
  const place = ({ partition, offset }: { partition: number; offset: number | null }) => `${partition}@${offset}`;
  expect(acks.map(place).sort()).to.deep.equal(seen.map(place).sort());
}

function content(record: SentRecord, lacks: readonly Lack[]): object {
  const { key, value, timestamp } = record;
  // Some clients keep headers by name: order counts only among those of one name.
  const headers = [...record.headers].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  const whole = lacks.includes('timestamps') ? { key, value, headers } : { key, value, headers, timestamp };
  return lacks.includes('emptyBytesRead') ? JSON.parse(JSON.stringify(whole).replaceAll('""', 'null')) : whole;
}
