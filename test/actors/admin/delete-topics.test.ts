import { expect } from 'chai';
import { ZERO_TOPIC_ID } from '../../../src/actors/admin/topic-ids.ts';
import { handleDeleteTopics } from '../../../src/actors/router/handlers/delete-topics.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { create } from './requests.ts';
import { settle, startNode, type World } from './world.ts';

const unknownId = 'Zm9vYmFyYmF6cXV4MTIzNA';

/** Deletes by names (version 5) or by name and id (version 6). @returns name, id and code of each answer. */
async function remove(
  world: World,
  wanted: { names?: string[]; topics?: { name?: string; id?: string }[] },
  version = 6,
) {
  const { responses } = await world.call(
    handleDeleteTopics,
    {
      topicNames: wanted.names ?? [],
      topics: (wanted.topics ?? []).map(({ name = null, id = ZERO_TOPIC_ID }) => ({ name, topicId: id })),
      timeoutMs: 5_000,
    },
    version,
  );
  return responses.map(({ name, topicId, errorCode, errorMessage }) => ({
    name,
    id: topicId,
    errorCode,
    ...(errorMessage ? { errorMessage } : {}),
  }));
}

describe('DeleteTopics', () => {
  it('deletes by name', async () => {
    const world = await startNode();
    const { topicId: id } = await create(world, 'orders');

    const answers = await remove(world, { names: ['orders'] }, 5);

    expect(answers).to.deep.equal([{ name: 'orders', id, errorCode: ErrorCode.NONE }]);
    expect(world.services.catalog.size).to.equal(0);
  });

  it('deletes by id, on every node', async () => {
    const world = await startNode();
    const other = await startNode({ disk: world.disk, nodeId: 2 });
    const { topicId: id } = await create(world, 'orders');
    await settle();

    const answers = await remove(other, { topics: [{ id: id! }] });
    await settle();

    expect(answers).to.deep.equal([{ name: 'orders', id, errorCode: ErrorCode.NONE }]);
    expect(world.services.catalog.size).to.equal(0);
  });

  it('deletes a topic of a coordinator, as Kafka does', async () => {
    const world = await startNode();
    await world.services.topics.ensureInternal('__consumer_offsets');

    expect((await remove(world, { names: ['__consumer_offsets'] }))[0]!.errorCode).to.equal(ErrorCode.NONE);
  });

  it('does not know other names and ids', async () => {
    const world = await startNode();

    expect(await remove(world, { names: ['none'] }, 5)).to.deep.equal([
      { name: 'none', id: ZERO_TOPIC_ID, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
    ]);
    expect(await remove(world, { topics: [{ id: unknownId }] })).to.deep.equal([
      { name: null, id: unknownId, errorCode: ErrorCode.UNKNOWN_TOPIC_ID },
    ]);
  });

  it('deletes nothing that is named twice, in whichever way', async () => {
    const world = await startNode();
    const { topicId: id } = await create(world, 'orders');
    const { topicId: twiceId } = await create(world, 'twice');

    const answers = await remove(world, {
      topics: [{ id: id! }, { name: 'orders' }, { id: twiceId! }, { id: twiceId! }, { name: 'x' }, { name: 'x' }],
    });

    const errorCode = ErrorCode.INVALID_REQUEST;
    expect(answers).to.have.deep.members([
      { name: 'x', id: ZERO_TOPIC_ID, errorCode, errorMessage: 'Duplicate topic name.' },
      { name: null, id: twiceId, errorCode, errorMessage: 'Duplicate topic id.' },
      {
        name: 'orders',
        id,
        errorCode,
        errorMessage: 'The provided topic name maps to an ID that was already supplied.',
      },
    ]);
    expect(world.services.catalog.size).to.equal(2);
  });

  it('refuses a topic without name and id, and one with both', async () => {
    const world = await startNode();

    const answers = await remove(world, { topics: [{}, { name: 'orders', id: unknownId }] });

    expect(answers.map(({ errorMessage }) => errorMessage)).to.deep.equal([
      'Neither topic name nor id were specified.',
      'You may not specify both topic name and topic id.',
    ]);
  });

  it('deletes nothing where deletion is disabled', async () => {
    const world = await startNode({ config: { 'delete.topic.enable': 'false' } });
    await create(world, 'orders');

    expect((await remove(world, { topics: [{ name: 'orders' }] }))[0]!.errorCode).to.equal(
      ErrorCode.TOPIC_DELETION_DISABLED,
    );
    expect((await remove(world, { names: ['orders'] }, 2))[0]!.errorCode).to.equal(ErrorCode.INVALID_REQUEST);
    expect(world.services.catalog.size).to.equal(1);
  });

  it('does not delete the topic that took the name of the meant one', async () => {
    const world = await startNode();
    const { topicId: oldId } = await create(world, 'orders');
    await world.services.topics.delete('orders');
    await create(world, 'orders');

    const outcome = await world.services.topics.delete('orders', oldId);

    expect(outcome.errorCode).to.equal(ErrorCode.UNKNOWN_TOPIC_ID);
    expect(world.services.catalog.byName('orders')).not.to.equal(undefined);
  });

  it('deletes a topic although another node changes it at the same time', async () => {
    const world = await startNode();
    const other = await startNode({ disk: world.disk, nodeId: 2 });
    await create(world, 'orders');
    await settle();

    await Promise.all([
      remove(world, { names: ['orders'] }, 5),
      other.services.topics.createPartitions('orders', 8),
      other.services.topics.alterConfigs('orders', () => new Map([['retention.ms', '5']])),
    ]);
    await settle();

    expect(world.services.catalog.size).to.equal(0);
    expect(other.services.catalog.size).to.equal(0);
  });
});
