import { expect } from 'chai';
import { handleCreatePartitions } from '../../../src/actors/router/handlers/create-partitions.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { create } from './requests.ts';
import { settle, startNode, type World } from './world.ts';

async function grow(
  world: World,
  topics: { name: string; count: number; brokers?: number[][] }[],
  validateOnly = false,
) {
  const { results } = await world.call(handleCreatePartitions, {
    topics: topics.map(({ name, count, brokers }) => ({
      name,
      count,
      assignments: brokers === undefined ? null : brokers.map((brokerIds) => ({ brokerIds })),
    })),
    timeoutMs: 5_000,
    validateOnly,
  });
  return results.map(({ errorCode, errorMessage }) => [errorCode, errorMessage]);
}

describe('CreatePartitions', () => {
  it('adds partitions and keeps the topic as it is otherwise', async () => {
    const world = await startNode();
    await create(world, 'orders', { configs: [{ name: 'retention.ms', value: '5' }] });
    const before = world.services.catalog.byName('orders')!;

    expect(await grow(world, [{ name: 'orders', count: 4 }])).to.deep.equal([[ErrorCode.NONE, null]]);

    const after = world.services.catalog.byName('orders')!;
    expect(after).to.deep.include({
      id: before.id,
      partitionCount: 4,
      configs: before.configs,
      createdMs: before.createdMs,
    });
    expect(after.revision).to.be.greaterThan(before.revision);
  });

  it('refuses what is no increase', async () => {
    const world = await startNode();
    await create(world, 'orders', { numPartitions: 3 });

    expect(await grow(world, [{ name: 'orders', count: 3 }])).to.deep.equal([
      [ErrorCode.INVALID_PARTITIONS, 'Topic already has 3 partition(s).'],
    ]);
    expect(await grow(world, [{ name: 'orders', count: 2 }])).to.deep.equal([
      [ErrorCode.INVALID_PARTITIONS, 'The topic orders currently has 3 partition(s); 2 would not be an increase.'],
    ]);
  });

  it('refuses unknown topics and repeated ones, and still serves the others', async () => {
    const world = await startNode();
    await create(world, 'twice');
    await create(world, 'orders');

    const answers = await grow(world, [
      { name: 'none', count: 2 },
      { name: 'twice', count: 2 },
      { name: 'twice', count: 3 },
      { name: 'orders', count: 2 },
    ]);

    expect(answers).to.deep.equal([
      [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, null],
      [ErrorCode.INVALID_REQUEST, 'Duplicate topic name.'],
      [ErrorCode.NONE, null],
    ]);
    expect(world.services.catalog.byName('twice')!.partitionCount).to.equal(1);
  });

  it('checks assignments by hand', async () => {
    const world = await startNode({ memberIds: [1, 2] });
    await create(world, 'orders');
    const code = ErrorCode.INVALID_REPLICA_ASSIGNMENT;

    expect(await grow(world, [{ name: 'orders', count: 3, brokers: [[1]] }])).to.deep.equal([
      [code, 'Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.'],
    ]);
    expect(await grow(world, [{ name: 'orders', count: 2, brokers: [[7]] }])).to.deep.equal([
      [code, 'The manual partition assignment includes broker 7, but no such broker is registered.'],
    ]);
    expect(await grow(world, [{ name: 'orders', count: 2, brokers: [[1, 2]] }])).to.deep.equal([
      [
        code,
        'The manual partition assignment includes a partition with 2 replica(s), but this is not consistent with ' +
          'previous partitions, which have 1 replica(s).',
      ],
    ]);
    expect(await grow(world, [{ name: 'orders', count: 3, brokers: [[2], [1]] }])).to.deep.equal([
      [ErrorCode.NONE, null],
    ]);
  });

  it('only validates when asked to', async () => {
    const world = await startNode();
    await create(world, 'orders');

    expect(await grow(world, [{ name: 'orders', count: 9 }], true)).to.deep.equal([[ErrorCode.NONE, null]]);
    expect(world.services.catalog.byName('orders')!.partitionCount).to.equal(1);
  });

  it('loses no change when two nodes change the topic at once', async () => {
    const world = await startNode();
    const other = await startNode({ disk: world.disk, nodeId: 2 });
    await create(world, 'orders');
    await settle();

    await Promise.all([
      world.services.topics.alterConfigs('orders', (configs) => new Map([...configs, ['retention.ms', '5']])),
      other.services.topics.createPartitions('orders', 4),
      other.services.topics.alterConfigs('orders', (configs) => new Map([...configs, ['retention.bytes', '6']])),
    ]);
    await settle();

    for (const { services } of [world, other]) {
      const topic = services.catalog.byName('orders')!;
      expect(topic.partitionCount).to.equal(4);
      expect(Object.fromEntries(topic.configs)).to.deep.equal({ 'retention.ms': '5', 'retention.bytes': '6' });
    }
  });
});
