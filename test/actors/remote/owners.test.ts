// Stories of messages that wait for the owner of their shard.

import { expect } from 'chai';
import { Owners } from '../../../src/actors/remote/owners.ts';
import { StorageFault } from '../../../src/actors/shard/ports.ts';
import { View } from '../../../src/actors/shard/view.ts';
import { SimProcess } from '../../sim/process.ts';
import { SeededRandom } from '../../sim/random.ts';
import { Scheduler, settled } from '../../sim/scheduler.ts';
import { watch } from '../runtime/bench-actor.ts';

const SHARD = 0;
const HANDOVER_WAIT_MS = 400;
const message = { service: 'partition', key: 'k', kind: 'append', message: {}, timeoutMs: 1_000 } as const;

function story(seed: number) {
  const scheduler = new Scheduler(new SeededRandom(seed));
  const view = new View(1, {
    epoch: 1,
    clusterId: 'c',
    shardCount: 1,
    members: [{ nodeId: 1, endpoints: {}, rack: null }],
  });
  const clock = new SimProcess(scheduler, 0);
  const owners = new Owners({ clock, view, mailbox: undefined, handoverWaitMs: HANDOVER_WAIT_MS });
  const state = { open: false, delivered: [] as number[] };
  const send = (number: number) =>
    owners.send(
      SHARD,
      async () => {
        if (!state.open) throw new StorageFault('fenced', 'not open');
        state.delivered.push(number);
        return number;
      },
      message,
    );
  return { scheduler, owners, state, send };
}

describe('a message to the owner of a shard', () => {
  it('goes at once to a shard that is open', async () => {
    const { state, send } = story(1);
    state.open = true;
    expect(await send(1)).to.equal(1);
  });

  it('waits for the shard, and arrives in its order when that is open', async () => {
    const { scheduler, owners, state, send } = story(1);
    const sent = [watch(send(1)), watch(send(2))];
    await scheduler.advance(70);
    sent.push(watch(send(3)));
    await scheduler.advance(10);
    state.open = true;
    owners.changed();
    await settled();
    expect(state.delivered).to.deep.equal([1, 2, 3]);
    expect(sent.map(({ value }) => value)).to.deep.equal([1, 2, 3]);
  });

  it('keeps its order also when nobody tells that the shard is open', async () => {
    // Which of several timers of one instant goes first is drawn from the seed.
    for (let seed = 1; seed <= 20; seed++) {
      const { scheduler, state, send } = story(seed);
      for (const number of [1, 2, 3]) watch(send(number));
      await scheduler.advance(30);
      for (const number of [4, 5]) watch(send(number));
      await scheduler.advance(10);
      state.open = true;
      await scheduler.advance(200);
      expect(state.delivered, `seed ${seed}`).to.deep.equal([1, 2, 3, 4, 5]);
    }
  });

  it('keeps its order when refusals come back in any order, and new ones come meanwhile', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { scheduler, owners, state } = story(seed);
      const random = new SeededRandom(seed).fork('replies');
      const send = (number: number) =>
        owners.send(
          SHARD,
          // Judged in the moment of the call, by its number as the batch of a producer is; what comes of it takes its time.
          () => {
            const { open } = state;
            const early = number !== state.delivered.length + 1;
            if (open && !early) state.delivered.push(number);
            return scheduler.sleep(random.int(1, 40)).then(() => {
              if (!open) throw new StorageFault('fenced', 'not open');
              return early ? 'early' : number;
            });
          },
          message,
          (reply) => reply === 'early',
        );
      const sent = [1, 2, 3, 4].map((number) => watch(send(number)));
      scheduler.after(random.int(10, 200), () => {
        state.open = true;
        owners.changed();
      });
      for (let number = 5; number <= 12; number++) {
        await scheduler.advance(random.int(0, 30));
        sent.push(watch(send(number)));
      }
      await scheduler.advance(1_000);
      expect(state.delivered, `seed ${seed}`).to.deep.equal(sent.map((_, index) => index + 1));
      expect(sent.map(({ value }) => value)).to.deep.equal(state.delivered);
    }
  });

  it('does not wait longer because others wait before it', async () => {
    const { scheduler, send } = story(1);
    const refused = Array.from({ length: 100 }, (_, number) => watch(send(number)));
    await scheduler.advance(HANDOVER_WAIT_MS + 100);
    for (const { error } of refused) expect((error as StorageFault).code).to.equal('fenced');
  });

  it('is refused when nobody has opened the shard in time', async () => {
    const { scheduler, send } = story(1);
    const refused = watch(send(1));
    await scheduler.advance(HANDOVER_WAIT_MS - 10);
    expect(refused.state).to.equal('open');
    await scheduler.advance(100);
    expect((refused.error as StorageFault).code).to.equal('fenced');
  });

  it('is not sent again after a fault that leaves its outcome open', async () => {
    const { scheduler, owners, state } = story(1);
    let deliveries = 0;
    const failing = () => {
      deliveries++;
      return Promise.reject(new StorageFault('outcome-unknown', 'perhaps'));
    };
    state.open = true;
    const refused = watch(owners.send(SHARD, failing, message));
    await scheduler.advance(1_000);
    expect((refused.error as StorageFault).code).to.equal('outcome-unknown');
    expect(deliveries).to.equal(1);
  });
});
