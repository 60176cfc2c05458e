// Figures of the mailbox: two processes and a nats-server on this machine. `npx tsx test/cluster/mailbox-bench.ts`
// Processor seconds are told of each of the three, since a busy machine says little by the clock.

import { readFileSync } from 'node:fs';

import { type NatsMailbox, openMailbox } from '../../cluster/mailbox/mailbox.ts';
import { systemClock, systemRandom } from '../../cluster/system-ports.ts';
import { startNats } from '../support/nats-process.ts';
import { startMailboxChild } from './mailbox-child-process.ts';
import { requestOf } from './mailbox-world.ts';

const nats = await startNats();
const prefix = `bench-${process.pid}`;
const child = await startMailboxChild(2, prefix, nats.addresses);
const mailbox = await openMailbox({
  servers: nats.addresses,
  subjectPrefix: prefix,
  nodeId: 1,
  clock: systemClock,
  random: systemRandom,
  logger: { log: () => {} },
});

const heartbeat = {
  groupId: 'orders-processor',
  memberId: 'consumer-orders-processor-1-3f0a6c3e-5f6d-4c43-9d3e-2f1b9f5d7a10',
  generationId: 17,
  groupInstanceId: null,
};

/** `count` requests, `parallel` at a time; prints rate and latencies. */
async function run(
  name: string,
  count: number,
  parallel: number,
  ask: (mailbox: NatsMailbox) => Promise<unknown>,
  bytes = 0,
): Promise<void> {
  const latencies: number[] = [];
  let left = count;
  const cpuBefore = cpuSeconds();
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (left-- > 0) {
        const askedMs = performance.now();
        await ask(mailbox);
        latencies.push(performance.now() - askedMs);
      }
    }),
  );
  const seconds = (performance.now() - startMs) / 1000;
  const cpu = cpuSeconds().map((after, at) => after - cpuBefore[at]!);
  latencies.sort((a, b) => a - b);
  const at = (share: number): string => latencies[Math.floor((latencies.length - 1) * share)]!.toFixed(2);
  const units = bytes > 0 ? (count * bytes) / 1e6 : count;
  const unit = bytes > 0 ? 'MB' : '';
  const most = Math.max(...cpu);
  const sum = cpu.reduce((total, one) => total + one, 0);
  const twoCores = Math.min(units / most, (2 * units) / sum);
  const columns = [
    name.padEnd(32),
    `${(units / seconds).toFixed(0).padStart(7)} ${unit}/s`,
    `p50 ${at(0.5)} p99 ${at(0.99)} ms`,
    `cpu of asker, server, asked ${cpu.map((one) => ((one / units) * 1e6).toFixed(1)).join(' ')} us${unit === '' ? '' : `/${unit}`}`,
    `so two free cores: ${twoCores.toFixed(0)} ${unit}/s`,
  ];
  console.log(columns.join('  '));
}

/** Processor seconds of the asking process, the server and the asked one. */
function cpuSeconds(): number[] {
  return [process.pid, nats.servers[0]!.pid, child.process.pid].map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  });
}

const control = (m: NatsMailbox) => m.request(2, requestOf(heartbeat, { kind: 'heartbeat', key: heartbeat.groupId }));
const append = (size: number) => {
  const batch = Buffer.alloc(size, 1);
  return (m: NatsMailbox) =>
    m.request(
      2,
      requestOf(
        { batch, logAppendTimeMs: -1n },
        { service: 'partition', kind: 'append', key: 'AAAAAAAAAAAAAAAAAAAAAQ-0' },
      ),
    );
};
const read = (bytesMax: number) => (m: NatsMailbox) =>
  m.request(
    2,
    requestOf({ fromOffset: 0n, bytesMax }, { service: 'log', kind: 'read', key: 'AAAAAAAAAAAAAAAAAAAAAQ-0' }),
  );

for (let round = 0; round < 2; round++) {
  await run('heartbeats, 1 at a time', 3_000, 1, control);
  await run('heartbeats, 64 at a time', 60_000, 64, control);
  await run('heartbeats, 1,000 at a time', 200_000, 1_000, control);
  await run('appends of 1 KB, 100 at a time', 50_000, 100, append(1_000), 1_000);
  await run('appends of 16 KB, 64 at a time', 40_000, 64, append(16_000), 16_000);
  await run('appends of 1 MB, 1 at a time', 400, 1, append(1_000_000), 1_000_000);
  await run('appends of 1 MB, 6 at a time', 1_500, 6, append(1_000_000), 1_000_000);
  await run('appends of 1 MB, 16 at a time', 1_500, 16, append(1_000_000), 1_000_000);
  await run('reads of 1 MB, 6 at a time', 1_500, 6, read(1 << 20), 1 << 20);
  await run('reads of 8 MB, 6 at a time', 200, 6, read(8 << 20), 8 << 20);
}
await mailbox.close();
await child.end();
await nats.close();
process.exit(0);
