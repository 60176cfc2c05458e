// The simulator against stores that are broken on purpose: seeds have to fail, and for the right reason. So it is shown
// that worlds, clients and checkers together see what they are there to see.

import { expect } from 'chai';
import type { DiskDefect } from './defects.ts';
import { runScenario } from './run.ts';
import { drawScenario } from './scenario.ts';

// A defect of ownership shows in one world of about eighty.
const SEEDS_TRIED = 300;
const TIMEOUT_MS = 300_000;

/** What one of the first seeds says against the defect, once one of the expected checkers speaks. */
async function caughtBy(defect: DiskDefect, expected: readonly string[], nodes: number): Promise<string | undefined> {
  for (let seed = 1; seed <= SEEDS_TRIED; seed++) {
    const { violations } = await runScenario(drawScenario(seed, nodes), { defect });
    const caught = violations.find(({ checker }) => expected.includes(checker));
    if (caught !== undefined) return caught.checker;
  }
  return undefined;
}

describe('a world with a broken store', function () {
  this.timeout(TIMEOUT_MS);

  const cases: [defect: DiskDefect, expected: string[], nodes?: number][] = [
    ['loses-last-append-on-crash', ['lost write', 'inconsistent offsets', 'offset reused', 'commit regressed']],
    ['acknowledges-unwritten', ['lost write', 'hole', 'poll skip']],
    ['forgets-producers', ['duplicate']],
    ['skips-batches', ['poll skip', 'hole']],
    ['hands-out-offsets-again', ['inconsistent offsets', 'offset reused', 'lost write']],
    // Only several nodes have former owners.
    ['acknowledges-fenced', ['lost write', 'inconsistent offsets', 'hole'], 3],
  ];
  for (const [defect, expected, nodes = 1] of cases) {
    it(`that ${defect.replaceAll('-', ' ')} fails`, async () => {
      expect(await caughtBy(defect, expected, nodes)).to.be.oneOf(expected);
    });
  }
});
