// Stories of the shards of one node: opened as the view says, opened anew after an unknown outcome, given up when fenced.

import { expect } from 'chai';
import { type PartitionKey, partitionKey, type StorageFault } from '../../../src/actors/shard/ports.ts';
import { parsePartitionKey, Shards } from '../../../src/actors/shard/shards.ts';
import { View, type ViewValue } from '../../../src/actors/shard/view.ts';
import { noEvents, noTracer } from '../../../src/events.ts';
import { createMemoryStore, MemoryDisk, type MemoryFaults } from '../../../src/storage/memory.ts';
import { SimProcess } from '../../sim/process.ts';
import { SeededRandom } from '../../sim/random.ts';
import { Scheduler } from '../../sim/scheduler.ts';
import { watch } from '../runtime/bench-actor.ts';

const KEY = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 0);
const REOPEN_DELAY_MS = 100;

function viewValue(epoch: number, nodeIds: readonly number[], shardCount = 1): ViewValue {
  return {
    epoch,
    clusterId: 'c',
    shardCount,
    members: nodeIds.map((nodeId) => ({ nodeId, endpoints: {}, rack: null })),
  };
}

interface StoryOptions {
  readonly disk?: MemoryDisk;
  readonly faults?: MemoryFaults;
  readonly value?: ViewValue;
  readonly openDelayMs?: number;
}

function story({
  disk = new MemoryDisk(),
  faults = {},
  value = viewValue(1, [1]),
  openDelayMs = 1,
}: StoryOptions = {}) {
  const scheduler = new Scheduler(new SeededRandom(1));
  const clock = new SimProcess(scheduler, 0);
  const store = createMemoryStore({
    disk,
    faults,
    schedule: (operation, complete) => void scheduler.after(operation === 'open' ? openDelayMs : 1, complete),
  });
  const view = new View(1, value);
  const told: string[] = [];
  const shards = new Shards({
    storage: store.shards,
    view,
    clock,
    logger: { log: () => {} },
    limits: { appendBytesMax: 1_000, reopenDelayMs: REOPEN_DELAY_MS },
    epochs: undefined,
    events: noEvents,
    tracer: noTracer,
    onClosed: (shard, error) => told.push(`closed ${shard} ${(error as StorageFault).code}`),
    onOpened: (shard) => told.push(`opened ${shard}`),
  });
  return { scheduler, store, disk, view, shards, told };
}

function removal(partition: PartitionKey) {
  return [{ kind: 'removal', partition } as const];
}

describe("a node's shards", () => {
  it('are those that the view gives to it', async () => {
    const { scheduler, shards, told } = story({ value: viewValue(1, [1], 3) });
    const opening = shards.openOwned();
    await scheduler.advance(10);
    await opening;
    expect(told).to.have.members(['opened 0', 'opened 1', 'opened 2']);
    expect(shards.leaderEpoch(KEY)).to.equal(0);
    expect(parsePartitionKey(KEY)).to.deep.equal({ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', index: 0 });
  });

  it('stay open after an append that certainly failed', async () => {
    const { scheduler, shards, told } = story({ faults: { beforeAppend: () => 'fail-full' } });
    const opening = shards.openOwned();
    await scheduler.advance(10);
    await opening;
    const failed = watch(shards.commit(KEY, removal(KEY)));
    await scheduler.advance(10);
    expect((failed.error as StorageFault).code).to.equal('full');
    expect(told).to.deep.equal(['opened 0']);
    expect(shards.of(KEY)).not.to.equal(undefined);
  });

  it('are opened anew, under the next epoch, after an append of unknown outcome', async () => {
    const { scheduler, shards, told } = story({ faults: { beforeAppend: () => 'unknown-not-applied' } });
    const opening = shards.openOwned();
    await scheduler.advance(10);
    await opening;
    watch(shards.commit(KEY, removal(KEY)));
    await scheduler.advance(5);
    expect(told).to.deep.equal(['opened 0', 'closed 0 outcome-unknown']);
    const refused = watch(shards.commit(KEY, removal(KEY)));
    await scheduler.advance(1);
    expect((refused.error as StorageFault).code).to.equal('fenced');
    await scheduler.advance(REOPEN_DELAY_MS);
    expect(told).to.deep.equal(['opened 0', 'closed 0 outcome-unknown', 'opened 0']);
    expect(shards.leaderEpoch(KEY)).to.equal(1);
  });

  it('are tried again until they open', async () => {
    let refusals = 0;
    const faults: MemoryFaults = {
      beforeAppend: () => 'unknown-applied',
      beforeOpen: () => (refusals > 0 && refusals-- > 0 ? 'unavailable' : 'ok'),
    };
    const { scheduler, shards, told } = story({ faults });
    const opening = shards.openOwned();
    await scheduler.advance(10);
    await opening;
    watch(shards.commit(KEY, removal(KEY)));
    refusals = 3;
    await scheduler.advance(3 * REOPEN_DELAY_MS);
    expect(told).to.have.length(2);
    await scheduler.advance(3 * REOPEN_DELAY_MS);
    expect(told.at(-1)).to.equal('opened 0');
  });

  it('are closed when another node has opened them', async () => {
    const disk = new MemoryDisk();
    const first = story({ disk });
    const opening = first.shards.openOwned();
    await first.scheduler.advance(10);
    await opening;
    disk.open(0);
    const fenced = watch(first.shards.commit(KEY, removal(KEY)));
    await first.scheduler.advance(10);
    expect((fenced.error as StorageFault).code).to.equal('fenced');
    expect(first.told.at(-1)).to.equal('closed 0 fenced');
  });

  it('are opened anew when a read finds that a node with an older view has opened them', async () => {
    const disk = new MemoryDisk();
    const { scheduler, shards, told } = story({ disk });
    const opening = shards.openOwned();
    await scheduler.advance(10);
    await opening;
    disk.open(0);
    const fenced = watch(shards.of(KEY)?.log.describe(KEY) as Promise<unknown>);
    await scheduler.advance(10);
    expect((fenced.error as StorageFault).code).to.equal('fenced');
    expect(told.at(-1)).to.equal('closed 0 fenced');
    await scheduler.advance(REOPEN_DELAY_MS);
    expect(told.at(-1)).to.equal('opened 0');
    expect(shards.leaderEpoch(KEY)).to.equal(2);
    const headers = shards.of(KEY)?.log.headers(KEY, 0n) as AsyncIterable<Uint8Array>;
    disk.open(0);
    const fencedAgain = watch(headers[Symbol.asyncIterator]().next());
    await scheduler.advance(10);
    expect((fencedAgain.error as StorageFault).code).to.equal('fenced');
    expect(told.at(-1)).to.equal('closed 0 fenced');
  });

  it('go and come with the view', async () => {
    const { scheduler, shards, view, told } = story({ value: viewValue(1, [1], 2) });
    const opening = shards.openOwned();
    await scheduler.advance(10);
    await opening;
    view.update(viewValue(2, [1, 2], 2));
    shards.reconcile();
    expect(told.filter((line) => line.startsWith('closed'))).to.have.length(1);
    expect([...shards.all()]).to.have.length(1);
    view.update(viewValue(3, [1], 2));
    shards.reconcile();
    await scheduler.advance(10);
    expect([...shards.all()]).to.have.length(2);
  });

  it('are not kept when the node stops while one is being opened', async () => {
    const { scheduler, shards, told, disk } = story({ openDelayMs: 50 });
    watch(shards.openOwned());
    await scheduler.advance(10);
    const closed = watch(shards.close());
    await scheduler.advance(100);
    expect(closed.state).to.equal('answered');
    expect(told).to.deep.equal([]);
    expect(shards.of(KEY)).to.equal(undefined);
    expect(disk.shard(0).epoch, 'it had been opened').to.equal(0);
  });

  it('let the append under way end when the node stops, and refuse what waits behind it', async () => {
    const { scheduler, shards } = story();
    const opening = shards.openOwned();
    await scheduler.advance(10);
    await opening;
    const underWay = watch(shards.commit(KEY, removal(KEY)));
    const waiting = watch(shards.commit(KEY, removal(KEY)));
    const closed = watch(shards.close());
    await scheduler.advance(10);
    expect(underWay.state).to.equal('answered');
    expect((waiting.error as StorageFault).code).to.equal('unavailable');
    expect(closed.state).to.equal('answered');
  });
});
