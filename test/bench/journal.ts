// Measures the journal store alone, through ShardLog, beside a nats-server of its own: throughput by batch size, replicas
// and sync, latency at 1,000 appends a second, takeover of a full shard, sequential reads. CPU time of this process and of
// the servers stands beside the rates: it says more than they do on a machine that others use, too.
// Run: npx tsx test/bench/journal.ts [name part]   (environment: SARGASSO_BENCH_SECONDS)

import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { type BatchEntry, type PartitionKey, partitionKey, type ShardLog } from '../../src/actors/shard/ports.ts';
import { type JournalStore, openJournalStore } from '../../src/storage/journal/store.ts';
import { batch } from '../storage/batches.ts';
import { type NatsProcesses, startNats, startNatsCluster } from '../support/nats-process.ts';

// As cluster/main.ts does.
setFlagsFromString('--no-incremental-marking');

const TOPIC = 'AAAAAAAAAAAAAAAAAAAAAQ';
const SECONDS = Number(process.env.SARGASSO_BENCH_SECONDS ?? 4);
const SHARDS = 48;
const END = 1n << 62n;
const only = process.argv[2] ?? '';

interface Lane {
  readonly log: ShardLog;
  readonly partition: PartitionKey;
  next: bigint;
}

function report(name: string, figures: Record<string, string | number>): void {
  const text = Object.entries(figures).map(([key, value]) => `${key} ${value}`);
  console.log(`${name.padEnd(40)} ${text.join('  ')}`);
}

/** User and system time of processes, ms (Linux: ticks of 10 ms). */
function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) * 10;
  }, 0);
}

let prefixes = 0;
function open(nats: NatsProcesses, replicas: 1 | 3): Promise<JournalStore> {
  return openJournalStore({
    servers: nats.addresses,
    streamPrefix: `bench${++prefixes}`,
    replicas,
    bytesMax: -1,
    batchBytesMax: 4 << 20,
    streamCount: Number(process.env.SARGASSO_BENCH_STREAMS ?? 1),
    logger: { log: (level, event, fields) => level !== 'info' && console.log(level, event, fields) },
  });
}

async function lanes(store: JournalStore, count: number): Promise<Lane[]> {
  const logs = await Promise.all(Array.from({ length: count }, (_, shard) => store.shards.openShard(shard, 0)));
  return logs.map((log, index) => ({ log, partition: partitionKey(TOPIC, index), next: 0n }));
}

/** The batch as the next of the lane's partition; its bytes are those of the template, which are not written twice. */
function nextOf(lane: Lane, template: BatchEntry): BatchEntry {
  const baseOffset = lane.next++;
  return { ...template, partition: lane.partition, baseOffset, lastOffset: baseOffset };
}

async function throughput(
  nats: NatsProcesses,
  store: JournalStore,
  name: string,
  bytes: number,
  shards: number,
): Promise<void> {
  const all = await lanes(store, shards);
  const template = batch(partitionKey(TOPIC, 0), 0n, { bytes });
  const latencies: number[] = [];
  const pids = nats.servers.map(({ pid }) => pid);
  const serverMs = cpuMs(pids);
  const own = process.cpuUsage();
  const startMs = performance.now();
  const endMs = startMs + SECONDS * 1000;
  await Promise.all(
    all.map(async (lane) => {
      while (performance.now() < endMs) {
        const sentMs = performance.now();
        const failed = await lane.log.append([nextOf(lane, template)]).then(
          () => false,
          (error: unknown) => {
            console.log(String(error));
            lane.next--;
            return true;
          },
        );
        if (failed) continue;
        latencies.push(performance.now() - sentMs);
      }
    }),
  );
  const durationMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(own);
  const megabytes = (latencies.length * bytes) / 1e6;
  latencies.sort((a, b) => a - b);
  report(`${name}, ${bytes >> 10} KiB, ${shards} shards`, {
    'appends/s': Math.round((latencies.length / durationMs) * 1000),
    'MB/s': Math.round((megabytes / durationMs) * 1000),
    'p50 ms': latencies[latencies.length >> 1]!.toFixed(2),
    'p99 ms': latencies[Math.floor(latencies.length * 0.99)]!.toFixed(2),
    'node ms/append': ((user + system) / 1000 / latencies.length).toFixed(3),
    'node ms/MB': ((user + system) / 1000 / megabytes).toFixed(2),
    'nats ms/append': ((cpuMs(pids) - serverMs) / latencies.length).toFixed(3),
    'nats ms/MB': ((cpuMs(pids) - serverMs) / megabytes).toFixed(2),
  });
}

async function latency(store: JournalStore, name: string, perSecond: number): Promise<void> {
  const all = await lanes(store, SHARDS);
  const template = batch(partitionKey(TOPIC, 0), 0n, { bytes: 1024 });
  const latencies: number[] = [];
  const startMs = performance.now();
  const pending: Promise<void>[] = [];
  for (let index = 0; index < SECONDS * perSecond; index++) {
    const dueMs = startMs + (index * 1000) / perSecond;
    if (dueMs > performance.now()) await delay(Math.max(0, dueMs - performance.now()));
    const lane = all[index % SHARDS]!;
    const sentMs = performance.now();
    const append = lane.log.append([nextOf(lane, template)]).then(
      () => {
        latencies.push(performance.now() - sentMs);
      },
      (error: unknown) => {
        if (!String(error).includes('in flight')) throw error;
        lane.next--;
      },
    );
    pending.push(append);
  }
  await Promise.all(pending);
  latencies.sort((a, b) => a - b);
  report(`${name}, 1 KiB at ${perSecond}/s`, {
    appends: latencies.length,
    'p50 ms': latencies[latencies.length >> 1]!.toFixed(2),
    'p99 ms': latencies[Math.floor(latencies.length * 0.99)]!.toFixed(2),
  });
}

/** A shard with a million records in 10,000 batches of 100 partitions, and the states of 1,000 groups. */
async function takeover(nats: NatsProcesses, name: string): Promise<void> {
  let store = await open(nats, 1);
  const [first] = await lanes(store, 1);
  const next = new Map<PartitionKey, bigint>();
  for (let index = 0; index < 10_000; index++) {
    const partition = partitionKey(TOPIC, index % 100);
    const base = next.get(partition) ?? 0n;
    next.set(partition, base + 100n);
    const entries = [batch(partition, base, { records: 100, bytes: 10_000 })];
    if (index % 10 === 0) entries.push(batch(partitionKey(TOPIC, 1_000), BigInt(index / 10), { bytes: 400 }));
    await first!.log.append(entries);
  }
  for (let round = 0; round < 3; round++) {
    const startMs = performance.now();
    const log = await store.shards.openShard(0, round + 1);
    const openedMs = performance.now() - startMs;
    for (const partition of next.keys()) {
      await log.describe(partition);
      for await (const _ of log.headers(partition, 0n));
    }
    const loadedMs = performance.now() - startMs;
    for (let from = 0n; from < 1_000n; ) {
      const read = await log.read(partitionKey(TOPIC, 1_000), from, END, 1 << 20, true);
      if (read.length === 0) throw new Error('the groups are not all there');
      from += BigInt(read.reduce((sum, { length }) => sum + length, 0) / 400);
    }
    report(`${name}, 1 M records, 1,000 groups`, {
      'opened ms': openedMs.toFixed(0),
      'headers read ms': loadedMs.toFixed(0),
      'groups read ms': (performance.now() - startMs).toFixed(0),
    });
    if (round === 1) {
      await store.close();
      prefixes--;
      store = await open(nats, 1);
    }
  }
  await store.close();
}

async function reads(
  nats: NatsProcesses,
  store: JournalStore,
  name: string,
  bytes: number,
  total: number,
): Promise<void> {
  const [lane] = await lanes(store, 1);
  const template = batch(lane!.partition, 0n, { bytes });
  for (let index = 0; index < total / bytes; index++) {
    const one = nextOf(lane!, { ...template, bytes: Buffer.from(template.bytes) });
    Buffer.from(one.bytes.buffer, one.bytes.byteOffset, 8).writeBigInt64BE(one.baseOffset);
    await lane!.log.append([one]);
  }
  const pids = nats.servers.map(({ pid }) => pid);
  const serverMs = cpuMs(pids);
  const own = process.cpuUsage();
  const startMs = performance.now();
  let read = 0;
  for (let next = 0n; next < lane!.next; ) {
    const found = await lane!.log.read(lane!.partition, next, END, 1 << 20, true);
    for (const { length } of found) {
      read += length;
      next += BigInt(length / bytes);
    }
  }
  const durationMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(own);
  report(`${name}, read ${bytes >> 10} KiB batches in a row`, {
    'MB/s': Math.round(read / 1000 / durationMs),
    'node ms/MB': ((user + system) / 1000 / (read / 1e6)).toFixed(2),
    'nats ms/MB': ((cpuMs(pids) - serverMs) / (read / 1e6)).toFixed(2),
  });
}

const setups = [
  { name: 'R1', replicas: 1, start: () => startNats() },
  { name: 'R1, sync always', replicas: 1, start: () => startNats({ syncAlways: true }) },
  { name: 'R3', replicas: 3, start: () => startNatsCluster() },
] as const;

for (const { name, replicas, start } of setups) {
  if (!name.includes(only) && only !== '' && !only.startsWith(`${name}:`)) continue;
  const part = only.startsWith(`${name}:`) ? only.slice(name.length + 1) : '';
  const nats = await start();
  try {
    const run = async (what: string, work: (store: JournalStore) => Promise<void>): Promise<void> => {
      if (part !== '' && part !== what) return;
      const store = await open(nats, replicas);
      await work(store);
      await store.close();
    };
    await run('latency', (store) => latency(store, name, 1000));
    for (const bytes of [1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20]) {
      await run(`${bytes >> 10}`, (store) => throughput(nats, store, name, bytes, SHARDS));
    }
    await run('6', (store) => throughput(nats, store, name, 1 << 20, 6));
    await run('read', (store) => reads(nats, store, name, 1 << 10, 20_000_000));
    await run('read', (store) => reads(nats, store, name, 100_000, 500_000_000));
    if (replicas === 1 && (part === '' || part === 'takeover')) await takeover(nats, name);
  } finally {
    await nats.close();
  }
}
process.exit(0);
