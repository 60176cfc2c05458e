// kill -9 in the middle of appends: every acked group is there, whole; the one in flight is there whole or not at all.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { openEmbeddedStore } from '../../src/storage/embedded/store.ts';
import { observed } from './model.ts';
import { SMALL_LIMITS, WORKLOAD_SHARDS, Workload, workloadPartitions } from './workload.ts';

const ROUNDS = 10;
const CHILD = new URL('crash-child.ts', import.meta.url).pathname;

/** Runs the child until `acksWanted` groups are acked, kills it, and adds what it acked to `acked`. */
async function runAndKill(dataDir: string, durability: string, acked: number[], acksWanted: number): Promise<void> {
  const args = ['--import', 'tsx', CHILD, dataDir, durability, ...acked.map(String)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  let acks = 0;
  const closed = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'open') continue;
    acked[Number(line)]! += 1;
    acks += 1;
    if (acks === acksWanted) child.kill('SIGKILL');
  }
  const [, signal] = await closed;
  expect(signal, `the child ended by itself:\n${errors}`).equal('SIGKILL');
}

/** Opens a copy of what the child left, compares it with the workload, and adds groups that landed unacked to `acked`. */
async function verify(dataDir: string, durability: 'fsync' | 'os', acked: number[]): Promise<void> {
  const copy = `${dataDir}-copy`;
  await cp(dataDir, copy, { recursive: true, filter: (path) => basename(path) !== 'lock' });
  const store = await openEmbeddedStore({ dataDir: copy, durability, logger: { log() {} }, limits: SMALL_LIMITS });
  for (let shard = 0; shard < WORKLOAD_SHARDS; shard++) {
    const log = await store.shards.openShard(shard, 0);
    const partitions = workloadPartitions(shard);
    const found = await Promise.all(partitions.map((partition) => observed(log, partition)));
    const workload = new Workload(shard);
    for (let group = 0; group < acked[shard]!; group++) workload.next();
    const expected = partitions.map((partition) => workload.model.observed(partition));
    workload.next();
    const withNext = partitions.map((partition) => workload.model.observed(partition));
    if (same(found, withNext) && !same(expected, withNext)) acked[shard]! += 1;
    else expect(found, `shard ${shard} after ${acked[shard]} acked groups`).deep.equal(expected);
  }
  await store.close();
  await rm(copy, { recursive: true });
}

function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(left, text) === JSON.stringify(right, text);
}

function text(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

describe('embedded store, killed', () => {
  for (const durability of ['fsync', 'os'] as const) {
    it(`has every acked group whole, ${ROUNDS} times, durability ${durability}`, async function () {
      this.timeout(180_000);
      const dataDir = await mkdtemp(join(tmpdir(), 'sargasso-crash-'));
      const acked = Array.from({ length: WORKLOAD_SHARDS }, () => 0);
      for (let round = 0; round < ROUNDS; round++) {
        await runAndKill(dataDir, durability, acked, 1 + ((round * 211) % 500));
        await verify(dataDir, durability, acked);
      }
      await rm(dataDir, { recursive: true });
    });
  }
});
