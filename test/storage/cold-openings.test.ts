// When shards are opened in the cold store while shards of the journal are.

import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { ColdOpenings } from '../../src/storage/journal/cold-openings.ts';
import { eventually } from '../clients/waiting.ts';

const waitTimeoutMs = 5_000;

/** Work that ends when it is told to. */
function work() {
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const state = { begun: false, end };
  const run = (): Promise<void> => {
    state.begun = true;
    return ended;
  };
  return { state, run };
}

describe('openings in the cold store', () => {
  it('wait for those of the journal, and a while longer', async () => {
    const openings = new ColdOpenings({ coldOpeningsMax: 2, coldQuietMs: 30, coldWaitMaxMs: 60_000 });
    const journal = work();
    const opening = openings.after(journal.run);
    const cold = work();
    openings.add(cold.run);
    await delay(60);
    expect(cold.state.begun).to.equal(false);
    journal.state.end();
    await opening;
    const openedMs = performance.now();
    expect(cold.state.begun).to.equal(false);
    await eventually('it begins', waitTimeoutMs, async () => {
      expect(cold.state.begun).to.equal(true);
    });
    expect(performance.now() - openedMs).to.be.at.least(29);
    cold.state.end();
  });

  it('do not wait for ever for a journal that does not open', async () => {
    const openings = new ColdOpenings({ coldOpeningsMax: 2, coldQuietMs: 1, coldWaitMaxMs: 40 });
    const journal = work();
    void openings.after(journal.run);
    const cold = work();
    openings.add(cold.run);
    await eventually('it begins', waitTimeoutMs, async () => {
      expect(cold.state.begun).to.equal(true);
    });
    cold.state.end();
    journal.state.end();
  });

  it('are so many at a time, in order, without those that were withdrawn', async () => {
    const openings = new ColdOpenings({ coldOpeningsMax: 2, coldQuietMs: 1, coldWaitMaxMs: 40 });
    const works = Array.from({ length: 5 }, work);
    const withdraw = works.map(({ run }) => openings.add(run));
    const begun = () => works.map(({ state }) => state.begun);
    expect(begun()).to.deep.equal([true, true, false, false, false]);
    withdraw[2]!();
    works[1]!.state.end();
    await eventually('the next begins', waitTimeoutMs, async () => {
      expect(begun()).to.deep.equal([true, true, false, true, false]);
    });
    works[0]!.state.end();
    works[3]!.state.end();
    await eventually('the last begins', waitTimeoutMs, async () => {
      expect(begun()).to.deep.equal([true, true, false, true, true]);
    });
  });
});
