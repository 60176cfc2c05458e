// Stories of the group commit: what arrives while an append is under way forms the next one, and after a failure nothing
// lands that was decided before it.

import { expect } from 'chai';
import { Committer } from '../../../src/actors/shard/committer.ts';
import {
  type LogEntry,
  type PartitionKey,
  partitionKey,
  type ShardLog,
  StorageFault,
} from '../../../src/actors/shard/ports.ts';
import { settled } from '../../sim/scheduler.ts';
import { watch } from '../runtime/bench-actor.ts';

const TOPIC = 'AAAAAAAAAAAAAAAAAAAAAQ';
const first = partitionKey(TOPIC, 0);
const second = partitionKey(TOPIC, 1);

function batch(partition: PartitionKey, offset: bigint, bytes = 10): LogEntry {
  return {
    kind: 'batch',
    partition,
    baseOffset: offset,
    lastOffset: offset,
    maxTimestampMs: 0n,
    bytes: new Uint8Array(bytes),
  };
}

/** A log whose appends the test ends. */
class ManualLog {
  readonly appends: { entries: readonly LogEntry[]; succeed: () => void; fail: (error: unknown) => void }[] = [];

  append(entries: readonly LogEntry[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.appends.push({ entries, succeed: resolve, fail: reject });
    });
  }
}

function committerOn(log: ManualLog, appendBytesMax = 1_000): { committer: Committer; failures: unknown[] } {
  const failures: unknown[] = [];
  const committer = new Committer(log as unknown as ShardLog, { appendBytesMax }, (error) => failures.push(error));
  return { committer, failures };
}

describe('a group commit', () => {
  it('has one append under way; what arrives meanwhile, from any partition, forms the next', async () => {
    const log = new ManualLog();
    const { committer } = committerOn(log);
    committer.submit(first, 0, [batch(first, 0n)]);
    const b = watch(committer.submit(first, 0, [batch(first, 1n)]));
    const c = watch(committer.submit(second, 0, [batch(second, 0n), batch(second, 1n)]));
    expect(log.appends.map(({ entries }) => entries.length)).to.deep.equal([1]);
    log.appends[0]?.succeed();
    await settled();
    expect(log.appends.map(({ entries }) => entries.length)).to.deep.equal([1, 3]);
    expect(b.state).to.equal('open');
    log.appends[1]?.succeed();
    await settled();
    expect([b.state, c.state]).to.deep.equal(['answered', 'answered']);
  });

  it('keeps to its bound in bytes, but takes a single larger submission', async () => {
    const log = new ManualLog();
    const { committer } = committerOn(log, 25);
    committer.submit(first, 0, [batch(first, 0n)]);
    for (let offset = 1n; offset <= 3n; offset++) committer.submit(first, 0, [batch(first, offset)]);
    committer.submit(second, 0, [batch(second, 0n, 500)]);
    for (let i = 0; i < 4; i++) {
      log.appends[i]?.succeed();
      await settled();
    }
    expect(log.appends.map(({ entries }) => entries.length)).to.deep.equal([1, 2, 1, 1]);
  });

  it('fails everything that waits with an append that fails, and refuses what comes from the same incarnations', async () => {
    const log = new ManualLog();
    const { committer, failures } = committerOn(log);
    const failing = watch(committer.submit(first, 0, [batch(first, 0n)]));
    const behind = watch(committer.submit(first, 0, [batch(first, 1n)]));
    const other = watch(committer.submit(second, 0, [batch(second, 0n)]));
    const fault = new StorageFault('full', 'no space');
    log.appends[0]?.fail(fault);
    await settled();
    for (const outcome of [failing, behind, other]) expect(outcome).to.include({ state: 'refused', error: fault });
    expect(failures).to.deep.equal([fault]);
    const late = watch(committer.submit(first, 0, [batch(first, 2n)]));
    await settled();
    expect((late.error as StorageFault).code).to.equal('unavailable');
    expect(log.appends).to.have.length(1);
    expect(committer.generation(first)).to.equal(1);
    committer.submit(first, 1, [batch(first, 0n)]);
    expect(log.appends).to.have.length(2);
  });

  it('leaves partitions alone that had nothing in the failed appends', async () => {
    const log = new ManualLog();
    const { committer } = committerOn(log);
    watch(committer.submit(first, 0, [batch(first, 0n)]));
    log.appends[0]?.fail(new StorageFault('unavailable', 'gone'));
    await settled();
    const other = watch(committer.submit(second, 0, [batch(second, 0n)]));
    log.appends[1]?.succeed();
    await settled();
    expect(other.state).to.equal('answered');
  });

  it('tells when nothing of a partition is under way any more', async () => {
    const log = new ManualLog();
    const { committer } = committerOn(log);
    expect(await committer.settled(first)).to.equal(undefined);
    committer.submit(second, 0, [batch(second, 0n)]);
    committer.submit(first, 0, [batch(first, 0n)]);
    const firstSettled = watch(committer.settled(first));
    const secondSettled = watch(committer.settled(second));
    log.appends[0]?.succeed();
    await settled();
    expect([firstSettled.state, secondSettled.state]).to.deep.equal(['open', 'answered']);
    log.appends[1]?.fail(new StorageFault('unavailable', 'gone'));
    await settled();
    expect(firstSettled.state).to.equal('answered');
  });

  it('refuses what waits and what comes when it is closed; the append under way tells its own end', async () => {
    const log = new ManualLog();
    const { committer } = committerOn(log);
    const underWay = watch(committer.submit(first, 0, [batch(first, 0n)]));
    const waiting = watch(committer.submit(second, 0, [batch(second, 0n)]));
    const secondSettled = watch(committer.settled(second));
    const closing = new StorageFault('fenced', 'another node has it');
    committer.close(closing);
    const late = watch(committer.submit(second, 0, [batch(second, 0n)]));
    await settled();
    expect(waiting).to.include({ state: 'refused', error: closing });
    expect(late).to.include({ state: 'refused', error: closing });
    expect(secondSettled.state).to.equal('answered');
    expect(underWay.state).to.equal('open');
    log.appends[0]?.succeed();
    await settled();
    expect(underWay.state).to.equal('answered');
    expect(log.appends).to.have.length(1);
  });
});
