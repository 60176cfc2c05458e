// What tracing costs: small batches, for which a request's own work is least, to a broker without tracing and to one that
// samples 1 % of the requests and exports them, in turn. Prints both, run by run, and the ratios of the medians; CPU a record
// says more than the rate on a machine that does other work.
//
//   npx tsx test/bench/tracing.ts --peerbench DIR [--runs N]

import { parseArgs } from 'node:util';
import { TraceCollector } from '../cluster/trace-collector.ts';
import { startBroker } from '../support/broker-process.ts';
import { buildPeerbench, runPeerbench } from './peerbench.ts';
import { showSpread, spread } from './spread.ts';

const { values: options } = parseArgs({
  options: { peerbench: { type: 'string' }, runs: { type: 'string', default: '5' } },
});
const program = await buildPeerbench(options.peerbench);
const collector = await TraceCollector.start();
const setups = {
  off: {},
  'at 1 %': { 'tracing.endpoint': collector.endpoint, 'tracing.sample.ratio': '0.01' },
} as const;
const figures = {
  off: { rate: [] as number[], cpuUs: [] as number[] },
  'at 1 %': { rate: [] as number[], cpuUs: [] as number[] },
};
for (let run = 0; run < Number(options.runs); run++) {
  for (const name of ['off', 'at 1 %'] as const) {
    const broker = await startBroker({ compiled: true, config: { durability: 'os', ...setups[name] } });
    const words = ['-partitions', '6', '-batch', '16384', '-linger', '0'];
    const at = ['-brokers', broker.bootstrap, '-pid', String(broker.pid)];
    // The first spans load what exports them.
    await runPeerbench(program, ['produce', '-records', '100000', ...words, ...at]);
    const { msg_s, broker_cpu_s, records } = await runPeerbench(program, [
      ...['produce', '-records', '1000000', ...words, ...at],
    ]);
    figures[name].rate.push(Number(msg_s));
    figures[name].cpuUs.push((Number(broker_cpu_s) * 1e6) / Number(records));
    await broker.remove();
  }
}
collector.stop();
for (const name of ['off', 'at 1 %'] as const) {
  const { rate, cpuUs } = figures[name];
  console.log(`${name.padEnd(7)} msg/s ${showSpread(spread(rate))}   us of CPU a record ${showSpread(spread(cpuUs))}`);
}
const ratio = (of: 'rate' | 'cpuUs') => spread(figures['at 1 %'][of]).median / spread(figures.off[of]).median;
console.log(
  `at 1 % / off: msg/s ${ratio('rate').toFixed(3)} (goal > 0.97), CPU ${ratio('cpuUs').toFixed(3)}; ${collector.spans.length} spans`,
);
