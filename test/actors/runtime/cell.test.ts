// Stories of one actor: the order of its replies, what a failed commit or a crash takes with it, timers, parked asks.

import { expect } from 'chai';
import { ActorFault } from '../../../src/actors/runtime/errors.ts';
import { StorageFault } from '../../../src/actors/shard/ports.ts';
import { settled } from '../../sim/scheduler.ts';
import { bench, MAILBOX_MAX, watch } from './bench-actor.ts';

describe('an actor', () => {
  it('answers when its records are durable, not before', async () => {
    const { counters, store } = bench();
    store.automatic = false;
    const added = watch(counters.ask('a', 'add', { amount: 5 }));
    await settled();
    expect(added.state).to.equal('open');
    store.pending.shift()?.succeed();
    await settled();
    expect(added).to.include({ state: 'answered', value: 5 });
  });

  it('answers in the order of the messages, whatever order the commits end in', async () => {
    const { counters, store } = bench();
    store.automatic = false;
    const order: string[] = [];
    const note = (name: string) => () => void order.push(name);
    counters.ask('a', 'add', { amount: 1 }).then(note('first'));
    counters.ask('a', 'add', { amount: 2 }).then(note('second'));
    counters.ask('a', 'sum', {}).then(note('sum'));
    await settled();
    store.pending[1]?.succeed();
    await settled();
    expect(order).to.deep.equal([]);
    store.pending[0]?.succeed();
    await settled();
    expect(order).to.deep.equal(['first', 'second', 'sum']);
  });

  it('holds back an answer that tells of uncommitted records, and no unordered one', async () => {
    const { counters, store } = bench();
    store.automatic = false;
    watch(counters.ask('a', 'add', { amount: 1 }));
    const sum = watch(counters.ask('a', 'sum', {}));
    const peek = watch(counters.ask('a', 'peek', {}));
    await settled();
    expect(sum.state).to.equal('open');
    expect(peek).to.include({ state: 'answered', value: 1 });
  });

  it('forgets what it decided when a commit fails, and everything decided on top of it', async () => {
    const { counters, store, scheduler } = bench();
    store.automatic = false;
    const first = watch(counters.ask('a', 'add', { amount: 1 }));
    const second = watch(counters.ask('a', 'add', { amount: 2 }));
    const sum = watch(counters.ask('a', 'sum', {}));
    await settled();
    const fault = new StorageFault('unavailable', 'no disk');
    store.pending[0]?.fail(fault);
    await settled();
    for (const outcome of [first, second, sum]) expect(outcome).to.include({ state: 'refused', error: fault });
    store.automatic = true;
    const after = watch(counters.ask('a', 'sum', {}));
    await scheduler.advance(100);
    expect(after).to.include({ state: 'answered', value: 0 });
  });

  it('tells the asker of a crash that the outcome is unknown, and lives on', async () => {
    const { counters, scheduler } = bench();
    watch(counters.ask('a', 'add', { amount: 3 }));
    const crashed = watch(counters.ask('a', 'crash', {}));
    const after = watch(counters.ask('a', 'sum', {}));
    await scheduler.advance(100);
    expect(crashed.state).to.equal('refused');
    expect((crashed.error as ActorFault).code).to.equal('outcome-unknown');
    expect(after).to.include({ state: 'answered', value: 3 });
  });

  it('commits nothing of a turn that crashes', async () => {
    const { counters, store, scheduler } = bench();
    const crashed = watch(counters.ask('a', 'addAndCrash', { amount: 9 }));
    const after = watch(counters.ask('a', 'sum', {}));
    await scheduler.advance(100);
    expect(crashed.state).to.equal('refused');
    expect(after).to.include({ state: 'answered', value: 0 });
    expect(store.committed.get('a')).to.equal(undefined);
  });

  it('leaves nobody waiting whose answer a crashing turn had prepared', async () => {
    const { counters, scheduler } = bench();
    const parked = watch(counters.ask('a', 'awaitSum', { sum: 10 }));
    await settled();
    const crashed = watch(counters.ask('a', 'answerAndCrash', {}));
    await scheduler.advance(100);
    expect(crashed.state).to.equal('refused');
    expect(parked.state).to.equal('refused');
  });

  it('leaves nobody waiting when it crashes after a commit', async () => {
    const { counters, scheduler, failInCommitted } = bench();
    const parked = watch(counters.ask('a', 'awaitSum', { sum: 1 }));
    await settled();
    failInCommitted.now = true;
    const added = watch(counters.ask('a', 'add', { amount: 1 }));
    await scheduler.advance(5);
    expect(added, 'durable by then').to.include({ state: 'answered', value: 1 });
    expect(parked.state).to.equal('refused');
  });

  it('takes a commit that throws as one that fails', async () => {
    const { counters, store, scheduler } = bench();
    store.commitThrows = new Error('cannot even begin');
    const added = watch(counters.ask('a', 'add', { amount: 1 }));
    await settled();
    expect(added.state).to.equal('refused');
    store.commitThrows = undefined;
    const after = watch(counters.ask('a', 'add', { amount: 2 }));
    await scheduler.advance(100);
    expect(after).to.include({ state: 'answered', value: 2 });
  });

  it('dies of answering twice', async () => {
    const { counters, scheduler, logged } = bench();
    const twice = watch(counters.ask('a', 'answerTwice', {}));
    await scheduler.advance(100);
    expect(twice.state).to.equal('refused');
    expect(logged).to.deep.include({ level: 'warn', event: 'actor restarts' });
  });

  it('wakes a parked ask when what it waits for is durable, in order', async () => {
    const { counters, store } = bench();
    const order: string[] = [];
    const parked = counters.ask('a', 'awaitSum', { sum: 3 }).then((value) => void order.push(`parked ${value}`));
    await settled();
    store.automatic = false;
    const added = counters.ask('a', 'add', { amount: 3 }).then((value) => void order.push(`added ${value}`));
    await settled();
    expect(order).to.deep.equal([]);
    store.pending.shift()?.succeed();
    await Promise.all([parked, added]);
    expect(order).to.deep.equal(['added 3', 'parked 3']);
  });

  it('refuses a parked ask when it dies', async () => {
    const { counters } = bench();
    const parked = watch(counters.ask('a', 'awaitSum', { sum: 3 }));
    await settled();
    counters.stop('a', new ActorFault('actor-stopped', 'the test'));
    await settled();
    expect((parked.error as ActorFault).code).to.equal('actor-stopped');
  });

  it('refuses a message that its mailbox has no room for, without effect', async () => {
    const { counters } = bench();
    // Nothing is handled before the state is loaded.
    const kept = Array.from({ length: MAILBOX_MAX }, () => watch(counters.ask('a', 'add', { amount: 1 })));
    const refused = watch(counters.ask('a', 'add', { amount: 1 }));
    await settled();
    expect((refused.error as ActorFault).code).to.equal('mailbox-full');
    expect(kept.map(({ state }) => state)).to.deep.equal(kept.map(() => 'answered'));
    expect(await counters.ask('a', 'sum', {})).to.equal(MAILBOX_MAX);
  });

  it('gets its timer as a message, once', async () => {
    const { counters, scheduler } = bench();
    await counters.ask('a', 'addLater', { amount: 7, delayMs: 50 });
    await scheduler.advance(49);
    expect(await counters.ask('a', 'sum', {})).to.equal(0);
    await scheduler.advance(100);
    expect(await counters.ask('a', 'sum', {})).to.equal(7);
  });

  it('restarts a timer of the same name instead of having two, and stops one', async () => {
    const { counters, scheduler } = bench();
    await counters.ask('a', 'addLater', { amount: 7, delayMs: 50 });
    await counters.ask('a', 'addLater', { amount: 1, delayMs: 80 });
    await scheduler.advance(200);
    expect(await counters.ask('a', 'sum', {})).to.equal(1);
    await counters.ask('a', 'addLater', { amount: 1, delayMs: 80 });
    await counters.ask('a', 'cancelLater', {});
    await scheduler.advance(200);
    expect(await counters.ask('a', 'sum', {})).to.equal(1);
  });

  it('loses its timers with its life', async () => {
    const { counters, scheduler } = bench();
    await counters.ask('a', 'addLater', { amount: 7, delayMs: 50 });
    watch(counters.ask('a', 'crash', {}));
    await scheduler.advance(200);
    expect(await counters.ask('a', 'sum', {})).to.equal(0);
  });
});
