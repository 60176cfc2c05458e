// Measures the cold store on SeaweedMQ: moving beside a bare gRPC publisher with messages of the same size, and sequential
// reads. Both publish and then close their stream, which has the broker write everything; short slices of both take turns,
// so that a machine whose speed drifts treats them alike. Never a test.
//
//   npx tsx test/bench/seaweed.ts [--mb 200] [--rounds 7] [--shards 1] [--compress] [--limits JSON]
//
// With --compress the batches hold records of JSON, which the store compresses and the bare publisher does not.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { systemClock } from '../../cluster/system-ports.ts';
import { partitionKey } from '../../src/actors/shard/ports.ts';
import { Brokers, type TopicLeader } from '../../src/storage/seaweed/brokers.ts';
import { SEAWEED_LIMITS } from '../../src/storage/seaweed/limits.ts';
import { type PublishMessageRequest, seaweedMethods } from '../../src/storage/seaweed/protos.ts';
import { SeaweedStore } from '../../src/storage/seaweed/store.ts';
import { startWeed } from '../support/weed-process.ts';

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '7' },
    shards: { type: 'string', default: '1' },
    compress: { type: 'boolean', default: false },
    limits: { type: 'string', default: '{}' },
  },
});
const shards = Number(values.shards);
const runBytes = SEAWEED_LIMITS.runBytesMax;
/** Runs of one shard in one slice. */
const runs = Math.ceil((Number(values.mb) * 1e6) / shards / runBytes);
const namespace = 'bench';
const P = partitionKey('AAAAAAAAAAAAAAAAAAAAAA', 0);
const clockTicksInSecond = 100;

const weed = await startWeed({ flushIntervalSeconds: 5 });
const logger = {
  log(level: string, event: string, fields?: object) {
    if (level === 'error') console.log(level, event, fields);
  },
};
const store = new SeaweedStore({
  brokers: weed.brokers.map((broker) => broker.address),
  filers: [weed.filer],
  namespace,
  clock: systemClock,
  logger,
  compress: values.compress,
  limits: JSON.parse(values.limits),
});
const brokers = new Brokers([weed.brokers[0]!.address], credentials.createInsecure(), SEAWEED_LIMITS);
const body = values.compress ? jsonRecords(runBytes) : randomBytes(runBytes);

/** What orders, clicks and readings look like: names that repeat, values that do not. */
function jsonRecords(bytes: number): Buffer {
  const records: string[] = [];
  for (let size = 0, id = 0; size < bytes; id++) {
    const [first, second, third] = randomBytes(12).toString('hex').match(/.{8}/g)!;
    const record = `{"orderId":"${first}-${second}","customer":{"id":${Number.parseInt(third!, 16)},"country":"${['DE', 'FR', 'PT'][id % 3]}"},"items":[{"sku":"SKU-${(id * 7919) % 100_000}","quantity":${1 + (id % 5)},"priceCents":${(id * 104_729) % 100_000}}],"createdAt":"2026-01-${10 + (id % 20)}T12:${10 + (id % 50)}:00.${100 + (id % 900)}Z","status":"accepted"}`;
    records.push(record);
    size += record.length;
  }
  return Buffer.from(records.join('')).subarray(0, bytes);
}

/** A batch of such bytes: its header apart, so that making it costs nothing. */
function batchPieces(baseOffset: bigint): Uint8Array[] {
  const header = Buffer.from(body.subarray(0, 61));
  header.writeBigInt64BE(baseOffset, 0);
  header.writeInt32BE(runBytes - 12, 8);
  header.writeInt8(2, 16);
  header.writeInt16BE(0, 21);
  header.writeInt32BE(9, 23);
  header.writeBigInt64BE(1_000n, 35);
  return [header, body.subarray(61)];
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / clockTicksInSecond;
}

function residentMb(pid: number): number {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024);
}

interface Slice {
  readonly seconds: number;
  readonly cpu: { node: number; broker: number; server: number };
}

async function measured(work: () => Promise<unknown>): Promise<Slice> {
  const [broker, server] = [weed.brokers[0]!.pid, weed.server.pid];
  const before = [process.cpuUsage(), cpuSeconds(broker), cpuSeconds(server)] as const;
  const startMs = performance.now();
  await work();
  const { user, system } = process.cpuUsage(before[0]);
  return {
    seconds: (performance.now() - startMs) / 1000,
    cpu: {
      node: (user + system) / 1e6,
      broker: cpuSeconds(broker) - before[1],
      server: cpuSeconds(server) - before[2],
    },
  };
}

async function leaderOf(name: string): Promise<TopicLeader> {
  for (;;) {
    const leader = await brokers.configure({ namespace: 'bare', name }).catch(() => undefined);
    if (leader !== undefined) return leader;
    await delay(200);
  }
}

/** A plain client: so many bytes ahead of the acknowledgements as the mover, then half-close and status. */
function publishBare(name: string, leader: TopicLeader, count: number): Promise<void> {
  const { requestSerialize } = seaweedMethods().broker.PublishMessage;
  const stream = brokers.publishStream(leader.address);
  const ahead = Math.floor(SEAWEED_LIMITS.unackedBytesMax / runBytes);
  let sent = 0;
  let acked = -1;
  const init = { topic: { namespace: 'bare', name }, partition: leader.partition, ack_interval: 1, publisher_name: '' };
  stream.write(Buffer.from(requestSerialize({ init })));
  const more = () => {
    for (; sent < count && sent - acked < ahead; sent++) {
      const message = { data: { key: Buffer.alloc(8), value: body, ts_ns: '0' } };
      stream.write(Buffer.from(requestSerialize(message as unknown as PublishMessageRequest)));
    }
  };
  return new Promise((resolve, reject) => {
    stream.on('data', () => {
      if (++acked === count) stream.end();
      else more();
    });
    stream.on('error', reject);
    stream.on('status', () => resolve());
  });
}

const bare: Slice[] = [];
const moved: Slice[] = [];
const read: Slice[] = [];
let position = 0n;
for (let round = 0; round < Number(values.rounds); round++) {
  const names = Array.from({ length: shards }, (_, shard) => `bare-${round}-${shard}`);
  const leaders = await Promise.all(names.map(leaderOf));
  const publishAll = (count: number) =>
    Promise.all(names.map((name, number) => publishBare(name, leaders[number]!, count)));
  // The topics are made before the time is taken, on both sides.
  await publishAll(1);
  bare.push(await measured(() => publishAll(runs)));

  const opened = await Promise.all(names.map((_, shard) => store.openShard(shard, round + 1)));
  const moveAll = (from: bigint, count: number) =>
    Promise.all(
      opened.map(async (shard) => {
        const proofs: Promise<void>[] = [];
        for (let run = 0; run < count; run++) {
          await shard.room();
          const baseOffset = from + BigInt(run * 10);
          const pieces = batchPieces(baseOffset);
          const lastOffset = baseOffset + 9n;
          position++;
          proofs.push(shard.move({ partition: P, baseOffset, lastOffset, maxTimestampMs: 1_000n, position, pieces }));
        }
        await shard.drain(120_000);
        await Promise.all(proofs);
      }),
    );
  const roundStart = BigInt(round * (runs + 1) * 10);
  await moveAll(roundStart, 1);
  const logStart = roundStart + 10n;
  moved.push(await measured(() => moveAll(logStart, runs)));
  const end = logStart + BigInt(runs * 10);
  read.push(
    await measured(() =>
      Promise.all(
        opened.map(async (shard) => {
          for (let next = logStart; next < end; ) {
            const pieces = await shard.read(P, next, end, 4 << 20, true);
            const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
            if (bytes === 0) throw new Error(`nothing at ${next}`);
            next += BigInt((bytes / runBytes) * 10);
          }
        }),
      ),
    ),
  );
  await Promise.all(opened.map((shard) => shard.close()));
}

const sliceMb = (runs * shards * runBytes) / 1e6;
const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1]!;
for (const [name, slices] of Object.entries({ bare, moved, read })) {
  const cpu = (part: 'node' | 'broker' | 'server') =>
    (slices.reduce((sum, slice) => sum + slice.cpu[part], 0) / ((slices.length * sliceMb) / 1000)).toFixed(2);
  const rate = median(slices.map((slice) => sliceMb / slice.seconds)).toFixed(1);
  const best = Math.max(...slices.map((slice) => sliceMb / slice.seconds)).toFixed(1);
  const used = `CPU s per GB: node ${cpu('node')} broker ${cpu('broker')} server ${cpu('server')}`;
  console.log(`${name.padEnd(6)} median ${rate} MB/s  best ${best}  ${used}`);
}
const ratios = moved.map((slice, round) => bare[round]!.seconds / slice.seconds);
console.log(
  `moved / bare: median ${median(ratios).toFixed(2)} of ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}`,
);
const memory = [process.pid, weed.brokers[0]!.pid, weed.server.pid].map(residentMb);
console.log(
  `resident MB: node ${memory[0]} broker ${memory[1]} server ${memory[2]}; resent ${store.status().resentRuns}`,
);
await store.close();
brokers.close();
await weed.remove();
process.exit(0);
