// Stories of a partition's writer across crashes, failed commits and shards opened anew.

import { expect } from 'chai';
import { StorageFault } from '../../../src/actors/shard/ports.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import type { MemoryWriteOutcome } from '../../../src/storage/memory.ts';
import { watch } from '../runtime/bench-actor.ts';
import { appendOf, KEY, partitionBench, REOPEN_DELAY_MS } from './partition-bench.ts';

const position = { fetchOffset: 0n, currentLeaderEpoch: -1, lastFetchedEpoch: -1 };

describe('a partition writer', () => {
  it('gives offsets in order and moves the high watermark when they are durable', async () => {
    const { partition, scheduler, cached } = await partitionBench({
      delayMs: (operation) => (operation === 'append' ? 20 : 1),
    });
    const first = watch(partition.ask('append', appendOf({ values: ['a', 'b'] })));
    const second = watch(partition.ask('append', appendOf({ values: ['c'] })));
    await scheduler.advance(10);
    const early = await partition.ask('position', position);
    expect(early.highWatermark).to.equal(0n);
    await scheduler.advance(100);
    expect(first.value).to.include({ errorCode: ErrorCode.NONE, baseOffset: 0n });
    expect(second.value).to.include({ errorCode: ErrorCode.NONE, baseOffset: 2n });
    expect((await partition.ask('position', position)).highWatermark).to.equal(3n);
    expect(cached).to.deep.equal([
      [0n, 2n],
      [2n, 3n],
    ]);
  });

  it('does not load before the append of its crashed predecessor has settled', async () => {
    // The hook after the first commit crashes the writer while the second append is under way, which takes long.
    let appends = 0;
    let crashes = 1;
    const { partition, scheduler } = await partitionBench({
      delayMs: (operation) => (operation === 'append' && ++appends === 2 ? 500 : 1),
      onCommitted: () => {
        if (crashes-- > 0) throw new Error('crashed after a commit');
      },
    });
    const first = watch(partition.ask('append', appendOf({ values: ['a'] })));
    const second = watch(partition.ask('append', appendOf({ values: ['b'] })));
    await scheduler.advance(50);
    expect(first.state).to.equal('answered');
    expect(second.state).to.equal('refused');
    const third = watch(partition.ask('append', appendOf({ values: ['c'] })));
    await scheduler.advance(2_000);
    expect(third.value, 'after the second one, which landed').to.include({ errorCode: ErrorCode.NONE, baseOffset: 2n });
  });

  it('has a batch sent again that is under way when its shard moves on only if that cannot repeat it', async () => {
    for (const [producerId, code] of [
      [7n, 'fenced'],
      [-1n, 'outcome-unknown'],
    ] as const) {
      const { partition, scheduler, shards } = await partitionBench({
        delayMs: (operation) => (operation === 'append' ? 50 : 1),
      });
      await advanced(scheduler, partition.ask('position', position));
      const underWay = watch(partition.ask('append', appendOf({ producerId })));
      await scheduler.advance(10);
      shards.suspend();
      await scheduler.advance(1);
      expect((underWay.error as StorageFault).code, `producer ${producerId}`).to.equal(code);
      await scheduler.advance(100);
      shards.resume();
      await scheduler.advance(100);
      const { highWatermark } = await advanced(scheduler, partition.ask('position', position));
      expect(highWatermark, 'it has landed').to.equal(1n);
    }
  });

  it('goes on from what is stored when the outcome of an append is unknown', async () => {
    for (const [outcome, next] of [
      ['unknown-applied', 2n],
      ['unknown-not-applied', 1n],
    ] as const) {
      let outcomes: MemoryWriteOutcome[] = ['ok', outcome];
      const { partition, scheduler, shards } = await partitionBench({
        faults: { beforeAppend: () => outcomes.shift() ?? 'ok' },
      });
      await advanced(scheduler, partition.ask('append', appendOf({ values: ['a'] })));
      const epoch = shards.leaderEpoch(KEY);
      const lost = watch(partition.ask('append', appendOf({ values: ['b'] })));
      await scheduler.advance(20);
      expect((lost.error as StorageFault).code).to.equal('outcome-unknown');
      const early = watch(partition.ask('append', appendOf({ values: ['c'] })));
      await scheduler.advance(1);
      expect((early.error as StorageFault).code, 'before the shard is open again').to.equal('fenced');
      await scheduler.advance(REOPEN_DELAY_MS);
      const after = await advanced(scheduler, partition.ask('append', appendOf({ values: ['c'] })));
      expect(after, outcome).to.include({ errorCode: ErrorCode.NONE, baseOffset: next });
      expect(shards.leaderEpoch(KEY)).to.equal(epoch + 1);
      outcomes = [];
    }
  });

  it('knows a repeated batch after a restart, from the headers alone and from a checkpoint', async () => {
    for (const checkpointBatches of [1, 2, 1_000]) {
      const { partition, scheduler, disk } = await partitionBench({ checkpointBatches });
      for (let baseSequence = 0; baseSequence < 3; baseSequence++) {
        await advanced(scheduler, partition.ask('append', appendOf({ producerId: 7n, baseSequence })));
      }
      const restarted = await partitionBench({ disk });
      const ask = (baseSequence: number) =>
        advanced(restarted.scheduler, restarted.partition.ask('append', appendOf({ producerId: 7n, baseSequence })));
      expect(await ask(1)).to.include({ errorCode: ErrorCode.NONE, baseOffset: 1n });
      expect(await ask(4)).to.include({ errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER });
      expect(await ask(3)).to.include({ errorCode: ErrorCode.NONE, baseOffset: 3n });
    }
  });

  it('knows a repeated batch after a restart even if its records were deleted', async () => {
    const { partition, scheduler, disk } = await partitionBench();
    await advanced(scheduler, partition.ask('append', appendOf({ producerId: 7n, baseSequence: 0 })));
    const deleted = await advanced(scheduler, partition.ask('deleteRecords', { beforeOffset: 1n }));
    expect(deleted).to.include({ errorCode: ErrorCode.NONE, logStartOffset: 1n });
    const restarted = await partitionBench({ disk });
    const repeated = restarted.partition.ask('append', appendOf({ producerId: 7n, baseSequence: 0 }));
    expect(await advanced(restarted.scheduler, repeated)).to.include({ errorCode: ErrorCode.NONE, baseOffset: 0n });
  });

  it('does not take a later batch for the first one of a producer whose first was refused', async () => {
    const outcomes: MemoryWriteOutcome[] = ['fail-full'];
    const { partition, scheduler, refused } = await partitionBench({
      faults: { beforeAppend: () => outcomes.shift() ?? 'ok' },
    });
    const first = appendOf({ producerId: 7n, baseSequence: 0 });
    const refusedFirst = watch(partition.ask('append', first));
    await scheduler.advance(5);
    expect((refusedFirst.error as StorageFault).code).to.equal('full');
    refused.note(KEY, first.header);
    const ask = (baseSequence: number) =>
      advanced(scheduler, partition.ask('append', appendOf({ producerId: 7n, baseSequence })));
    expect(await ask(1)).to.include({ errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER });
    expect(await ask(0)).to.include({ errorCode: ErrorCode.NONE, baseOffset: 0n });
    expect(await ask(1)).to.include({ errorCode: ErrorCode.NONE, baseOffset: 1n });
    // A producer that nobody knows may start anywhere: its records may be long gone.
    const unknown = partition.ask('append', appendOf({ producerId: 8n, baseSequence: 5 }));
    expect(await advanced(scheduler, unknown)).to.include({ errorCode: ErrorCode.NONE });
  });

  it('shows a log start only when it is durable', async () => {
    let failing = false;
    const { partition, scheduler } = await partitionBench({
      faults: { beforeAppend: () => (failing ? 'unavailable' : 'ok') },
      delayMs: (operation) => (operation === 'append' ? 20 : 1),
    });
    await advanced(scheduler, partition.ask('append', appendOf({ values: ['a', 'b'] })));
    failing = true;
    const deleting = watch(partition.ask('deleteRecords', { beforeOffset: 1n }));
    expect((await partition.ask('position', position)).logStartOffset).to.equal(0n);
    await scheduler.advance(25);
    expect(deleting.state).to.equal('refused');
    failing = false;
    expect((await advanced(scheduler, partition.ask('position', position))).logStartOffset).to.equal(0n);
    await advanced(scheduler, partition.ask('deleteRecords', { beforeOffset: 1n }));
    expect((await partition.ask('position', position)).logStartOffset).to.equal(1n);
  });

  it('wakes who waits for records when they are durable, and tells who gives up', async () => {
    const { partition, scheduler } = await partitionBench();
    const woken = watch(partition.ask('awaitAdvance', { highWatermark: 0n, waiter: 1 }));
    const cancelled = watch(partition.ask('awaitAdvance', { highWatermark: 0n, waiter: 2 }));
    const patient = watch(partition.ask('awaitAdvance', { highWatermark: 1n, waiter: 3 }));
    await scheduler.advance(10);
    await partition.ask('cancelAwait', { waiter: 2 });
    expect(cancelled.value).to.equal(false);
    await advanced(scheduler, partition.ask('append', appendOf({})));
    expect(woken.value).to.equal(true);
    expect(patient.state).to.equal('open');
    expect(await partition.ask('wakeAll', {})).to.equal(1);
    expect(patient.value).to.equal(true);
  });

  it('tells who waits for records when it is stopped', async () => {
    const { partition, partitions, scheduler } = await partitionBench();
    const waiting = watch(partition.ask('awaitAdvance', { highWatermark: 0n, waiter: 1 }));
    await scheduler.advance(10);
    const fault = new StorageFault('fenced', 'the topic is deleted');
    partitions.stop(KEY, fault);
    await scheduler.advance(1);
    expect(waiting).to.include({ state: 'refused', error: fault });
  });
});

/** What a promise gives after a second. */
async function advanced<T>(scheduler: { advance(ms: number): Promise<void> }, promise: Promise<T>): Promise<T> {
  await scheduler.advance(1_000);
  return promise;
}
