// Stories of the requests that look at and cut the logs themselves: DescribeLogDirs and DeleteRecords.

import { expect } from 'chai';
import { handleDeleteRecords } from '../../../src/actors/router/handlers/delete-records.ts';
import { handleDescribeLogDirs } from '../../../src/actors/router/handlers/describe-log-dirs.ts';
import { partitionKey } from '../../../src/actors/shard/ports.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { MemoryDisk } from '../../../src/storage/memory.ts';
import { configsOf, create } from './requests.ts';
import { settle, startNode, type World } from './world.ts';

async function write(world: World, topicName: string, index: number, count: number): Promise<void> {
  const key = partitionKey(world.services.catalog.byName(topicName)!.id, index);
  for (let written = 0; written < count; written++) {
    await world.services.directory.partition(key).ask('appendRecords', {
      records: [{ key: null, value: Buffer.from(`record ${written}`), timestampMs: 1_000n }],
    });
  }
}

async function cut(world: World, name: string, index: number, offset: bigint): Promise<[number, bigint]> {
  const { topics } = await world.call(handleDeleteRecords, {
    topics: [{ name, partitions: [{ partitionIndex: index, offset }] }],
    timeoutMs: 5_000,
  });
  const answer = topics[0]!.partitions[0]!;
  return [answer.errorCode, answer.lowWatermark];
}

describe('DeleteRecords', () => {
  it('moves the start of the log up, never down, and to the end with -1', async () => {
    const world = await startNode();
    await create(world, 'orders');
    await write(world, 'orders', 0, 5);

    expect(await cut(world, 'orders', 0, 3n)).to.deep.equal([ErrorCode.NONE, 3n]);
    expect(await cut(world, 'orders', 0, 1n)).to.deep.equal([ErrorCode.NONE, 3n]);
    expect(await cut(world, 'orders', 0, -1n)).to.deep.equal([ErrorCode.NONE, 5n]);
  });

  it('refuses offsets that the log does not have', async () => {
    const world = await startNode();
    await create(world, 'orders');
    await write(world, 'orders', 0, 2);

    expect(await cut(world, 'orders', 0, 3n)).to.deep.equal([ErrorCode.OFFSET_OUT_OF_RANGE, -1n]);
    expect(await cut(world, 'orders', 0, -2n)).to.deep.equal([ErrorCode.OFFSET_OUT_OF_RANGE, -1n]);
  });

  it('does not know other topics and partitions', async () => {
    const world = await startNode();
    await create(world, 'orders');

    const unknown = [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1n];
    expect(await cut(world, 'none', 0, 0n)).to.deep.equal(unknown);
    expect(await cut(world, 'orders', 1, 0n)).to.deep.equal(unknown);
    expect(await cut(world, 'orders', -1, 0n)).to.deep.equal(unknown);
  });

  it('leaves compacted topics and those of the coordinators alone', async () => {
    const world = await startNode();
    await create(world, 'table', { configs: configsOf({ 'cleanup.policy': 'compact' }) });
    await create(world, 'neither', { configs: configsOf({ 'cleanup.policy': '' }) });
    await create(world, 'both', { configs: configsOf({ 'cleanup.policy': 'compact,delete' }) });
    await world.services.topics.ensureInternal('__consumer_offsets');

    expect(await cut(world, 'table', 0, -1n)).to.deep.equal([ErrorCode.POLICY_VIOLATION, -1n]);
    expect(await cut(world, 'neither', 0, -1n)).to.deep.equal([ErrorCode.NONE, 0n]);
    expect(await cut(world, 'both', 0, -1n)).to.deep.equal([ErrorCode.NONE, 0n]);
    expect(await cut(world, '__consumer_offsets', 0, -1n)).to.deep.equal([ErrorCode.INVALID_TOPIC_EXCEPTION, -1n]);
  });

  it('sends the client elsewhere when this node does not lead the partition', async () => {
    const world = await startNode({ nodeId: 1, memberIds: [1, 2] });
    await create(world, 'orders', { numPartitions: 8 });
    const { view, catalog } = world.services;
    const { id } = catalog.byName('orders')!;
    const foreign = [0, 1, 2, 3, 4, 5, 6, 7].find((index) => view.ownerOfPartition(id, index) === 2)!;

    const cutting = cut(world, 'orders', foreign, 0n);
    // For so long the message waits for the shard to come here.
    for (let step = 0; step < 40; step++) {
      await settle();
      world.clock.advance(50);
    }

    expect(await cutting).to.deep.equal([ErrorCode.NOT_LEADER_OR_FOLLOWER, -1n]);
  });

  it('answers in the time that the client gives', async () => {
    const held: (() => void)[] = [];
    let holding = false;
    const world = await startNode({
      schedule: (operation, run) => {
        if (holding && operation === 'append') held.push(run);
        else queueMicrotask(run);
      },
    });
    await create(world, 'orders');
    await write(world, 'orders', 0, 2);
    holding = true;

    const cutting = cut(world, 'orders', 0, 1n);
    await settle();
    world.clock.advance(5_000);

    expect(await cutting).to.deep.equal([ErrorCode.REQUEST_TIMED_OUT, -1n]);
    expect(held).to.have.length(1);
  });
});

describe('DescribeLogDirs', () => {
  it('gives the size of every partition that the node leads, and the room in its store', async () => {
    const disk = new MemoryDisk({ bytesMax: 1_000_000 });
    const world = await startNode({ disk });
    await create(world, 'orders', { numPartitions: 2 });
    await write(world, 'orders', 1, 3);
    const key = partitionKey(world.services.catalog.byName('orders')!.id, 1);
    const { bytes } = await world.services.shards.of(key)!.log.describe(key);

    const { results } = await world.call(handleDescribeLogDirs, { topics: null });

    expect(bytes).to.be.greaterThan(0);
    const partition = { offsetLag: 0n, isFutureKey: false };
    expect(results).to.deep.equal([
      {
        errorCode: ErrorCode.NONE,
        logDir: 'memory',
        topics: [
          {
            name: 'orders',
            partitions: [
              { partitionIndex: 0, partitionSize: 0n, ...partition },
              { partitionIndex: 1, partitionSize: BigInt(bytes), ...partition },
            ],
          },
        ],
        totalBytes: 1_000_000n,
        usableBytes: 1_000_000n - BigInt(disk.usedBytes()),
        isCordoned: false,
      },
    ]);
  });

  it('tells only of the partitions asked for', async () => {
    const world = await startNode();
    await create(world, 'orders', { numPartitions: 3 });
    await create(world, 'payments');

    const { results } = await world.call(handleDescribeLogDirs, { topics: [{ topic: 'orders', partitions: [1, 9] }] });

    expect(
      results[0]!.topics.map(({ name, partitions }) => [name, partitions.map((p) => p.partitionIndex)]),
    ).to.deep.equal([['orders', [1]]]);
  });

  it('leaves the partitions of other nodes to them', async () => {
    const world = await startNode({ nodeId: 1, memberIds: [1, 2] });
    await create(world, 'orders', { numPartitions: 8 });
    const { view, catalog } = world.services;
    const { id } = catalog.byName('orders')!;

    const { results } = await world.call(handleDescribeLogDirs, { topics: null });

    const told = results[0]!.topics[0]!.partitions.map(({ partitionIndex }) => partitionIndex);
    expect(told).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7].filter((index) => view.ownerOfPartition(id, index) === 1));
  });

  it('says when the store cannot be read', async () => {
    const world = await startNode({ faults: { beforeRead: () => 'unavailable' } });
    await create(world, 'orders');

    const { results } = await world.call(handleDescribeLogDirs, { topics: null });

    expect(results.map(({ errorCode }) => errorCode)).to.deep.equal([ErrorCode.KAFKA_STORAGE_ERROR]);
  });
});
