// Opening a data directory: who may, how long it takes, what it says when it cannot.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { partitionKey, StorageFault } from '../../src/actors/shard/ports.ts';
import { lockDirectory } from '../../src/storage/embedded/directory-lock.ts';
import { baseOffsets, batch } from './batches.ts';
import { DataDirs } from './data-dirs.ts';

const A = partitionKey('AAAAAAAAAAAAAAAAAAAABg', 0);
const CHILD = new URL('crash-child.ts', import.meta.url).pathname;

async function messageOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    expect(error).instanceOf(StorageFault);
    return `${(error as StorageFault).code}: ${(error as Error).message}`;
  }
  return 'it opened';
}

describe('embedded store, opened', () => {
  const dirs = new DataDirs();
  afterEach(() => dirs.clear());

  it('makes the directory, with those above it', async () => {
    const dataDir = join(await dirs.make(), 'not', 'yet', 'there');
    await dirs.open(dataDir);
    expect(readdirSync(dataDir)).include.members(['index', 'journal', 'sargasso.json', 'segments']);
  });

  it('refuses a second store on the same directory, in this process too, until the first is closed', async () => {
    const dataDir = await dirs.make();
    const first = await dirs.open(dataDir);
    expect(await messageOf(dirs.open(dataDir))).equal(
      `unavailable: data directory ${dataDir} is in use by another process`,
    );
    await first.close();
    await dirs.open(dataDir);
  });

  it('refuses a directory that another process has, and takes it the moment that one is killed', async function () {
    this.timeout(30_000);
    const dataDir = await dirs.make();
    const child = spawn(process.execPath, ['--import', 'tsx', CHILD, dataDir, 'os', '0', '0', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    for await (const line of createInterface({ input: child.stdout })) {
      if (line !== 'open') continue;
      expect(await messageOf(dirs.open(dataDir))).equal(
        `unavailable: data directory ${dataDir} is in use by another process`,
      );
      child.kill('SIGKILL');
    }
    await closed;
    await dirs.open(dataDir);
  });

  it('locks by the socket file alone where there is nothing better', async () => {
    const dataDir = await dirs.make();
    const release = await lockDirectory(dataDir, 'darwin');
    expect(await messageOf(lockDirectory(dataDir, 'darwin'))).match(/^unavailable: .* is in use by another process$/);
    // As seen from another container with the same volume.
    expect(await messageOf(lockDirectory(dataDir, 'linux'))).match(/^unavailable: .* is in use by another process$/);
    await release();
    await (await lockDirectory(dataDir, 'darwin'))();
  });

  it('locks a directory whose path is longer than a socket address', async function () {
    if (process.platform !== 'linux') this.skip();
    const dataDir = join(await dirs.make(), 'd'.repeat(150));
    mkdirSync(dataDir);
    const release = await lockDirectory(dataDir);
    expect(await messageOf(lockDirectory(dataDir))).match(/^unavailable: .* is in use by another process$/);
    await release();
    expect(readdirSync(dataDir)).deep.equal([]);
  });

  it('says which directory it cannot use, and why', async () => {
    const dataDir = join(await dirs.make(), 'data');
    writeFileSync(dataDir, 'a file');
    expect(await messageOf(dirs.open(dataDir))).match(/^unavailable: data directory .*\/data cannot be used: EEXIST/);
    expect(await messageOf(dirs.open(join(dataDir, 'below')))).match(/^unavailable: .* cannot be used: ENOTDIR/);
  });

  it('says so when it may not write there', async function () {
    // The superuser may write everywhere but in such places.
    const dataDir = process.getuid?.() === 0 ? '/proc/sargasso' : join(await dirs.make(), 'data');
    if (process.getuid?.() === 0 && process.platform !== 'linux') this.skip();
    if (process.getuid?.() !== 0) mkdirSync(dataDir, { mode: 0o500 });
    expect(await messageOf(dirs.open(dataDir))).match(/^unavailable: data directory .* cannot be (used|opened): E/);
    if (process.getuid?.() !== 0) chmodSync(dataDir, 0o700);
  });

  it('reads a few rows of a log of 200,000 batches, not the log', async function () {
    this.timeout(60_000);
    const dataDir = await dirs.make();
    const store = await dirs.open(dataDir, { durability: 'os', limits: {} });
    const log = await store.shards.openShard(0, 0);
    const model = batch(A, 0n, { bytes: 1024 });
    for (let from = 0; from < 200_000; from += 2000) {
      const entries = Array.from({ length: 2000 }, (_, index) => {
        const bytes = Buffer.from(model.bytes);
        const offset = BigInt(from + index);
        bytes.writeBigInt64BE(offset, 0);
        return { ...model, baseOffset: offset, lastOffset: offset, maxTimestampMs: offset, bytes };
      });
      await log.append(entries);
    }
    const image = await dirs.image(dataDir);
    await store.close();
    const clean = await dirs.open(dataDir, { durability: 'os', limits: {} });
    expect(clean.opened).deep.equal({ rowsRead: clean.opened.rowsRead, recordsReplayed: 0 });
    expect(clean.opened.rowsRead).lessThan(30);
    const again = await clean.shards.openShard(0, 0);
    expect((await again.describe(A)).nextOffset).equal(200_000n);
    expect(baseOffsets(await again.read(A, 123_456n, 123_459n, 1 << 20, true))).deep.equal([
      123_456n,
      123_457n,
      123_458n,
    ]);
    // Killed, it has at most a journal to replay.
    const killed = await dirs.open(image, { durability: 'os', limits: {} });
    expect(killed.opened.rowsRead).lessThan(30);
    expect(killed.opened.recordsReplayed).lessThan(110);
    expect((await (await killed.shards.openShard(0, 0)).describe(A)).nextOffset).equal(200_000n);
  });

  it('opens 48 shards with one sync of the journal', async () => {
    const store = await dirs.open(await dirs.make());
    await Promise.all(Array.from({ length: 48 }, (_, shard) => store.shards.openShard(shard, 0)));
    const killed = await dirs.open(await dirs.image((await store.shards.volume()).path));
    expect(killed.opened.recordsReplayed).equal(1);
  });

  it('keeps few files open for many partitions', async () => {
    const dataDir = await dirs.make();
    const store = await dirs.open(dataDir);
    const log = await store.shards.openShard(0, 0);
    const partitions = Array.from({ length: 60 }, (_, index) => partitionKey('AAAAAAAAAAAAAAAAAAAABg', index));
    await log.append(partitions.map((partition) => batch(partition, 0n, { bytes: 20_000 })));
    for (const partition of partitions) {
      expect(baseOffsets(await log.read(partition, 0n, 1n, 1 << 20, true))).deep.equal([0n]);
    }
    if (process.platform === 'linux') {
      const { readlinkSync } = await import('node:fs');
      const open = readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).startsWith(join(dataDir, 'segments'));
        } catch {
          return false;
        }
      });
      expect(open.length).lessThan(20);
    }
  });
});
