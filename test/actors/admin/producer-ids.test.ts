import { expect } from 'chai';
import fc from 'fast-check';
import { ProducerIds } from '../../../src/actors/admin/producer-ids.ts';
import { handleInitProducerId } from '../../../src/actors/router/handlers/init-producer-id.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { createMemoryStore, MemoryDisk, type MemoryWriteOutcome } from '../../../src/storage/memory.ts';
import { startNode } from './world.ts';

const idempotent = { transactionalId: null, transactionTimeoutMs: 60_000, producerId: -1n, producerEpoch: -1 };

describe('InitProducerId', () => {
  it('gives an idempotent producer an id and epoch 0', async () => {
    const world = await startNode();

    const answer = await world.call(handleInitProducerId, idempotent);

    expect(answer).to.deep.equal({ errorCode: ErrorCode.NONE, producerId: 0n, producerEpoch: 0 });
  });

  it('gives a producer that already has an id a new one (KIP-360)', async () => {
    const world = await startNode();
    const { producerId } = await world.call(handleInitProducerId, idempotent);

    const again = await world.call(handleInitProducerId, { ...idempotent, producerId: producerId!, producerEpoch: 3 });

    expect(again).to.deep.equal({ errorCode: ErrorCode.NONE, producerId: 1n, producerEpoch: 0 });
  });

  it('refuses an id without an epoch and an epoch without an id', async () => {
    const world = await startNode();
    const failure = { errorCode: ErrorCode.INVALID_REQUEST, producerId: -1n, producerEpoch: -1 };

    expect(await world.call(handleInitProducerId, { ...idempotent, producerId: 7n })).to.deep.equal(failure);
    expect(await world.call(handleInitProducerId, { ...idempotent, producerEpoch: 0 })).to.deep.equal(failure);
  });

  it('refuses a transactional producer for good, instead of letting it ask again and again', async () => {
    const world = await startNode();

    const { errorCode } = await world.call(handleInitProducerId, { ...idempotent, transactionalId: 'payments' });

    expect(errorCode).to.equal(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    expect(world.log).to.deep.include({
      level: 'warn',
      event: 'transactional producer refused',
      fields: { transactionalId: 'payments', clientId: 'story', clientHost: '/127.0.0.1' },
    });
  });

  it('asks to try again while the store is away, and goes on when it is back', async () => {
    let outcome: MemoryWriteOutcome = 'unavailable';
    const world = await startNode({ faults: { beforePut: () => outcome } });

    const { errorCode } = await world.call(handleInitProducerId, idempotent);
    outcome = 'ok';
    const later = await world.call(handleInitProducerId, idempotent);

    expect(errorCode).to.equal(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    expect(later.errorCode).to.equal(ErrorCode.NONE);
  });
});

describe('producer ids', () => {
  it('are never given twice, across nodes, restarts and writes whose outcome nobody knows', async () => {
    const outcomes: MemoryWriteOutcome[] = ['ok', 'unavailable', 'unknown-applied', 'unknown-not-applied'];
    const step = fc.record({ node: fc.nat(2), restart: fc.boolean(), count: fc.integer({ min: 1, max: 900 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        fc.array(fc.constantFrom(...outcomes), { maxLength: 30 }),
        async (steps, draws) => {
          const disk = new MemoryDisk();
          const queue = [...draws];
          const open = () =>
            new ProducerIds(createMemoryStore({ disk, faults: { beforePut: () => queue.shift() ?? 'ok' } }).metadata);
          const nodes = [open(), open(), open()];
          const given = new Set<bigint>();
          for (const { node, restart, count } of steps) {
            if (restart) nodes[node] = open();
            // All at once: the asks that come while a block is fetched share it.
            const asks = Array.from({ length: count }, () => nodes[node]!.next());
            for (const settled of await Promise.allSettled(asks)) {
              if (settled.status === 'rejected') continue;
              expect(given.has(settled.value), `id ${settled.value} given twice`).to.equal(false);
              given.add(settled.value);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('take one write for a thousand', async () => {
    let writes = 0;
    const { metadata } = createMemoryStore({
      faults: {
        beforePut: () => {
          writes++;
          return 'ok';
        },
      },
    });
    const ids = new ProducerIds(metadata);

    for (let count = 0; count < 2_001; count++) expect(await ids.next()).to.equal(BigInt(count));

    expect(writes).to.equal(3);
  });
});
