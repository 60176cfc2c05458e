// `npm run sim`: runs seeds of the simulator from the command line.
//
//   npm run sim -- --seed 17             one seed: its scenario, faults, and what is wrong
//   npm run sim -- --seed 17 --verbose   the whole history and the node's log besides
//   npm run sim -- --seeds 1..1000       many: those that fail, and a summary
//   … --nodes 3                          the same with three nodes instead of one

import { parseArgs } from 'node:util';
import { faultKinds, printFault } from './faults.ts';
import { hashOf, line } from './history.ts';
import { type RunResult, runScenario } from './run.ts';
import { drawScenario, type Scenario } from './scenario.ts';

const USAGE = 'usage: npm run sim -- --seed N [--verbose] | --seeds A..B [--nodes N]';

function fail(message: string): never {
  process.stderr.write(`${message}\n${USAGE}\n`);
  process.exit(2);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function printScenario({ nodes, faults, ...plan }: Scenario): void {
  print(JSON.stringify(plan, null, 1).replace(/\n\s{3,}/g, ' '));
  const given = [...(nodes[0]?.layers.given ?? [])].map(([name, value]) => `${name}=${value}`);
  print(`${nodes.length} node(s): ${given.join(' ')}`);
  for (const fault of faults) print(printFault(fault));
}

function printVerdict({ seed, violations, events, steps, virtualMs }: RunResult): void {
  const seconds = Math.round(virtualMs / 1_000);
  for (const { checker, what, eventIndex } of violations) print(`  event ${eventIndex}: ${checker}: ${what}`);
  print(
    `seed ${seed}: ${violations.length} violations, ${events.length} events, ${steps} steps, ${seconds} s, ${hashOf(events)}`,
  );
}

async function one(seed: number, nodes: number, verbose: boolean): Promise<boolean> {
  const scenario = drawScenario(seed, nodes);
  printScenario(scenario);
  const result = await runScenario(scenario, {
    log: verbose
      ? (atMs, node, level, event, fields = {}) => {
          const words = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
          print(`${atMs.toFixed(2)} node ${node} ${level} ${[event, ...words].join(' ')}`);
        }
      : undefined,
  });
  if (verbose) for (const event of result.events) process.stdout.write(line(event));
  printVerdict(result);
  return result.violations.length === 0;
}

async function many(from: number, to: number, nodes: number): Promise<boolean> {
  const failed: number[] = [];
  const struck = new Map(faultKinds.map((kind) => [kind, 0]));
  let steps = 0;
  let virtualMs = 0;
  for (let seed = from; seed <= to; seed++) {
    const scenario = drawScenario(seed, nodes);
    const result = await runScenario(scenario);
    for (const { kind } of scenario.faults) struck.set(kind, (struck.get(kind) ?? 0) + 1);
    steps += result.steps;
    virtualMs += result.virtualMs;
    if (result.violations.length === 0) continue;
    failed.push(seed);
    printVerdict({ ...result, violations: result.violations.slice(0, 3) });
  }
  print(`${to - from + 1} seeds, ${Math.round(virtualMs / 60_000)} virtual minutes, ${steps} steps`);
  print([...struck].map(([kind, count]) => `${kind} ${count}`).join(', '));
  print(failed.length === 0 ? 'none failed' : `failed: ${failed.join(' ')}`);
  return failed.length === 0;
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    nodes: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
  },
});
const range = /^([0-9]+)\.\.([0-9]+)$/.exec(values.seeds ?? '');
const nodes = /^[1-9]$/.test(values.nodes)
  ? Number(values.nodes)
  : fail(`--nodes ${values.nodes} is no number from 1 to 9`);
let passed: boolean;
if (values.seed !== undefined && /^[0-9]+$/.test(values.seed))
  passed = await one(Number(values.seed), nodes, values.verbose);
else if (range !== null) passed = await many(Number(range[1]), Number(range[2]), nodes);
else fail('a seed is missing');
process.exit(passed ? 0 : 1);
