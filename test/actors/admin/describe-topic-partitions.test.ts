import { expect } from 'chai';
import fc from 'fast-check';
import { handleDescribeTopicPartitions } from '../../../src/actors/router/handlers/describe-topic-partitions.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { create } from './requests.ts';
import { startNode, type World } from './world.ts';

type Cursor = { topicName: string; partitionIndex: number };

function page(world: World, names: readonly string[], limit: number, cursor: Cursor | null = null) {
  const topics = names.map((name) => ({ name }));
  return world.call(handleDescribeTopicPartitions, { topics, responsePartitionLimit: limit, cursor }, 0);
}

/** Follows the cursors to the end. @returns `name/index` in the order of the answers, and the size of each page. */
async function pages(world: World, names: readonly string[], limit: number) {
  const partitions: string[] = [];
  const sizes: number[] = [];
  let cursor: Cursor | null = null;
  for (let count = 0; count < 1_000; count++) {
    const answer: Awaited<ReturnType<typeof page>> = await page(world, names, limit, cursor);
    const found = answer.topics.flatMap((topic) =>
      topic.partitions.map((one) => `${topic.name}/${one.partitionIndex}`),
    );
    partitions.push(...found);
    sizes.push(found.length);
    if (answer.nextCursor == null) return { partitions, sizes };
    cursor = { ...answer.nextCursor };
  }
  throw new Error('the cursor does not come to an end');
}

describe('DescribeTopicPartitions', () => {
  it('gives every partition exactly once, in order, in full pages, whatever the limit', async () => {
    const shape = fc.uniqueArray(
      fc.record({ name: fc.stringMatching(/^[a-c.Z-]{1,3}$/), count: fc.integer({ min: 1, max: 9 }) }),
      {
        selector: ({ name }) => name,
        maxLength: 8,
      },
    );
    await fc.assert(
      fc.asyncProperty(shape, fc.integer({ min: 1, max: 12 }), fc.boolean(), async (topics, limit, byName) => {
        const world = await startNode();
        for (const { name, count } of topics) await world.services.topics.create({ name, partitionCount: count });
        // Names that are not valid, or collide, were not created: what exists is what is to be told.
        const existing = [...world.services.catalog.all()].sort((a, b) => (a.name < b.name ? -1 : 1));
        const expected = existing.flatMap(({ name, partitionCount }) =>
          Array.from({ length: partitionCount }, (_, index) => `${name}/${index}`),
        );
        if (byName && existing.length === 0) return;

        const { partitions, sizes } = await pages(world, byName ? existing.map(({ name }) => name) : [], limit);

        expect(partitions).to.deep.equal(expected);
        for (const size of sizes.slice(0, -1)) expect(size).to.equal(limit);
        expect(sizes.at(-1)).to.be.at.most(limit);
      }),
      { numRuns: 60 },
    );
  });

  it('never gives more than the broker allows, and at least one', async () => {
    const world = await startNode({ config: { 'max.request.partition.size.limit': '3' } });
    await create(world, 'orders', { numPartitions: 7 });

    expect((await pages(world, [], 2_000)).sizes).to.deep.equal([3, 3, 1]);
    expect((await page(world, [], 0)).topics[0]!.partitions).to.have.length(1);
  });

  it('tells all there is of a topic', async () => {
    const world = await startNode();
    const { topicId } = await create(world, 'orders');

    const { topics, nextCursor } = await page(world, ['orders'], 10);

    expect(nextCursor).to.equal(null);
    expect(topics).to.deep.equal([
      {
        errorCode: ErrorCode.NONE,
        name: 'orders',
        topicId,
        isInternal: false,
        partitions: [
          {
            errorCode: ErrorCode.NONE,
            partitionIndex: 0,
            leaderId: 1,
            leaderEpoch: 0,
            replicaNodes: [1],
            isrNodes: [1],
            offlineReplicas: [],
            eligibleLeaderReplicas: [],
            lastKnownElr: [],
          },
        ],
        topicAuthorizedOperations: 3576,
      },
    ]);
  });

  it('names unknown and invalid topics among those asked for, and passes over ones that are gone from a listing', async () => {
    const world = await startNode();
    await create(world, 'b');

    const { topics } = await page(world, ['b', 'a', 'no/name'], 10);
    const listing = await page(world, [], 10, { topicName: 'a', partitionIndex: 4 });

    expect(topics.map(({ name, errorCode }) => [name, errorCode])).to.deep.equal([
      ['a', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
      ['b', ErrorCode.NONE],
      ['no/name', ErrorCode.INVALID_TOPIC_EXCEPTION],
    ]);
    expect(listing.topics.map(({ name, partitions }) => [name, partitions.length])).to.deep.equal([['b', 1]]);
  });

  it('refuses a cursor that belongs to another request', async () => {
    const world = await startNode();
    await create(world, 'orders');

    const foreign = await page(world, ['orders'], 10, { topicName: 'payments', partitionIndex: 0 });
    const negative = await page(world, ['orders'], 10, { topicName: 'orders', partitionIndex: -1 });

    expect(foreign.topics.map(({ errorCode }) => errorCode)).to.deep.equal([ErrorCode.INVALID_REQUEST]);
    expect(negative.topics.map(({ errorCode }) => errorCode)).to.deep.equal([ErrorCode.INVALID_REQUEST]);
  });
});
