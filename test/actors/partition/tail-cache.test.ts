// Stories of the tail cache: it answers like the store or not at all.

import { expect } from 'chai';
import fc from 'fast-check';
import { TailCache } from '../../../src/actors/partition/tail-cache.ts';
import { partitionKey } from '../../../src/actors/shard/ports.ts';

const key = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 0);
const other = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 1);

function bytes(length: number, fill = 0): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

describe('the tail cache', () => {
  it('gives whole batches from the one that holds the offset, within the bounds', () => {
    const cache = new TailCache(1_000);
    for (const [index, base] of [0n, 3n, 5n].entries())
      cache.add(key, base, base + 3n - BigInt(index === 1 ? 1 : 0), bytes(10, index));
    expect(cache.read(key, 1n, 8n, 20, true)?.map(([first]) => first)).to.deep.equal([0, 1]);
    expect(cache.read(key, 4n, 8n, 5, true)?.map(([first]) => first)).to.deep.equal([1]);
    expect(cache.read(key, 4n, 8n, 5, false)).to.deep.equal([]);
    expect(cache.read(key, 3n, 5n, 100, true)?.map(([first]) => first)).to.deep.equal([1]);
  });

  it('does not know what is older than its oldest batch, nor what is newer than its newest', () => {
    const cache = new TailCache(1_000);
    cache.add(key, 5n, 6n, bytes(10));
    expect(cache.read(key, 4n, 6n, 100, true)).to.equal(undefined);
    // A batch that landed after its writer had crashed was never added here.
    expect(cache.read(key, 6n, 7n, 100, true)).to.equal(undefined);
    expect(cache.read(other, 5n, 6n, 100, true)).to.equal(undefined);
  });

  it('begins anew after a gap', () => {
    const cache = new TailCache(1_000);
    cache.add(key, 0n, 1n, bytes(10));
    cache.add(key, 2n, 3n, bytes(10, 2));
    expect(cache.read(key, 0n, 3n, 100, true)).to.equal(undefined);
    expect(cache.read(key, 2n, 3n, 100, true)).to.have.length(1);
    expect(cache.bytes).to.equal(10);
  });

  it('keeps to its bound, the oldest batch of all partitions leaving first', () => {
    const cache = new TailCache(25);
    cache.add(key, 0n, 1n, bytes(10));
    cache.add(other, 0n, 1n, bytes(10));
    cache.add(key, 1n, 2n, bytes(10));
    expect(cache.bytes).to.equal(20);
    expect(cache.read(key, 0n, 2n, 100, true)).to.equal(undefined);
    expect(cache.read(key, 1n, 2n, 100, true)).to.have.length(1);
    expect(cache.read(other, 0n, 1n, 100, true)).to.have.length(1);
  });

  it('agrees with a list of batches, whatever is added, dropped and read', () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('add' as const),
          partition: fc.nat(1),
          length: fc.integer({ min: 1, max: 30 }),
          gap: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), partition: fc.nat(1) }) },
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('read' as const),
          partition: fc.nat(1),
          back: fc.nat(8),
          max: fc.nat(80),
          one: fc.boolean(),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 0, max: 150 }), (steps, bytesMax) => {
        const cache = new TailCache(bytesMax);
        const logs: { base: bigint; next: bigint; bytes: Uint8Array }[][] = [[], []];
        for (const [index, action] of steps.entries()) {
          const partition = [key, other][action.partition] as typeof key;
          const log = logs[action.partition] as (typeof logs)[number];
          const end = log.at(-1)?.next ?? 0n;
          if (action.kind === 'drop') cache.drop(partition);
          else if (action.kind === 'add') {
            const batch = { base: end, next: end + 2n, bytes: bytes(action.length, index & 0xff) };
            log.push(batch);
            // Not every batch is told to the cache: some land behind a crash.
            if (!action.gap) cache.add(partition, batch.base, batch.next, batch.bytes);
          } else {
            const from = end > BigInt(action.back) ? end - BigInt(action.back) : 0n;
            const got = cache.read(partition, from, end, action.max, action.one);
            if (got === undefined || from >= end) continue;
            const held = log.filter(({ next }) => next > from);
            expect(got.map(([first]) => first)).to.deep.equal(
              held.slice(0, got.length).map(({ bytes: [first] }) => first),
            );
            const size = got.reduce((sum, { length }) => sum + length, 0);
            if (!(action.one && got.length === 1)) expect(size).to.be.at.most(action.max);
            if (action.one) expect(got.length).to.be.at.least(1);
          }
          expect(cache.bytes).to.be.at.most(bytesMax);
        }
      }),
    );
  });
});
