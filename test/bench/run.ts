// Measures this broker beside Apache Kafka 4.3.1 in one run: the same program against both in turn, case by case and run
// by run, so that a machine whose speed drifts treats both alike. Prints minimum, median and maximum of each figure and
// the ratio of the medians. Never a test: nothing here passes or fails.
//
//   npm run bench -- --peerbench DIR [--runs N] [--cases NAME,NAME] [--setups os,fsync,journal]
//
// Setups: `os` and `fsync` are one node with its embedded store of that durability, the latter beside a Kafka that syncs;
// `journal` is one node whose journal is one nats-server, whose memory and CPU count with the node's.
// DIR holds the source of the measuring program (Go); it is built into .cache/.

import { parseArgs } from 'node:util';
import { startBroker } from '../support/broker-process.ts';
import { startCluster } from '../support/cluster-process.ts';
import { startKafka } from '../support/kafka-process.ts';
import { allSetups, type BenchCase, benchCases, type Setup } from './cases.ts';
import { buildPeerbench, type Figures, runPeerbench } from './peerbench.ts';
import { showSpread, spread } from './spread.ts';

/** One side of the comparison. */
interface Measured {
  readonly bootstrap: string;
  readonly pids: readonly number[];
  remove(): Promise<void>;
}

/** What both sides are told; the rebalance delay would only add a constant to both. */
const common = { 'group.initial.rebalance.delay.ms': '0' };

const { values: options } = parseArgs({
  options: {
    peerbench: { type: 'string' },
    runs: { type: 'string', default: '3' },
    cases: { type: 'string' },
    setups: { type: 'string', default: 'os,fsync,journal' },
  },
});

const runs = Number(options.runs);
const wanted = options.cases?.split(',');
const unknown = wanted?.filter((name) => !benchCases.some((one) => one.name === name)) ?? [];
const setups = options.setups.split(',');
const unknownSetups = setups.filter((name) => !(allSetups as readonly string[]).includes(name));
if (!Number.isInteger(runs) || runs < 1 || unknown.length > 0 || unknownSetups.length > 0) {
  const names = benchCases.map(({ name }) => name).join(', ');
  process.stderr.write(
    `bench: --runs is a whole number from 1; --cases are among ${names}; --setups among ${allSetups.join(', ')}\n`,
  );
  process.exit(2);
}

const program = await buildPeerbench(options.peerbench).catch((error: Error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exit(2);
});
for (const setup of setups as Setup[]) {
  const cases = benchCases.filter(
    ({ name, goals }) => (wanted === undefined || wanted.includes(name)) && goals[setup] !== undefined,
  );
  if (cases.length > 0) await compare(setup, cases);
}

async function start(setup: Setup): Promise<Measured> {
  if (setup !== 'journal') {
    const startMs = Date.now();
    const broker = await startBroker({ config: { ...common, durability: setup }, compiled: true });
    print(`start: ${Date.now() - startMs} ms until it listens`);
    return { bootstrap: broker.bootstrap, pids: [broker.pid], remove: () => broker.remove() };
  }
  const { nats, nodes, bootstrap, close } = await startCluster({ nodes: 1, config: common, compiled: true });
  return { bootstrap, pids: [...nodes, ...nats.servers].map(({ pid }) => pid), remove: close };
}

async function compare(setup: Setup, cases: readonly BenchCase[]): Promise<void> {
  const sync = setup === 'fsync' ? { 'log.flush.interval.messages': '1' } : undefined;
  print(`\n# ${setup} beside Kafka${sync === undefined ? '' : ` with ${JSON.stringify(sync)}`}`);
  const peer = await startKafka({ config: { ...common, ...sync } });
  const kafka: Measured = { bootstrap: peer.bootstrap, pids: [peer.pid], remove: () => peer.remove() };
  const ours = await start(setup);
  try {
    // A JVM is itself only when warm.
    await measure(kafka, ['consume', '-records', '500000', '-partitions', '6']);
    await measure(ours, ['consume', '-records', '100000', '-partitions', '6']);
    for (const one of cases) {
      const figures: { readonly ours: Figures[]; readonly kafka: Figures[] } = { ours: [], kafka: [] };
      for (let run = 0; run < runs; run++) {
        figures.kafka.push(await measure(kafka, one.args));
        figures.ours.push(await measure(ours, one.args));
      }
      report(one, one.goals[setup], figures.ours, figures.kafka);
    }
  } finally {
    await ours.remove();
    await kafka.remove();
  }
}

async function measure(broker: Measured, args: readonly string[]): Promise<Figures> {
  const words = [...args, '-brokers', broker.bootstrap, '-pid', broker.pids.join(',')];
  return runPeerbench(program, words);
}

function report(one: BenchCase, goal: number | undefined, ours: readonly Figures[], kafka: readonly Figures[]): void {
  print(`\n${one.name}: ${one.args.join(' ')}`);
  one.figures.forEach(({ name, better }, index) => {
    const mine = spread(ours.map((figures) => Number(figures[name])));
    const theirs = spread(kafka.map((figures) => Number(figures[name])));
    const ratio = mine.median / theirs.median;
    const aim = index === 0 && goal !== undefined ? `   goal ${better === 'more' ? '>=' : '<='} ${goal}` : '';
    print(
      `  ${name.padEnd(20)} ours ${showSpread(mine)}   kafka ${showSpread(theirs)}   ratio ${ratio.toFixed(2)} (${better} is better)${aim}`,
    );
  });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
