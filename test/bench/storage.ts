// Measures the embedded store alone, through ShardLog, in one process: throughput by batch size and durability, latency
// when idle, sequential reads, start. Run: npx tsx test/bench/storage.ts [name part]   (environment: SARGASSO_BENCH_DIR,
// where; SARGASSO_BENCH_SECONDS; SARGASSO_BENCH_LIMITS, JSON to change EmbeddedLimits)

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type PartitionKey, partitionKey, type ShardLog } from '../../src/actors/shard/ports.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../../src/storage/embedded/store.ts';
import { batch } from '../storage/batches.ts';

const TOPIC = 'AAAAAAAAAAAAAAAAAAAAAQ';
const SECONDS = Number(process.env.SARGASSO_BENCH_SECONDS ?? 4);
type Durability = 'fsync' | 'os';

interface Lane {
  readonly log: ShardLog;
  readonly partition: PartitionKey;
  next: bigint;
}

function report(name: string, figures: Record<string, string | number>): void {
  const text = Object.entries(figures).map(([key, value]) => `${key} ${value}`);
  console.log(`${name.padEnd(44)} ${text.join('  ')}`);
}

async function withStore(
  durability: Durability,
  run: (store: EmbeddedStore, dataDir: string) => Promise<void>,
): Promise<void> {
  const dataDir = await mkdtemp(join(process.env.SARGASSO_BENCH_DIR ?? tmpdir(), 'sargasso-bench-'));
  const logger = { log: (level: string, event: string, fields?: object) => console.log(level, event, fields) };
  const limits = JSON.parse(process.env.SARGASSO_BENCH_LIMITS ?? '{}');
  const store = await openEmbeddedStore({ dataDir, durability, logger, limits });
  try {
    await run(store, dataDir);
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function lanes(store: EmbeddedStore, partitions: number, shards: number): Promise<Lane[]> {
  const logs = await Promise.all(Array.from({ length: shards }, (_, shard) => store.shards.openShard(shard, 0)));
  return Array.from({ length: partitions }, (_, index) => ({
    log: logs[index % shards]!,
    partition: partitionKey(TOPIC, index),
    next: 0n,
  }));
}

/** Bytes whose base offset is patched for each append, as a broker does; one a lane, alternating while one is in flight. */
function template(bytes: number): ReturnType<typeof batch> {
  return batch(partitionKey(TOPIC, 0), 0n, { bytes, timestampMs: 1n });
}

/** Every shard appends as soon as its last append is done, `perAppend` batches for each of its partitions at a time. */
async function throughput(
  name: string,
  durability: Durability,
  options: { bytes: number; partitions: number; shards: number; perAppend?: number },
): Promise<void> {
  await withStore(durability, async (store) => {
    const all = await lanes(store, options.partitions, options.shards);
    const model = template(options.bytes);
    const perAppend = options.perAppend ?? 1;
    const byShard = new Map<ShardLog, Lane[]>();
    for (const lane of all) byShard.set(lane.log, [...(byShard.get(lane.log) ?? []), lane]);
    let batches = 0;
    let stop = false;
    let rssMax = 0;
    const rss = setInterval(() => {
      rssMax = Math.max(rssMax, process.memoryUsage.rss());
    }, 100);
    const work = async (log: ShardLog, own: Lane[]): Promise<void> => {
      const copies = own.map(() => Array.from({ length: perAppend }, () => Buffer.from(model.bytes)));
      while (!stop) {
        const entries = own.flatMap((lane, index) =>
          copies[index]!.map((bytes) => {
            bytes.writeBigInt64BE(lane.next, 0);
            const offset = lane.next;
            lane.next += 1n;
            return {
              ...model,
              partition: lane.partition,
              baseOffset: offset,
              lastOffset: offset,
              maxTimestampMs: offset,
              bytes,
            };
          }),
        );
        await log.append(entries);
        batches += entries.length;
      }
    };
    const cpu = process.cpuUsage();
    const loop = performance.eventLoopUtilization();
    const start = performance.now();
    const done = [...byShard].map(([log, own]) => work(log, own));
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    stop = true;
    await Promise.all(done);
    const seconds = (performance.now() - start) / 1000;
    clearInterval(rss);
    const used = process.cpuUsage(cpu);
    report(`${name} [${durability}]`, {
      'batches/s': Math.round(batches / seconds),
      'MB/s': Math.round((batches * options.bytes) / seconds / 1e6),
      loop: performance.eventLoopUtilization(loop).utilization.toFixed(2),
      cpu: ((used.user + used.system) / 1e6 / seconds).toFixed(2),
      'rss MB': Math.round(rssMax / 1e6),
    });
  });
}

function quantile(sorted: readonly number[], share: number): string {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(3);
}

async function latency(name: string, durability: Durability, bytes: number): Promise<void> {
  await withStore(durability, async (store) => {
    const [lane] = await lanes(store, 1, 48);
    const model = template(bytes);
    const times: number[] = [];
    const until = performance.now() + SECONDS * 1000;
    let due = performance.now();
    while (performance.now() < until) {
      due += 1;
      // A timer sleeps too long; waiting on the check phase keeps the loop polling, as sockets do.
      while (performance.now() < due) await new Promise((resolve) => setImmediate(resolve));
      const copy = Buffer.from(model.bytes);
      copy.writeBigInt64BE(lane!.next, 0);
      const start = performance.now();
      await lane!.log.append([
        { ...model, partition: lane!.partition, baseOffset: lane!.next, lastOffset: lane!.next, bytes: copy },
      ]);
      times.push(performance.now() - start);
      lane!.next += 1n;
    }
    times.sort((left, right) => left - right);
    report(`${name} [${durability}]`, {
      'p50 ms': quantile(times, 0.5),
      'p99 ms': quantile(times, 0.99),
      'p99.9 ms': quantile(times, 0.999),
    });
  });
}

async function reads(name: string, batchBytes: number, readBytes: number): Promise<void> {
  await withStore('os', async (store) => {
    const all = await lanes(store, 6, 6);
    const model = template(batchBytes);
    const each = Math.ceil((96 << 20) / batchBytes);
    for (const lane of all) {
      for (let count = 0; count < each; ) {
        const entries = Array.from({ length: Math.min(64, each - count) }, (_, index) => {
          const bytes = Buffer.from(model.bytes);
          const offset = lane.next + BigInt(index);
          bytes.writeBigInt64BE(offset, 0);
          return { ...model, partition: lane.partition, baseOffset: offset, lastOffset: offset, bytes };
        });
        await lane.log.append(entries);
        lane.next += BigInt(entries.length);
        count += entries.length;
      }
    }
    for (const round of ['first', 'second']) {
      let bytes = 0;
      const cpu = process.cpuUsage();
      const loop = performance.eventLoopUtilization();
      const start = performance.now();
      await Promise.all(
        all.map(async (lane) => {
          for (let next = 0n; next < lane.next; ) {
            const found = await lane.log.read(lane.partition, next, lane.next, readBytes, true);
            for (const buffer of found) bytes += buffer.length;
            const last = found[found.length - 1]! as Buffer;
            next = last.readBigInt64BE(last.length - batchBytes) + 1n;
          }
        }),
      );
      const seconds = (performance.now() - start) / 1000;
      const used = process.cpuUsage(cpu);
      report(`${name}, ${round} round`, {
        'MB/s': Math.round(bytes / seconds / 1e6),
        loop: performance.eventLoopUtilization(loop).utilization.toFixed(2),
        cpu: ((used.user + used.system) / 1e6 / seconds).toFixed(2),
        'rss MB': Math.round(process.memoryUsage.rss() / 1e6),
      });
    }
  });
}

async function start(batches: number): Promise<void> {
  await withStore('os', async (store, dataDir) => {
    const all = await lanes(store, 6, 6);
    const model = template(1024);
    while (all[0]!.next < BigInt(Math.ceil(batches / 6))) {
      await Promise.all(
        all.map((lane) => {
          const entries = Array.from({ length: 500 }, (_, index) => ({
            ...model,
            partition: lane.partition,
            baseOffset: lane.next + BigInt(index),
            lastOffset: lane.next + BigInt(index),
          }));
          lane.next += 500n;
          return lane.log.append(entries);
        }),
      );
    }
    await store.close();
    const startMs = performance.now();
    const again = await openEmbeddedStore({ dataDir, durability: 'os', logger: { log() {} } });
    const openedMs = performance.now() - startMs;
    await Promise.all(Array.from({ length: 48 }, (_, shard) => again.shards.openShard(shard, 0)));
    report(`start with ${batches} batches and 48 shards`, {
      'open ms': openedMs.toFixed(1),
      'with shards ms': (performance.now() - startMs).toFixed(1),
      rows: again.opened.rowsRead,
    });
    await again.close();
  });
}

const BOTH: readonly Durability[] = ['os', 'fsync'];
const scenarios: [string, () => Promise<void>][] = [
  ...BOTH.flatMap((durability): [string, () => Promise<void>][] => [
    [
      `big-${durability}`,
      () => throughput('1 MB batches, 6 partitions', durability, { bytes: 1_000_000, partitions: 6, shards: 6 }),
    ],
    [
      `medium-${durability}`,
      () => throughput('16 KiB batches, 6 partitions', durability, { bytes: 16 << 10, partitions: 6, shards: 6 }),
    ],
    [
      `medium4-${durability}`,
      () =>
        throughput('16 KiB batches, 4 an append, 6 partitions', durability, {
          bytes: 16 << 10,
          partitions: 6,
          shards: 6,
          perAppend: 4,
        }),
    ],
    [
      `tiny-${durability}`,
      () =>
        throughput('200 B batches, 50 partitions, 48 shards', durability, { bytes: 200, partitions: 50, shards: 48 }),
    ],
    [`latency-${durability}`, () => latency('1,000 appends/s of 1 KiB', durability, 1024)],
  ]),
  ['read-big', () => reads('reads of 1 MB, 1 MB batches', 1_000_000, 1 << 20)],
  ['read-medium', () => reads('reads of 1 MB, 16 KiB batches', 16 << 10, 1 << 20)],
  ['read-small', () => reads('reads of 1 MB, 1 KiB batches', 1024, 1 << 20)],
  ['start', () => start(200_000)],
];
const wanted = process.argv[2] ?? '';
for (const [name, run] of scenarios) if (name.includes(wanted)) await run();
