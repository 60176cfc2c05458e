// What the embedded store makes of a directory that its process did not close: torn tails, lost pages, damage.

import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { partitionKey, type ShardLog, StorageFault } from '../../src/actors/shard/ports.ts';
import type { EmbeddedStore } from '../../src/storage/embedded/store.ts';
import { baseOffsets, batch } from './batches.ts';
import { DataDirs, damage } from './data-dirs.ts';

const A = partitionKey('AAAAAAAAAAAAAAAAAAAABA', 0);
const B = partitionKey('AAAAAAAAAAAAAAAAAAAABA', 1);
const END = 1n << 62n;
const MANY = 1 << 30;

async function offsets(store: EmbeddedStore, partition = A): Promise<bigint[]> {
  const log = await store.shards.openShard(0, 0);
  return baseOffsets(await log.read(partition, 0n, END, MANY, true));
}

async function fill(log: ShardLog, from: number, upTo: number, bytes: number, partition = A): Promise<void> {
  for (let offset = from; offset < upTo; offset++) await log.append([batch(partition, BigInt(offset), { bytes })]);
}

async function faultOf(promise: Promise<unknown>): Promise<StorageFault> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof StorageFault) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

function upTo(count: number): bigint[] {
  return Array.from({ length: count }, (_, index) => BigInt(index));
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The descriptor that readdir itself had.
    return '';
  }
}

/** The segment file with the largest number. */
function lastSegment(dataDir: string): string {
  const names = readdirSync(join(dataDir, 'segments')).sort();
  return join(dataDir, 'segments', names[names.length - 1]!);
}

describe('embedded store, recovered', () => {
  const dirs = new DataDirs();
  afterEach(() => dirs.clear());

  it('replays only what is not settled, and nothing after a clean close', async () => {
    const dataDir = await dirs.make();
    const store = await dirs.open(dataDir);
    await fill(await store.shards.openShard(0, 0), 0, 20, 100);
    const killed = await dirs.open(await dirs.image(dataDir));
    expect(killed.opened.recordsReplayed).equal(21);
    expect(await offsets(killed)).deep.equal(upTo(20));
    await store.close();
    const clean = await dirs.open(dataDir);
    expect(clean.opened.recordsReplayed).equal(0);
    expect(await offsets(clean)).deep.equal(upTo(20));
  });

  it('gives no epoch twice, though killed right after opening', async () => {
    let dataDir = await dirs.make();
    const epochs: number[] = [];
    for (let round = 0; round < 4; round++) {
      const store = await dirs.open(dataDir);
      epochs.push((await store.shards.openShard(5, 0)).epoch);
      dataDir = await dirs.image(dataDir);
    }
    expect(new Set(epochs).size).equal(4);
    expect([...epochs].sort((left, right) => left - right)).deep.equal(epochs);
  });

  it('ignores what a killed write left behind the end of a segment file, and writes over it', async () => {
    const dataDir = await dirs.make();
    const store = await dirs.open(dataDir);
    await fill(await store.shards.openShard(0, 0), 0, 3, 20_000);
    const image = await dirs.image(dataDir);
    damage(lastSegment(image), (bytes) =>
      Buffer.concat([bytes, batch(A, 3n, { bytes: 20_000 }).bytes.subarray(0, 7777)]),
    );
    const again = await dirs.open(image);
    expect(await offsets(again)).deep.equal(upTo(3));
    await fill(await again.shards.openShard(0, 0), 3, 6, 20_000);
    expect(await offsets(await dirs.open(await dirs.image(image)))).deep.equal(upTo(6));
  });

  it('ignores a record that a killed write left half done', async () => {
    const dataDir = await dirs.make();
    const store = await dirs.open(dataDir);
    const log = await store.shards.openShard(0, 0);
    await fill(log, 0, 5, 300);
    const before = readFileSync(join(dataDir, 'journal', '0.journal'));
    await log.append([batch(A, 5n, { bytes: 300 }), batch(B, 0n, { bytes: 300 })]);
    const image = await dirs.image(dataDir);
    damage(join(image, 'journal', '0.journal'), (bytes) => {
      const changed = bytes.findIndex((byte, at) => byte !== before[at]);
      before.copy(bytes, changed + 400, changed + 400);
      return bytes;
    });
    const again = await dirs.open(image);
    expect(await offsets(again)).deep.equal(upTo(5));
    expect(await offsets(again, B)).deep.equal([]);
    await fill(await again.shards.openShard(0, 0), 5, 8, 300);
    expect(await offsets(await dirs.open(await dirs.image(image)))).deep.equal(upTo(8));
  });

  it('deletes segment files that no committed batch is in', async () => {
    const dataDir = await dirs.make();
    const store = await dirs.open(dataDir);
    await fill(await store.shards.openShard(0, 0), 0, 2, 30_000);
    const image = await dirs.image(dataDir);
    const orphan = join(image, 'segments', '0000000042.segment');
    writeFileSync(orphan, 'left by a killed append');
    const again = await dirs.open(image);
    await again.close();
    expect(existsSync(orphan)).equal(false);
    expect(await offsets(await dirs.open(image))).deep.equal(upTo(2));
  });

  describe('from damage', () => {
    it('refuses a journal whose middle is damaged, naming the place', async () => {
      const dataDir = await dirs.make();
      const store = await dirs.open(dataDir);
      await fill(await store.shards.openShard(0, 0), 0, 10, 300);
      const image = await dirs.image(dataDir);
      damage(join(image, 'journal', '0.journal'), (bytes) => {
        bytes[1500] = bytes[1500]! ^ 1;
        return bytes;
      });
      const fault = await faultOf(dirs.open(image));
      expect(fault.code).equal('corrupt');
      expect(fault.message).match(/0\.journal at 1\d\d\d: a journal record is damaged/);
    });

    it('answers a read of damaged segment bytes with the file and position, and goes on with the rest', async () => {
      const dataDir = await dirs.make();
      const store = await dirs.open(dataDir);
      const log = await store.shards.openShard(0, 0);
      await fill(log, 0, 3, 40_000);
      await fill(log, 0, 3, 40_000, B);
      const path = join(dataDir, 'segments', '0000000001.segment');
      damage(path, (bytes) => bytes.fill(0, 40_000, 40_100));
      const fault = await faultOf(log.read(A, 1n, END, MANY, true));
      expect(fault.code).equal('corrupt');
      expect(fault.message).include(`${path} at 40000`);
      expect(baseOffsets(await log.read(A, 0n, 1n, MANY, true))).deep.equal([0n]);
      expect(baseOffsets(await log.read(B, 0n, END, MANY, true))).deep.equal(upTo(3));
    });

    it('answers a read of a segment file that is cut or gone', async () => {
      const dataDir = await dirs.make();
      const store = await dirs.open(dataDir);
      await fill(await store.shards.openShard(0, 0), 0, 3, 40_000);
      await store.close();
      const path = join(dataDir, 'segments', '0000000001.segment');
      damage(path, (bytes) => bytes.subarray(0, 90_000));
      const cut = await dirs.open(dataDir);
      const log = await cut.shards.openShard(0, 0);
      expect((await faultOf(log.read(A, 2n, END, MANY, true))).message).include(`${path}: ends at 90000`);
      expect(baseOffsets(await log.read(A, 0n, 2n, MANY, true))).deep.equal([0n, 1n]);
    });

    it('refuses a directory of a later format', async () => {
      const dataDir = await dirs.make();
      await (await dirs.open(dataDir)).close();
      damage(join(dataDir, 'sargasso.json'), (bytes) =>
        Buffer.from(bytes.toString().replace('"format":1', '"format":9')),
      );
      const fault = await faultOf(dirs.open(dataDir));
      expect(fault.code).equal('corrupt');
      expect(fault.message).match(/sargasso\.json: format 9/);
    });
  });

  describe('from a power loss', () => {
    it('has everything acked with fsync', async () => {
      const dataDir = await dirs.make();
      const store = await dirs.open(dataDir, { bootId: 'one' });
      const log = await store.shards.openShard(0, 0);
      for (let offset = 0; offset < 300; offset++) {
        await log.append([batch(A, BigInt(offset), { bytes: [100, 5000, 20_000][offset % 3]! })]);
      }
      const revision = await store.metadata.put('view', Buffer.from('1'), 0);
      const again = await dirs.open(await dirs.image(dataDir), { bootId: 'two' });
      expect(await offsets(again)).deep.equal(upTo(300));
      expect((await again.metadata.get('view'))?.revision).equal(revision);
    });

    it('cuts the journal at the first hole with durability os, and never hands out what was behind', async () => {
      const dataDir = await dirs.make();
      const store = await dirs.open(dataDir, { durability: 'os', bootId: 'one' });
      await fill(await store.shards.openShard(0, 0), 0, 10, 300);
      const image = await dirs.image(dataDir);
      damage(join(image, 'journal', '0.journal'), (bytes) => bytes.fill(0, 1500, 1600));
      const again = await dirs.open(image, { durability: 'os', bootId: 'two' });
      const left = await offsets(again);
      expect(left.length).greaterThan(1).and.lessThan(10);
      expect(left).deep.equal(upTo(left.length));
      expect(dirs.logged).include('storage.journal-cut');
      // The records behind the hole are still there; a record as long as the lost one must not revive them.
      const log = await again.shards.openShard(0, 0);
      await log.append([batch(A, BigInt(left.length), { bytes: 300, seed: 77 })]);
      const third = await dirs.open(await dirs.image(image), { durability: 'os', bootId: 'three' });
      expect(await offsets(third)).deep.equal(upTo(left.length + 1));
    });

    it('cuts the journal at a batch whose segment bytes did not reach the disk', async () => {
      const dataDir = await dirs.make();
      const store = await dirs.open(dataDir, { durability: 'os', bootId: 'one' });
      await fill(await store.shards.openShard(0, 0), 0, 6, 20_000);
      const image = await dirs.image(dataDir);
      damage(join(image, 'segments', '0000000001.segment'), (bytes) => bytes.fill(0, 70_000, 74_000));
      expect(await offsets(await dirs.open(image, { durability: 'os', bootId: 'two' }))).deep.equal(upTo(3));
    });

    it('falls back to the index snapshot before one whose pages did not reach the disk', async () => {
      const dataDir = await dirs.make();
      const store = await dirs.open(dataDir, { bootId: 'one' });
      const index = join(dataDir, 'index', 'data.mdb');
      await fill(await store.shards.openShard(0, 0), 0, 5, 300);
      await store.metadata.put('first', Buffer.from('1'), 0);
      const before = readFileSync(index);
      const put = store.metadata.put('second', Buffer.alloc(20_000, 'x'), 0);
      await new Promise((resolve) => setImmediate(resolve));
      // The transaction is written but not synced; of it only the meta pages get to the disk.
      const after = readFileSync(index);
      expect(after.equals(before)).equal(false);
      const image = await dirs.image(dataDir);
      await put;
      const torn = Buffer.alloc(Math.max(before.length, after.length));
      before.copy(torn);
      after.copy(torn, 0, 0, 2 * 4096);
      writeFileSync(join(image, 'index', 'data.mdb'), torn);
      const again = await dirs.open(image, { bootId: 'two' });
      expect((await again.metadata.get('first'))?.value.toString()).equal('1');
      expect(await again.metadata.get('second')).equal(undefined);
      expect(await offsets(again)).deep.equal(upTo(5));
      await again.metadata.put('second', Buffer.from('2'), 0);
      const third = await dirs.open(await dirs.image(image), { bootId: 'three' });
      expect((await third.metadata.get('second'))?.value.toString()).equal('2');
    });
  });

  it('answers a failed journal write as unknown, refuses what would follow, and is right after the next start', async function () {
    if (process.platform !== 'linux') this.skip();
    const dataDir = await dirs.make();
    const store = await dirs.open(dataDir, { durability: 'os' });
    const log = await store.shards.openShard(0, 0);
    await fill(log, 0, 3, 300);
    const journal = join(dataDir, 'journal', '0.journal');
    const fd = readdirSync('/proc/self/fd').find((one) => linkOf(one) === journal);
    expect(fd, 'descriptor of the journal').not.equal(undefined);
    // In the journal's place a descriptor that cannot be written to.
    closeSync(Number(fd));
    expect(openSync('/dev/null', 'r')).equal(Number(fd));
    expect((await faultOf(log.append([batch(A, 3n)]))).code).equal('outcome-unknown');
    expect((await faultOf(log.append([batch(A, 3n)]))).code).equal('unavailable');
    expect(baseOffsets(await log.read(A, 0n, END, MANY, true))).deep.equal(upTo(3));
    expect((await faultOf(store.shards.openShard(0, 0))).code).equal('unavailable');
    await store.close();
    const again = await dirs.open(dataDir);
    expect(await offsets(again)).deep.equal(upTo(3));
    await fill(await again.shards.openShard(0, 0), 3, 6, 300);
  });

  it('keeps the disk use bounded when the log start follows the end', async () => {
    const dataDir = await dirs.make();
    const store = await dirs.open(dataDir, { durability: 'os' });
    const log = await store.shards.openShard(0, 0);
    for (let offset = 0n; offset < 1500n; offset++) {
      await log.append([batch(A, offset, { bytes: offset % 5n === 0n ? 30_000 : 2000 })]);
      if (offset % 20n === 19n) await log.append([{ kind: 'logStart', partition: A, offset: offset - 10n }]);
    }
    await store.close();
    const bytes = readdirSync(join(dataDir, 'segments')).reduce(
      (sum, name) => sum + statSync(join(dataDir, 'segments', name)).size,
      0,
    );
    expect(bytes, 'segment files').lessThan(1 << 20);
    expect(statSync(join(dataDir, 'index', 'data.mdb')).size, 'index').lessThan(1 << 20);
    const again = await dirs.open(dataDir);
    expect(again.opened.rowsRead, 'rows kept').lessThan(30);
  });
});
