// Stories of supervision: restarts with back-off, giving up, passivation, and what becomes of messages meanwhile.

import { expect } from 'chai';
import { ActorFault } from '../../../src/actors/runtime/errors.ts';
import { settled } from '../../sim/scheduler.ts';
import { bench, MAILBOX_MAX, PASSIVATE_AFTER_MS, watch } from './bench-actor.ts';

describe('supervision', () => {
  it('restarts after a delay that doubles, up to its bound', async () => {
    const { counters, store, scheduler } = bench({ restartBackoffMs: 10, restartBackoffMaxMs: 40 });
    store.loadFault = new Error('no state');
    watch(counters.ask('a', 'sum', {}));
    const loadsAt: number[] = [];
    let loads = 0;
    for (let ms = 0; ms < 200; ms++) {
      await scheduler.advance(ms === 0 ? 0 : 1);
      if (store.loads > loads) loadsAt.push(ms);
      loads = store.loads;
    }
    const gaps = loadsAt.slice(1).map((at, index) => at - (loadsAt[index] as number));
    expect(gaps.slice(0, 4)).to.deep.equal([10, 20, 40, 40]);
  });

  it('keeps messages that come while it restarts, in order, and handles them after', async () => {
    const { counters, scheduler } = bench({ restartBackoffMs: 50 });
    watch(counters.ask('a', 'crash', {}));
    await settled();
    const order: number[] = [];
    counters.ask('a', 'add', { amount: 1 }).then((sum) => void order.push(sum));
    counters.ask('a', 'add', { amount: 10 }).then((sum) => void order.push(sum));
    await scheduler.advance(49);
    expect(order).to.deep.equal([]);
    await scheduler.advance(2);
    expect(order).to.deep.equal([1, 11]);
  });

  it('bounds what waits for a restart', async () => {
    const { counters, scheduler } = bench({ restartBackoffMs: 50 });
    watch(counters.ask('a', 'crash', {}));
    await settled();
    const kept = Array.from({ length: MAILBOX_MAX }, () => watch(counters.ask('a', 'sum', {})));
    const refused = watch(counters.ask('a', 'sum', {}));
    await scheduler.advance(100);
    expect((refused.error as ActorFault).code).to.equal('mailbox-full');
    expect(kept.every(({ state }) => state === 'answered')).to.equal(true);
  });

  it('gives up after its attempts, says so, refuses for a while, then tries again', async () => {
    const { counters, store, scheduler, logged } = bench({
      restartAttemptsMax: 3,
      restartBackoffMs: 1,
      giveUpCoolDownMs: 1_000,
    });
    store.loadFault = new Error('no state');
    const first = watch(counters.ask('a', 'sum', {}));
    await scheduler.advance(100);
    expect((first.error as ActorFault).code).to.equal('actor-stopped');
    expect(store.loads).to.equal(4);
    expect(logged).to.deep.include({ level: 'error', event: 'actor given up' });

    const refused = watch(counters.ask('a', 'sum', {}));
    await settled();
    expect((refused.error as ActorFault).code).to.equal('actor-stopped');
    expect(store.loads).to.equal(4);

    store.loadFault = undefined;
    await scheduler.advance(1_000);
    expect(await counters.ask('a', 'sum', {})).to.equal(0);
  });

  it('counts attempts anew after a turn', async () => {
    const { counters, scheduler, logged } = bench({ restartAttemptsMax: 2, restartBackoffMs: 1 });
    for (let round = 0; round < 10; round++) {
      watch(counters.ask('a', 'add', { amount: 1 }));
      watch(counters.ask('a', 'crash', {}));
      await scheduler.advance(10);
    }
    expect(await counters.ask('a', 'sum', {})).to.equal(10);
    expect(logged.filter(({ event }) => event === 'actor given up')).to.deep.equal([]);
  });

  it('forgets an actor whose failure allows no restart, and refuses what waited', async () => {
    const { counters, store } = bench();
    store.restartable = false;
    const fault = new Error('fenced');
    store.loadFault = fault;
    const asked = watch(counters.ask('a', 'sum', {}));
    await settled();
    expect(asked).to.include({ state: 'refused' });
    expect(counters.size).to.equal(0);
  });

  it('lets an idle actor leave memory, and brings it back with its state', async () => {
    const { counters, store, scheduler } = bench();
    await counters.ask('a', 'add', { amount: 4 });
    await scheduler.advance(PASSIVATE_AFTER_MS - 1);
    expect(counters.passivate()).to.equal(0);
    await scheduler.advance(1);
    expect(counters.passivate()).to.equal(1);
    expect(counters.size).to.equal(0);
    expect(store.stops).to.equal(1);
    expect(await counters.ask('a', 'sum', {})).to.equal(4);
  });

  it('never lets one leave that somebody waits for, that has a timer, or whose commit is under way', async () => {
    const { counters, store, scheduler } = bench();
    watch(counters.ask('waited-for', 'awaitSum', { sum: 1 }));
    await counters.ask('timed', 'addLater', { amount: 1, delayMs: 1e6 });
    await settled();
    store.automatic = false;
    watch(counters.ask('committing', 'add', { amount: 1 }));
    await scheduler.advance(10 * PASSIVATE_AFTER_MS);
    expect(counters.passivate()).to.equal(0);
  });

  it('refuses everything of an actor that is stopped: handled, waiting, and for a restart', async () => {
    const { counters, store, scheduler } = bench({ restartBackoffMs: 1_000 });
    store.automatic = false;
    const committing = watch(counters.ask('a', 'add', { amount: 1 }));
    await settled();
    const stopped = new ActorFault('actor-stopped', 'the test');
    counters.stop('a', stopped);
    await settled();
    expect(committing).to.include({ state: 'refused', error: stopped });

    watch(counters.ask('b', 'crash', {}));
    await settled();
    const waiting = watch(counters.ask('b', 'sum', {}));
    counters.stopAll(stopped);
    await settled();
    expect(waiting).to.include({ state: 'refused', error: stopped });
    await scheduler.advance(2_000);
    expect(counters.size, 'no restart of a stopped actor').to.equal(0);
  });

  it('ignores a load that ends after its actor was stopped', async () => {
    const { counters, store } = bench();
    const asked = watch(counters.ask('a', 'add', { amount: 1 }));
    counters.stop('a', new ActorFault('actor-stopped', 'the test'));
    await settled();
    expect(asked.state).to.equal('refused');
    expect(store.committed.size).to.equal(0);
    expect(await counters.ask('a', 'sum', {})).to.equal(0);
  });

  it('asks every actor in memory, and survives that one of them fails', async () => {
    const { counters, logged, scheduler } = bench();
    await counters.ask('a', 'sum', {});
    await counters.ask('b', 'sum', {});
    const asked = watch(counters.askAll('crash', {}));
    await scheduler.advance(100);
    expect(asked.state).to.equal('answered');
    expect(logged.filter(({ event }) => event === 'message to all failed')).to.have.length(2);
  });
});
