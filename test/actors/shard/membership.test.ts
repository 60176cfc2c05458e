// Stories of entering and leaving the view, by oneself or by the vote of another.

import { expect } from 'chai';
import { joinView, leaveView, readView, VIEW_KEY } from '../../../src/actors/shard/membership.ts';
import type { MetadataStore, StorageFault } from '../../../src/actors/shard/ports.ts';
import { type Member, View, type ViewValue } from '../../../src/actors/shard/view.ts';
import { createMemoryStore } from '../../../src/storage/memory.ts';
import { SeededRandom } from '../../sim/random.ts';

const cluster = { clusterId: null, shardCount: 48 };
const random = new SeededRandom(1);

function member(nodeId: number, port = 9092): Member {
  return { nodeId, endpoints: { PLAINTEXT: { host: 'h', port } }, rack: null };
}

async function clusterOf(...nodeIds: number[]): Promise<{ store: MetadataStore; value: ViewValue }> {
  const store = createMemoryStore({}).metadata;
  let value: ViewValue | undefined;
  for (const nodeId of nodeIds) value = await joinView(store, member(nodeId), cluster, random);
  return { store, value: value as ViewValue };
}

function nodesOf(value: ViewValue | undefined): number[] | undefined {
  return value?.members.map(({ nodeId }) => nodeId);
}

describe('membership', () => {
  it('counts epochs and members up and down', async () => {
    const { store, value } = await clusterOf(2, 1, 3);
    expect(value.epoch).to.equal(3);
    expect(nodesOf(value)).to.deep.equal([1, 2, 3]);
    const left = await leaveView(store, 2);
    expect(left!.epoch).to.equal(4);
    expect(nodesOf(left)).to.deep.equal([1, 3]);
    expect((await readView(store))!.value).to.deep.equal(left);
  });

  it('moves the shards of the one that leaves, and no others', async () => {
    const { store, value } = await clusterOf(1, 2, 3);
    const before = new View(1, value);
    const after = new View(1, (await leaveView(store, 2))!);
    for (let shard = 0; shard < 48; shard++) {
      if (before.ownerOf(shard) !== 2) expect(after.ownerOf(shard)).to.equal(before.ownerOf(shard));
      else expect(after.ownerOf(shard)).to.be.oneOf([1, 3]);
    }
  });

  it('moves nothing when a member comes with another address', async () => {
    const { store, value } = await clusterOf(1, 2, 3);
    const again = await joinView(store, member(2, 9999), cluster, random);
    expect(again.owners).to.deep.equal(value.owners);
    expect(again.members[1]!.endpoints.PLAINTEXT!.port).to.equal(9999);
  });

  it('does not count those out who are not in', async () => {
    const { store } = await clusterOf(1, 2);
    expect(await leaveView(store, 7)).to.equal(undefined);
    expect(await leaveView(createMemoryStore({}).metadata, 1)).to.equal(undefined);
    expect((await readView(store))!.value.epoch).to.equal(2);
  });

  it('lets one of several votes count', async () => {
    const { store, value } = await clusterOf(1, 2, 3);
    const votes = await Promise.all([leaveView(store, 3, value.epoch), leaveView(store, 3, value.epoch)]);
    expect(votes.filter((vote) => vote !== undefined)).to.have.length(1);
    expect((await readView(store))!.value.epoch).to.equal(value.epoch + 1);
  });

  it('voids a vote on a view that has changed since: the node may be back', async () => {
    const { store, value } = await clusterOf(1, 2, 3);
    await joinView(store, member(3), cluster, random);
    expect(await leaveView(store, 3, value.epoch)).to.equal(undefined);
    expect(nodesOf((await readView(store))!.value)).to.deep.equal([1, 2, 3]);
  });

  it('voids a vote when the view changes under it', async () => {
    const { store, value } = await clusterOf(1, 2, 3);
    let first = true;
    const racing: MetadataStore = {
      ...bound(store),
      async put(key, bytes, revision) {
        if (first && key === VIEW_KEY) {
          first = false;
          await joinView(store, member(3), cluster, random);
        }
        return store.put(key, bytes, revision);
      },
    };
    expect(await leaveView(racing, 3, value.epoch)).to.equal(undefined);
    expect(nodesOf((await readView(store))!.value)).to.deep.equal([1, 2, 3]);
  });

  it('leaves over changes by others, and gives up when they do not end', async () => {
    const { store } = await clusterOf(1, 2, 3);
    let races = 3;
    const racing: MetadataStore = {
      ...bound(store),
      async put(key, bytes, revision) {
        if (races-- > 0) await joinView(store, member(9), cluster, random);
        return store.put(key, bytes, revision);
      },
    };
    expect(nodesOf(await leaveView(racing, 1))).to.deep.equal([2, 3, 9]);
    races = Number.POSITIVE_INFINITY;
    const fault: StorageFault = await leaveView(racing, 2).then(
      () => expect.fail('left'),
      (error) => error,
    );
    expect(fault.code).to.equal('unavailable');
  });

  it('leaves a cluster without members to the next that joins', async () => {
    const { store, value } = await clusterOf(1);
    const empty = await leaveView(store, 1);
    expect(empty!.members).to.deep.equal([]);
    expect(new View(1, empty!).ownerOf(0)).to.equal(-1);
    const again = await joinView(store, member(5), cluster, random);
    expect(again.clusterId).to.equal(value.clusterId);
    expect(new View(5, again).ownerOf(47)).to.equal(5);
  });
});

function bound(store: MetadataStore): MetadataStore {
  return {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    put: (key, value, revision) => store.put(key, value, revision),
    delete: (key, revision) => store.delete(key, revision),
    watch: (prefix, onChange) => store.watch(prefix, onChange),
    close: () => store.close(),
  };
}
