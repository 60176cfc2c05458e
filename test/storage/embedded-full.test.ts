// A full disk: appends get `full` and leave nothing behind, what frees space still goes through, and it works again.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { partitionKey, type ShardLog, type StorageFault } from '../../src/actors/shard/ports.ts';
import type { EmbeddedStore } from '../../src/storage/embedded/store.ts';
import { baseOffsets, batch } from './batches.ts';
import { DataDirs } from './data-dirs.ts';

const A = partitionKey('AAAAAAAAAAAAAAAAAAAABQ', 0);
const B = partitionKey('AAAAAAAAAAAAAAAAAAAABQ', 1);
const END = 1n << 62n;
const MANY = 1 << 30;
const APPENDS_MAX = 20_000;

/** Appends until the disk is full. @returns the offset of the batch that did not go in */
async function fillUp(log: ShardLog, from: bigint, bytes: number): Promise<bigint> {
  for (let offset = from; offset < from + BigInt(APPENDS_MAX); offset++) {
    try {
      await log.append([batch(A, offset, { bytes }), batch(B, offset, { bytes: 100 })]);
    } catch (error) {
      expect((error as StorageFault).code, String(error)).equal('full');
      return offset;
    }
  }
  throw new Error(`${APPENDS_MAX} appends went in`);
}

async function expectWhole(store: EmbeddedStore, end: bigint, start = 0n): Promise<ShardLog> {
  const log = await store.shards.openShard(0, 0);
  const wanted = Array.from({ length: Number(end - start) }, (_, index) => start + BigInt(index));
  expect(baseOffsets(await log.read(A, 0n, END, MANY, true))).deep.equal(wanted);
  expect((await log.describe(B)).nextOffset).equal(end);
  return log;
}

describe('embedded store on a full disk', () => {
  const dirs = new DataDirs();
  let mounted = '';
  afterEach(async () => {
    await dirs.close();
    if (mounted !== '') execFileSync('umount', [mounted]);
    mounted = '';
    await dirs.clear();
  });

  /** A file system of `mebibytes`, or undefined where this process may not mount one. */
  async function smallDisk(mebibytes: number): Promise<string | undefined> {
    const point = await dirs.make();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', point], { stdio: 'pipe' });
    } catch {
      return undefined;
    }
    mounted = point;
    return point;
  }

  for (const durability of ['fsync', 'os'] as const) {
    for (const bytes of [600, 50_000]) {
      it(`keeps what was acked, frees by log start, and goes on: ${bytes} bytes, ${durability}`, async function () {
        this.timeout(60_000);
        const point = await smallDisk(6);
        // The file size limit below shows the same without any privilege.
        if (point === undefined) this.skip();
        const dataDir = join(point, 'data');
        const ballast = join(point, 'ballast');
        writeFileSync(ballast, Buffer.alloc(1 << 20));
        let store = await dirs.open(dataDir, { durability });
        let log = await store.shards.openShard(0, 0);
        const end = await fillUp(log, 0n, bytes);
        expect(Number(end)).greaterThan(10);
        expect((await log.describe(A)).nextOffset).equal(end);
        expect((await log.describe(B)).nextOffset).equal(end);
        expect(baseOffsets(await log.read(A, 0n, END, MANY, true)).length).equal(Number(end));

        // Started again on the full disk, closed in order or killed, it still has everything.
        const killed = await dirs.open(await dirs.image(dataDir), { durability });
        await expectWhole(killed, end);
        await store.close();
        store = await dirs.open(dataDir, { durability });
        log = await expectWhole(store, end);

        // Deleting records needs no space, and gives some back.
        const start = (end * 9n) / 10n;
        await log.append([
          { kind: 'logStart', partition: A, offset: start },
          { kind: 'logStart', partition: B, offset: start },
        ]);
        await log.append([{ kind: 'removal', partition: partitionKey('AAAAAAAAAAAAAAAAAAAABQ', 9) }]);
        expect((await log.describe(A)).logStartOffset).equal(start);
        let next = end;
        for (let tries = 0; next === end; tries++) {
          expect(tries, 'tries until the freed space was there').lessThan(100);
          next = await appendSome(log, end, 5, bytes);
        }
        expect(next).equal(end + 5n);

        // And so does somebody else's deleting.
        const full = await fillUp(log, next, bytes);
        rmSync(ballast);
        next = full;
        for (let tries = 0; next === full; tries++) {
          expect(tries, 'tries until the other space was there').lessThan(100);
          next = await appendSome(log, full, 5, bytes);
        }
        await store.close();
        await expectWhole(await dirs.open(dataDir, { durability }), next, start);
        expect(statfsSync(point).bavail).greaterThan(0);
      });
    }
  }

  /** Appends `count` batches; when the first does not go in yet, waits a little and says so by answering `from`. */
  async function appendSome(log: ShardLog, from: bigint, count: number, bytes: number): Promise<bigint> {
    for (let offset = from; offset < from + BigInt(count); offset++) {
      try {
        await log.append([batch(A, offset, { bytes }), batch(B, offset, { bytes: 100 })]);
      } catch (error) {
        expect((error as StorageFault).code).equal('full');
        expect(offset).equal(from);
        await new Promise((resolve) => setTimeout(resolve, 20));
        return from;
      }
    }
    return from + BigInt(count);
  }

  it('answers `full` at a file size limit, and goes on when that is lifted', async function () {
    this.timeout(60_000);
    const dataDir = await dirs.make();
    const script = new URL('full-child.ts', import.meta.url).pathname;
    // 64 blocks of 1 KiB: less than the journal or a segment file would grow to.
    const command = `ulimit -S -f 64; exec "${process.execPath}" --import tsx "${script}" "${dataDir}"`;
    const child = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (text) => {
      errors += text;
    });
    const closed = once(child, 'close');
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (line.startsWith('full')) execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:unlimited']);
    }
    const [code] = await closed;
    expect(code, errors).equal(0);
    const [full, after] = lines;
    expect(full).match(/^full at \d+$/);
    expect(after).match(/^went on to \d+$/);
    await expectWhole(await dirs.open(dataDir), BigInt(after!.slice('went on to '.length)));
  });
});
