// Properties of placement: balanced, moving as little as must, the same everywhere, neighbours apart.

import { expect } from 'chai';
import fc from 'fast-check';
import { placeShards } from '../../../src/actors/shard/placement.ts';
import { View, type ViewValue } from '../../../src/actors/shard/view.ts';

function membersOf(nodeIds: Iterable<number>): { nodeId: number; endpoints: Record<never, never>; rack: null }[] {
  return [...nodeIds].map((nodeId) => ({ nodeId, endpoints: {}, rack: null }));
}

function sizes(owners: readonly number[], nodeIds: Iterable<number>): number[] {
  return [...nodeIds].map((nodeId) => owners.filter((owner) => owner === nodeId).length);
}

function moved(before: readonly number[], after: readonly number[]): number {
  return before.filter((owner, shard) => owner !== after[shard]).length;
}

/** The fewest moves that make it balanced: what the gone held, and what the others hold beyond their shares. */
function movesMin(before: readonly number[], nodeIds: readonly number[]): number {
  const shareMin = Math.floor(before.length / nodeIds.length);
  const held = sizes(before, nodeIds);
  const kept = held.reduce((sum, count) => sum + Math.min(count, shareMin), 0);
  const larger = Math.min(before.length % nodeIds.length, held.filter((count) => count > shareMin).length);
  return before.length - kept - larger;
}

/** The most that one member owns of any `width` neighbouring shards. */
function worstWindow(owners: readonly number[], width: number): number {
  let worst = 0;
  for (let start = 0; start < owners.length; start++) {
    const counts = new Map<number, number>();
    for (let at = 0; at < width; at++) {
      const owner = owners[(start + at) % owners.length] as number;
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    worst = Math.max(worst, ...counts.values());
  }
  return worst;
}

const shardCounts = fc.integer({ min: 48, max: 256 });
const nodeIds = fc.uniqueArray(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 12 });

describe('placement', () => {
  it('gives every shard to a member, to each as many as to any other or one more', () => {
    fc.assert(
      fc.property(nodeIds, shardCounts, (ids, shardCount) => {
        const owners = placeShards(membersOf(ids), shardCount);
        const held = sizes(owners, ids);
        expect(owners).to.have.length(shardCount);
        expect(held.reduce((sum, count) => sum + count, 0)).to.equal(shardCount);
        expect(Math.max(...held) - Math.min(...held)).to.be.at.most(1);
      }),
    );
  });

  it('does not depend on the order in which the members are listed', () => {
    fc.assert(
      fc.property(nodeIds, shardCounts, (ids, shardCount) => {
        expect(placeShards(membersOf([...ids].reverse()), shardCount)).to.deep.equal(
          placeShards(membersOf(ids), shardCount),
        );
      }),
    );
  });

  it('moves exactly as many shards as must, however members come and go', () => {
    const change = fc.oneof(fc.record({ join: fc.integer({ min: 0, max: 40 }) }), fc.record({ leave: fc.nat(11) }));
    fc.assert(
      fc.property(nodeIds, shardCounts, fc.array(change, { maxLength: 30 }), (ids, shardCount, changes) => {
        let present = [...ids];
        let owners = placeShards(membersOf(present), shardCount);
        for (const step of changes) {
          if ('join' in step) present = [...new Set([...present, step.join])].slice(0, 12);
          else if (present.length > 1) present = present.filter((_, at) => at !== step.leave % present.length);
          const next = placeShards(membersOf(present), shardCount, owners);
          expect(moved(owners, next)).to.equal(movesMin(owners, present));
          const held = sizes(next, present);
          expect(Math.max(...held) - Math.min(...held)).to.be.at.most(1);
          owners = next;
        }
      }),
      { numRuns: 200 },
    );
  });

  it('takes from the others only what a joining member gets', () => {
    const one = placeShards(membersOf([1]), 48);
    const two = placeShards(membersOf([1, 2]), 48, one);
    const three = placeShards(membersOf([1, 2, 3]), 48, two);
    expect([moved(one, two), moved(two, three)]).to.deep.equal([24, 16]);
    expect(three.every((owner, shard) => owner === 3 || owner === two[shard])).to.equal(true);
    const again = placeShards(membersOf([1, 3]), 48, three);
    expect(again.every((owner, shard) => owner === three[shard] || three[shard] === 2)).to.equal(true);
  });

  it('changes nothing where nothing must change', () => {
    fc.assert(
      fc.property(nodeIds, shardCounts, (ids, shardCount) => {
        const owners = placeShards(membersOf(ids), shardCount);
        expect(placeShards(membersOf(ids), shardCount, owners)).to.deep.equal(owners);
      }),
    );
  });

  it('keeps neighbouring shards, so the partitions of a topic, at different members', () => {
    expect(worstWindow(placeShards(membersOf([1, 2, 3]), 48), 6)).to.equal(2);
    let owners = placeShards(membersOf([1]), 48);
    for (const ids of [
      [1, 2],
      [1, 2, 3],
    ])
      owners = placeShards(membersOf(ids), 48, owners);
    expect(worstWindow(owners, 6)).to.be.at.most(3);
    owners = placeShards(membersOf([1, 3]), 48, owners);
    owners = placeShards(membersOf([1, 2, 3]), 48, owners);
    expect(worstWindow(owners, 6)).to.be.at.most(4);
  });

  it('makes do with fewer shards than members, and with none of either', () => {
    expect(placeShards([], 48)).to.deep.equal([]);
    expect(placeShards(membersOf([1, 2]), 0)).to.deep.equal([]);
    const few = placeShards(membersOf([1, 2, 3, 4, 5]), 2);
    expect(new Set(few).size).to.equal(2);
    expect(moved(few, placeShards(membersOf([1, 2, 3, 4, 5, 6]), 2, few))).to.equal(0);
  });

  it('takes not long for the most shards that can be configured', () => {
    const owners = placeShards(membersOf([1, 2, 3]), 4_096);
    const startMs = performance.now();
    placeShards(membersOf([1, 2, 3, 4]), 4_096, owners);
    expect(performance.now() - startMs).to.be.lessThan(1_000);
  });

  it('is what a view says, whether or not it lists owners that fit its members', () => {
    const value: ViewValue = { epoch: 3, clusterId: 'c', shardCount: 48, members: membersOf([1, 2, 3]) };
    const owners = placeShards(value.members, 48, placeShards(membersOf([1, 2]), 48));
    const view = new View(1, { ...value, owners });
    for (const [shard, owner] of owners.entries()) expect(view.ownerOf(shard)).to.equal(owner);
    const stale = new View(1, { ...value, owners: placeShards(membersOf([1, 2, 9]), 48) });
    expect(new Set(Array.from({ length: 48 }, (_, shard) => stale.ownerOf(shard)))).to.deep.equal(new Set([1, 2, 3]));
  });
});
