// Stories of a node's standing: what its shards are told when the others vote it out.

import { expect } from 'chai';
import { joinView, leaveView } from '../../../src/actors/shard/membership.ts';
import type { Shards } from '../../../src/actors/shard/shards.ts';
import { Standing } from '../../../src/actors/shard/standing.ts';
import { type Member, View } from '../../../src/actors/shard/view.ts';
import { createMemoryStore, MemoryDisk } from '../../../src/storage/memory.ts';
import { SimProcess } from '../../sim/process.ts';
import { SeededRandom } from '../../sim/random.ts';
import { Scheduler } from '../../sim/scheduler.ts';

const memberOf = (nodeId: number): Member => ({
  nodeId,
  endpoints: { PLAINTEXT: { host: `node-${nodeId}`, port: 9092 } },
  rack: null,
});
const cluster = { clusterId: 'c', shardCount: 2 };

describe('the standing of a node', () => {
  it('lets the shards go before it joins again, when it was voted out and is given them once more', async () => {
    const scheduler = new Scheduler(new SeededRandom(1));
    const clock = new SimProcess(scheduler, 0);
    const random = { float: () => 0.5, bytes: (count: number) => new Uint8Array(count) };
    const disk = new MemoryDisk();
    const { metadata: metadataStore } = createMemoryStore({ disk });
    const { metadata: elsewhere } = createMemoryStore({ disk });
    const view = new View(1, { epoch: 0, clusterId: '', shardCount: 2, members: [] });
    const followed: (readonly number[])[] = [];
    const owned = () => [0, 1].filter((shard) => view.ownerOf(shard) === 1);
    const shards = { openOwned: async () => {}, reconcile: () => followed.push(owned()) } as unknown as Shards;
    const standing = new Standing({
      ...{ self: memberOf(1), cluster, view, shards, metadataStore, epochs: undefined, clock, random },
      logger: { log: () => {} },
      onChange: () => {},
    });
    await standing.enter();
    await joinView(elsewhere, memberOf(2), cluster, random);
    await scheduler.advance(10);
    const before = owned();
    expect(before).to.have.length(1);
    followed.length = 0;

    expect(await leaveView(elsewhere, 1, view.epoch)).not.to.equal(undefined);
    await scheduler.advance(10);
    expect(view.member(1), 'it joined again').not.to.equal(undefined);
    expect(followed).to.deep.equal([[], owned()]);
    expect(owned()).to.have.length(1);
    standing.stop();
  });
});
