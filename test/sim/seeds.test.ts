// The simulator's share of every test run: many seeds, those that have failed before, and the proof that a seed is a seed.

import { expect } from 'chai';
import { faultKindsOf } from './faults.ts';
import { hashOf } from './history.ts';
import { regressions } from './regressions.ts';
import { type RunResult, runScenario } from './run.ts';
import { drawScenario } from './scenario.ts';

/** By the number of nodes. */
const SEEDS = new Map([
  [1, 200],
  [3, 300],
]);
/** Seeds of one test case: small enough for its time-out on a busy machine. */
const SEEDS_PER_CASE = 20;
const CASE_TIMEOUT_MS = 300_000;

function verdictOf({ seed, violations, events }: RunResult, nodes: number): string {
  const lines = violations.slice(0, 5).map(({ checker, what, eventIndex }) => {
    const event = events[eventIndex];
    return `  event ${eventIndex} at ${event?.atMs.toFixed(1)} ms: ${checker}: ${what}`;
  });
  return [
    `seed ${seed} fails; replay it with: npm run sim -- --seed ${seed} --nodes ${nodes} --verbose`,
    ...lines,
  ].join('\n');
}

async function mustPass(seed: number, nodes = 1): Promise<void> {
  const result = await runScenario(drawScenario(seed, nodes));
  if (result.violations.length > 0) throw new Error(verdictOf(result, nodes));
}

describe('the simulator', function () {
  this.timeout(CASE_TIMEOUT_MS);

  it('gives the same history to the same seed, and others to others', async () => {
    const hashes = new Set<string>();
    for (const seed of [7, 21, 62]) {
      const first = await runScenario(drawScenario(seed));
      const second = await runScenario(drawScenario(seed));
      expect(hashOf(second.events)).to.equal(hashOf(first.events));
      expect(second.steps).to.equal(first.steps);
      hashes.add(hashOf(first.events));
    }
    expect(hashes.size).to.equal(3);
  });

  for (const [nodes, seeds] of SEEDS) {
    it(`draws every kind of fault of ${nodesInWords(nodes)}`, () => {
      const scenarios = Array.from({ length: seeds }, (_, index) => drawScenario(index + 1, nodes));
      const kinds = new Set(scenarios.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
      expect(kinds).to.have.all.keys(faultKindsOf(nodes));
    });
  }

  it('draws clients of every kind', () => {
    const scenarios = Array.from({ length: 200 }, (_, index) => drawScenario(index + 1));
    const has = (matches: (scenario: (typeof scenarios)[number]) => boolean) => scenarios.filter(matches).length;
    expect(
      has(({ producers }) => producers.some(({ idempotent, inFlightMax }) => idempotent && inFlightMax > 1)),
    ).to.be.above(50);
    expect(has(({ producers }) => producers.some(({ idempotent }) => !idempotent))).to.be.above(30);
    expect(has(({ members }) => members.some(({ instanceId }) => instanceId !== null))).to.be.above(20);
    expect(has(({ members }) => members.some(({ goes, goMs }) => goes === 'die' && Number.isFinite(goMs)))).to.be.above(
      20,
    );
    expect(has(({ deleteRecordsMeanMs }) => Number.isFinite(deleteRecordsMeanMs))).to.be.above(30);
    expect(has(({ churnMeanMs }) => Number.isFinite(churnMeanMs))).to.be.above(20);
  });

  for (const { seed, nodes = 1, was } of regressions) {
    it(`passes seed ${seed} of ${nodesInWords(nodes)}: ${was}`, () => mustPass(seed, nodes));
  }

  for (const [nodes, seeds] of SEEDS) {
    for (let from = 1; from <= seeds; from += SEEDS_PER_CASE) {
      it(`passes seeds ${from} to ${from + SEEDS_PER_CASE - 1} of ${nodesInWords(nodes)}`, async () => {
        for (let seed = from; seed < from + SEEDS_PER_CASE; seed++) await mustPass(seed, nodes);
      });
    }
  }
});

function nodesInWords(nodes: number): string {
  return nodes === 1 ? 'one node' : `${nodes} nodes`;
}
