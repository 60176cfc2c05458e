// What has moved to SeaweedMQ is what was produced: read back while the nodes run and by nodes that begin with nothing,
// record by record; and what deletes records frees the filer of them.

import { mkdir, readdir, rm } from 'node:fs/promises';
import { expect } from 'chai';
import kafkajs from 'kafkajs';
import { deleteRecords } from '../../src/protocol/apis/delete-records.ts';
import { listOffsets } from '../../src/protocol/apis/list-offsets.ts';
import { type Codec, type Command, consume, produce } from '../clients/program.ts';
import type { SeenRecord, SentRecord } from '../clients/records.ts';
import { committedOffsets, createTopic, withAdmin } from '../clients/target.ts';
import { goProgram } from '../clients/toolchain.ts';
import { eventually } from '../clients/waiting.ts';
import type { ClusterProcesses } from '../support/cluster-process.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { SeaweedView, startSeaweedCluster } from './seaweed-cluster.ts';

const setUpTimeoutMs = 360_000;
const testTimeoutMs = 180_000;
const moveTimeoutMs = 90_000;
const nodeCount = 3;
const partitions = 3;
const firstTimestampMs = 1_700_000_000_000;
const timestampStepMs = 1_000;
const group = 'readers';
const client = { name: 'franz-go' };
const largestTimestamp = -3n;

interface Topic {
  readonly name: string;
  readonly codec: Codec;
  readonly records: readonly SentRecord[];
}

/** Records with values of `valueBytes` that a codec makes about half as large, keys, headers and timestamps of all kinds. */
function records(count: number, valueBytes: number, seed: number): SentRecord[] {
  let state = seed;
  return Array.from({ length: count }, (_, index) => {
    const value = Buffer.alloc(valueBytes, `value ${seed} ${index} `);
    for (let at = 0; at + 4 <= valueBytes; at += 8) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      value.writeUInt32LE(state, at);
    }
    return {
      partition: index % partitions,
      key: index % 4 === 0 ? null : Buffer.from(index % 4 === 1 ? '' : `key ${index}`).toString('base64'),
      value: index % 50 === 7 ? null : value.toString('base64'),
      headers:
        index % 3 === 0
          ? []
          : [
              ['number', Buffer.from(String(index)).toString('base64')],
              ['nothing', null],
            ],
      timestamp: firstTimestampMs + index * timestampStepMs,
    };
  });
}

describe('a cluster that has moved everything to SeaweedMQ', () => {
  const plain: Topic = { name: 'plain', codec: 'none', records: records(2_400, 10_000, 1) };
  const packed: Topic = { name: 'packed', codec: 'zstd', records: records(3_000, 12_000, 2) };
  const small: Topic = { name: 'small', codec: 'lz4', records: records(9_000, 90, 3) };
  const topics = [plain, packed, small];
  const bytes = topics.reduce((sum, topic) => sum + valueBytes(topic.records), 0);
  let command: Command;
  let cluster: ClusterProcesses;
  let view: SeaweedView;

  before(async function () {
    this.timeout(setUpTimeoutMs);
    command = await goProgram('franz-go');
    cluster = await startSeaweedCluster({
      nodes: nodeCount,
      config: { 'log.retention.check.interval.ms': '1000' },
    });
    view = new SeaweedView(cluster);
  });
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    for (const node of cluster.nodes) console.error(`a node printed:\n${node.output().slice(-6_000)}`);
  });
  after(async function () {
    this.timeout(setUpTimeoutMs);
    await cluster?.close();
  });

  const bootstrap = (): string => cluster.nodes[0]!.bootstrap;

  /** Reads the whole topic and compares; below `starts` there must be nothing. */
  async function expectAll(
    { name, codec, records: sent }: Topic,
    starts: readonly number[] = [0, 0, 0],
  ): Promise<void> {
    const expected = sent
      .map((record, index) => ({ ...record, offset: Math.floor(index / partitions) }))
      .filter(({ partition, offset }) => offset >= starts[partition]!);
    const from = { bootstrap: bootstrap(), topic: name, partitions, count: expected.length };
    const seen = (await consume(client, command, from)).sort(byPlace);
    expect(seen.length, `records of ${name}`).to.equal(expected.length);
    for (const [index, record] of expected.sort(byPlace).entries()) {
      const { codec: seenCodec, producerId: _, ...found } = seen[index]!;
      // A deep comparison of every record takes a minute.
      if (JSON.stringify(sorted(found)) !== JSON.stringify(sorted(record)) || seenCodec !== codec)
        expect({ ...found, codec: seenCodec }, `a record of ${name}`).to.deep.equal({ ...record, codec });
    }
  }

  /** As `expectAll`, of all topics; all of it out of SeaweedMQ. */
  async function expectAllFromSeaweed(): Promise<void> {
    const before = await view.sum('sargasso_seaweedmq_read_bytes_total');
    for (const topic of topics) await expectAll(topic);
    const read = (await view.sum('sargasso_seaweedmq_read_bytes_total')) - before;
    // Compressed to a little more than half.
    expect(read).to.be.above(bytes / 2);
    expect(await view.sum('sargasso_seaweedmq_fetched_runs_total')).to.be.above(5);
  }

  async function offsetAt(
    topic: string,
    partition: number,
    timestamp: bigint,
  ): Promise<{ offset: bigint; timestamp: bigint }> {
    const connection = await ProtocolClient.connect(bootstrap());
    try {
      const answer = await connection.send(listOffsets, 7, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name: topic, partitions: [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp }] }],
      });
      const found = answer.topics[0]!.partitions[0]!;
      expect(found.errorCode).to.equal(0);
      return { offset: found.offset, timestamp: found.timestamp };
    } finally {
      connection.close();
    }
  }

  it('has proof of all of it, and nothing of it left in the journal', async function () {
    this.timeout(testTimeoutMs);
    for (const { name, codec, records: sent } of topics) {
      await createTopic(bootstrap(), name, partitions);
      const acks = await produce(
        client,
        command,
        { bootstrap: bootstrap(), topic: name, codec, idempotent: true },
        sent,
      );
      expect(acks.every(({ offset }, index) => offset === Math.floor(index / partitions))).to.equal(true);
    }
    await withAdmin(bootstrap(), async (admin) => {
      for (const { name } of topics) {
        const committed = Array.from({ length: partitions }, (_, partition) => ({
          partition,
          offset: String(10 + partition),
        }));
        await admin.setOffsets({ groupId: group, topic: name, partitions: committed });
      }
    });
    await view.settled(moveTimeoutMs);
    expect(await view.sum('sargasso_seaweedmq_moved_bytes_total')).to.be.above(bytes / 2);
    expect(await view.files.logBytes()).to.be.above(bytes / 2);
  });

  it('gives it back record by record while the nodes run', async function () {
    this.timeout(testTimeoutMs);
    await expectAllFromSeaweed();
  });

  it('finds offsets by time', async function () {
    this.timeout(testTimeoutMs);
    for (const { name, records: sent } of topics) {
      const last = sent.length - 1;
      for (const index of [0, 1_000, last - 4]) {
        const { partition, timestamp } = sent[index]!;
        const expected = { offset: BigInt(Math.floor(index / partitions)), timestamp: BigInt(timestamp) };
        expect(await offsetAt(name, partition, BigInt(timestamp)), name).to.deep.equal(expected);
        // Between two records: the later one.
        expect(await offsetAt(name, partition, BigInt(timestamp - timestampStepMs)), name).to.deep.equal(expected);
      }
      const { partition, timestamp } = sent[last]!;
      const end = { offset: BigInt(Math.floor(last / partitions)), timestamp: BigInt(timestamp) };
      expect(await offsetAt(name, partition, largestTimestamp)).to.deep.equal(end);
      expect((await offsetAt(name, partition, BigInt(timestamp + 1))).offset).to.equal(-1n);
      expect((await offsetAt(name, partition, -2n)).offset, 'earliest').to.equal(0n);
    }
  });

  it('gives it back, and what groups have committed, by nodes that were killed and begin with nothing', async function () {
    this.timeout(testTimeoutMs);
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    for (const node of cluster.nodes) {
      expect(await readdir(node.dataDir), 'what a node keeps').to.deep.equal([]);
      await rm(node.dataDir, { recursive: true });
      await mkdir(node.dataDir);
    }
    await Promise.all(cluster.nodes.map((node) => node.restart()));
    await view.settled(moveTimeoutMs);
    expect(await view.sum('sargasso_seaweedmq_cache_bytes')).to.equal(0);
    await expectAllFromSeaweed();
    for (const { name } of topics) {
      const committed = await committedOffsets(bootstrap(), group, name);
      expect([...committed].sort()).to.deep.equal([
        [0, 10],
        [1, 11],
        [2, 12],
      ]);
    }
  });

  it('goes on behind it', async function () {
    this.timeout(testTimeoutMs);
    const more = records(30, 1_000, 4);
    const acks = await produce(client, command, { bootstrap: bootstrap(), topic: plain.name }, more);
    const end = plain.records.length / partitions;
    expect(acks.map(({ offset }) => offset)).to.deep.equal(
      more.map((_, index) => end + Math.floor(index / partitions)),
    );
    await expectAll({ ...plain, records: [...plain.records, ...more] });
  });

  describe('frees the filer', () => {
    const rounds = 6;
    /** Of each partition in each round. */
    const roundRecords = 20;
    const roundBytes = roundRecords * partitions * 20_000;
    const rolled: Topic = {
      name: 'rolled',
      codec: 'none',
      records: records(rounds * roundRecords * partitions, 20_000, 5),
    };
    let logBytes = 0;

    before(async function () {
      this.timeout(testTimeoutMs);
      await createTopic(bootstrap(), rolled.name, partitions);
      for (let round = 0; round < rounds; round++) {
        const moved = await view.sum('sargasso_seaweedmq_moved_bytes_total');
        const some = rolled.records.slice(round * roundRecords * partitions, (round + 1) * roundRecords * partitions);
        await produce(client, command, { bootstrap: bootstrap(), topic: rolled.name }, some);
        // So that the next round begins other files.
        await eventually(`round ${round} is moved`, moveTimeoutMs, async () => {
          const now = await view.sum('sargasso_seaweedmq_moved_bytes_total');
          expect(now - moved).to.be.at.least(valueBytes(some));
        });
      }
      await view.settled(moveTimeoutMs);
      logBytes = await view.files.logBytes();
    });

    /** Waits until so many rounds are gone from the filer; no more than `roundsGoneMax` are. */
    async function freed(roundsGone: number, roundsGoneMax = roundsGone + 1): Promise<void> {
      const logBytesMax = logBytes - roundsGone * roundBytes * 0.97;
      await eventually(`the records of ${roundsGone} rounds gone from the filer`, moveTimeoutMs, async () => {
        expect(await view.files.logBytes()).to.be.below(logBytesMax);
      });
      expect(await view.files.logBytes(), 'nothing else').to.be.above(logBytes - roundsGoneMax * roundBytes);
    }

    it('of records that a client deletes', async function () {
      this.timeout(testTimeoutMs);
      const start = 2 * roundRecords;
      const connection = await ProtocolClient.connect(bootstrap());
      for (let partition = 0; partition < partitions; partition++) {
        const answer = await connection.send(deleteRecords, 2, {
          timeoutMs: 20_000,
          topics: [{ name: rolled.name, partitions: [{ partitionIndex: partition, offset: BigInt(start) }] }],
        });
        expect(answer.topics[0]!.partitions[0]).to.deep.include({ errorCode: 0, lowWatermark: BigInt(start) });
      }
      connection.close();
      await freed(2);
      await expectAll(rolled, [start, start, start]);
      expect((await offsetAt(rolled.name, 1, -2n)).offset, 'earliest').to.equal(BigInt(start));
      expect((await offsetAt(rolled.name, 1, BigInt(firstTimestampMs))).offset).to.equal(BigInt(start));
    });

    it('of records that retention ends', async function () {
      this.timeout(testTimeoutMs);
      const start = 4 * roundRecords;
      const retentionMs = Date.now() - (firstTimestampMs + start * partitions * timestampStepMs);
      await withAdmin(bootstrap(), (admin) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [
            {
              type: kafkajs.ConfigResourceTypes.TOPIC,
              name: rolled.name,
              configEntries: [{ name: 'retention.ms', value: String(retentionMs) }],
            },
          ],
        }),
      );
      await freed(4);
      // Time goes on, and a batch goes as a whole once its last record is too old.
      const starts: number[] = [];
      for (let partition = 0; partition < partitions; partition++) {
        starts.push(Number((await offsetAt(rolled.name, partition, -2n)).offset));
      }
      for (const at of starts) expect(at).to.be.within(start, start + roundRecords - 1);
      await withAdmin(bootstrap(), (admin) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [
            {
              type: kafkajs.ConfigResourceTypes.TOPIC,
              name: rolled.name,
              configEntries: [{ name: 'retention.ms', value: '-1' }],
            },
          ],
        }),
      );
      await expectAll(rolled, starts);
    });

    it('of deleted topics, but for the newest file of each shard, which a broker may still write to', async function () {
      this.timeout(testTimeoutMs);
      await withAdmin(bootstrap(), (admin) => admin.deleteTopics({ topics: [rolled.name] }));
      // A round now and then goes on in the file of the one before.
      await freed(rounds - 2, rounds);
      await expectAll(packed);
      expect(await view.sum('sargasso_seaweedmq_unreadable_chunks_total')).to.equal(0);
    });
  });
});

function byPlace(a: SentRecord & { offset: number }, b: SentRecord & { offset: number }): number {
  return a.partition - b.partition || a.offset - b.offset;
}

function sorted({ partition, offset, timestamp, key, value, headers }: Omit<SeenRecord, 'codec'>): unknown[] {
  return [partition, offset, timestamp, key, value, headers];
}

function valueBytes(sent: readonly SentRecord[]): number {
  return sent.reduce((sum, { value }) => sum + (value === null ? 0 : Buffer.byteLength(value, 'base64')), 0);
}
