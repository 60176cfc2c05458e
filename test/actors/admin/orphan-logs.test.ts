import { expect } from 'chai';
import { type Topic, TopicCatalog } from '../../../src/actors/admin/catalog.ts';
import { removeOrphanLogs } from '../../../src/actors/admin/orphan-logs.ts';
import { topicKey } from '../../../src/actors/admin/topic-record.ts';
import { partitionKey } from '../../../src/actors/shard/ports.ts';
import { createMemoryStore } from '../../../src/storage/memory.ts';
import { create } from './requests.ts';
import { settle, startNode, type World } from './world.ts';

async function write(world: World, topicName: string, index: number): Promise<void> {
  const key = partitionKey(world.services.catalog.byName(topicName)!.id, index);
  const record = { key: null, value: Buffer.from('record'), timestampMs: 1_000n };
  await world.services.directory.partition(key).ask('appendRecords', { records: [record] });
}

async function logCount(world: World): Promise<number> {
  const sizes = await Promise.all([...world.services.shards.all()].map(({ log }) => log.sizes()));
  return sizes.reduce((count, shard) => count + shard.size, 0);
}

describe('logs whose topic was deleted while their node was away', () => {
  it('are removed soon after the start, and only they', async () => {
    const before = await startNode();
    await create(before, 'gone', { numPartitions: 2 });
    await create(before, 'kept', { numPartitions: 2 });
    for (const name of ['gone', 'kept']) for (const index of [0, 1]) await write(before, name, index);
    before.store.crash();
    const { metadata: elsewhere } = createMemoryStore({ disk: before.disk });
    const { revision } = (await elsewhere.get(topicKey('gone')))!;
    await elsewhere.delete(topicKey('gone'), revision);

    const after = await startNode({ disk: before.disk });
    expect(await logCount(after)).to.equal(4);
    after.clock.advance(5_000);
    await settle();

    expect(await logCount(after)).to.equal(2);
    expect(after.log).to.deep.include({ level: 'info', event: 'logs of deleted topics removed', fields: { count: 2 } });
    expect(await removeOrphanLogs(after.services)).to.equal(0);
  });

  it('are looked for in the shards that this node still has when it loses one', async () => {
    const world = await startNode();
    await create(world, 'orders', { numPartitions: 2 });
    for (const index of [0, 1]) await write(world, 'orders', index);
    const { id } = world.services.catalog.byName('orders')!;
    await world.store.shards.openShard(world.services.view.shardOf(id, 0), 2);
    expect(await removeOrphanLogs(world.services)).to.equal(0);
  });

  it('stay while the record of some topic is not understood, since they may be its', async () => {
    const world = await startNode();
    await create(world, 'orders');
    await write(world, 'orders', 0);
    world.store.crash();
    const later = await startNode({ disk: world.disk });
    const stored = await later.store.metadata.get(topicKey('orders'));
    await later.store.metadata.put(topicKey('orders'), Buffer.from('{"version":2}'), stored!.revision);
    const again = await startNode({ disk: world.disk });

    expect(again.services.catalog.size).to.equal(0);
    expect(await removeOrphanLogs(again.services)).to.equal(0);
    expect(await logCount(again)).to.equal(1);
  });

  it('are not what a topic has that this node has not heard of yet', async () => {
    const world = await startNode();
    await create(world, 'orders');
    await write(world, 'orders', 0);
    const behind = new TopicCatalog(world.store.metadata, () => ({}) as Topic['values'], world.services.logger);

    expect(await removeOrphanLogs({ ...world.services, catalog: behind })).to.equal(0);
    expect(await logCount(world)).to.equal(1);
  });
});
