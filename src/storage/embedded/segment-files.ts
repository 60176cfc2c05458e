// The segment files on disk: owns their descriptors (a bounded number are open) and every read, write, sync and delete
// of them. What is where in a file is for others to know.

import fs from 'node:fs';
import { join } from 'node:path';
import { StorageFault } from '../../actors/shard/ports.ts';
import { SlabPool } from '../slab-pool.ts';

type Done = (error: Error | null) => void;

interface OpenFile {
  readonly fd: number;
  uses: number;
}

// POSIX lets a system bound writev at 16 vectors; Linux and macOS take 1024.
const VECTORS_MAX = 1024;
/** A read of 1 MiB, or one batch of `max.message.bytes` as it is by default. */
const SLAB_BYTES = (1 << 20) + (64 << 10);
const FREE_SLABS_MAX = 16;

export class SegmentFiles {
  private readonly directory: string;
  private readonly openMax: number;
  /** In order of last use. */
  private readonly open = new Map<number, OpenFile>();
  /** Files whose name in the directory may not be durable yet. */
  private readonly unnamed = new Set<number>();
  private readonly buffers = new SlabPool(SLAB_BYTES, FREE_SLABS_MAX);

  constructor(directory: string, openMax: number) {
    this.directory = directory;
    this.openMax = openMax;
    fs.mkdirSync(directory, { recursive: true });
  }

  path(file: number): string {
    return join(this.directory, `${file.toString().padStart(10, '0')}.segment`);
  }

  /** Numbers of the files that are there. */
  list(): number[] {
    return fs
      .readdirSync(this.directory)
      .map((name) => /^(\d{10})\.segment$/.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map(Number);
  }

  /** Makes an empty file. @throws the error of open(2) */
  create(file: number): void {
    const fd = fs.openSync(this.path(file), 'w+');
    this.unnamed.add(file);
    this.keep(file, fd);
  }

  /** Writes `parts` in a row at `position`, whole or with an error. */
  write(file: number, parts: readonly Uint8Array[], position: number, done: Done): void {
    let opened: OpenFile;
    try {
      opened = this.use(file);
    } catch (error) {
      done(error as Error);
      return;
    }
    const finish: Done = (error) => {
      this.unuse(opened);
      done(error);
    };
    writeAll(opened.fd, parts, position, finish);
  }

  /** As `write`, at once: for a few KiB that go to the page cache. @throws */
  writeSync(file: number, parts: readonly Uint8Array[], position: number): void {
    const { fd } = this.lookup(file);
    let rest = parts.slice(0, VECTORS_MAX);
    let taken = rest.length;
    let at = position;
    while (rest.length > 0) {
      const written = fs.writevSync(fd, rest, at);
      at += written;
      rest = without(rest, written);
      if (rest.length === 0) {
        rest = parts.slice(taken, taken + VECTORS_MAX);
        taken += rest.length;
      }
    }
  }

  /** Makes what was written to `file`, and the file's name, survive a power loss. */
  sync(file: number, done: Done): void {
    let opened: OpenFile;
    try {
      opened = this.use(file);
    } catch (error) {
      done(error as Error);
      return;
    }
    const finish: Done = (error) => {
      this.unuse(opened);
      done(error);
    };
    fs.fdatasync(opened.fd, (error) => {
      if (error !== null) finish(error);
      else if (this.unnamed.has(file)) this.syncDirectory(file, finish);
      else finish(null);
    });
  }

  /** `bytes` bytes at `position`. @throws StorageFault `corrupt` when the file is missing or ends before, `unavailable` */
  read(file: number, position: number, bytes: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let opened: OpenFile;
      try {
        opened = this.use(file);
      } catch (error) {
        reject(this.readFault(file, position, error as NodeJS.ErrnoException));
        return;
      }
      const buffer = this.buffers.take(bytes);
      let filled = 0;
      const step = (error: NodeJS.ErrnoException | null, count: number): void => {
        filled += count;
        if (error === null && count > 0 && filled < bytes) {
          fs.read(opened.fd, buffer, filled, bytes - filled, position + filled, step);
          return;
        }
        this.unuse(opened);
        if (error !== null) reject(this.readFault(file, position, error));
        else if (filled < bytes)
          reject(new StorageFault('corrupt', `${this.path(file)}: ends at ${position + filled}`));
        else resolve(buffer);
      };
      fs.read(opened.fd, buffer, 0, bytes, position, step);
    });
  }

  /** Takes back the memory of what `read` gave. */
  reclaim(buffers: readonly Uint8Array[]): void {
    for (const buffer of buffers) this.buffers.giveBack(buffer);
  }

  /** As `read`, at once, for the start; undefined when the bytes are not there. */
  readSync(file: number, position: number, bytes: number): Buffer | undefined {
    try {
      const buffer = Buffer.allocUnsafeSlow(bytes);
      return fs.readSync(this.lookup(file).fd, buffer, 0, bytes, position) === bytes ? buffer : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Deletes the file; one that is not there is deleted already. */
  async remove(file: number): Promise<void> {
    const opened = this.open.get(file);
    if (opened !== undefined) {
      this.open.delete(file);
      // A read in progress keeps its descriptor; the space comes back when that is closed.
      this.closeWhenIdle(opened);
    }
    this.unnamed.delete(file);
    await fs.promises.rm(this.path(file), { force: true });
  }

  close(): void {
    for (const opened of this.open.values()) this.closeWhenIdle(opened);
    this.open.clear();
  }

  private closeWhenIdle(opened: OpenFile): void {
    if (opened.uses === 0) fs.closeSync(opened.fd);
    else setImmediate(() => this.closeWhenIdle(opened));
  }

  private use(file: number): OpenFile {
    const opened = this.lookup(file);
    opened.uses += 1;
    return opened;
  }

  private unuse(opened: OpenFile): void {
    opened.uses -= 1;
    this.trim();
  }

  private lookup(file: number): OpenFile {
    const opened = this.open.get(file);
    if (opened === undefined) return this.keep(file, fs.openSync(this.path(file), 'r+'));
    if (this.open.size > this.openMax / 2) {
      this.open.delete(file);
      this.open.set(file, opened);
    }
    return opened;
  }

  private keep(file: number, fd: number): OpenFile {
    const opened = { fd, uses: 0 };
    this.open.set(file, opened);
    this.trim(file);
    return opened;
  }

  /** Closes those used longest ago until few enough are open; those in use, and `except`, stay. */
  private trim(except = -1): void {
    if (this.open.size <= this.openMax) return;
    for (const [file, opened] of this.open) {
      if (opened.uses > 0 || file === except) continue;
      this.open.delete(file);
      fs.closeSync(opened.fd);
      if (this.open.size <= this.openMax) return;
    }
  }

  private syncDirectory(file: number, done: Done): void {
    fs.open(this.directory, 'r', (error, fd) => {
      if (error !== null) {
        done(error);
        return;
      }
      fs.fsync(fd, (failed) => {
        fs.closeSync(fd);
        if (failed === null) this.unnamed.delete(file);
        done(failed);
      });
    });
  }

  private readFault(file: number, position: number, error: NodeJS.ErrnoException): StorageFault {
    const text = `${this.path(file)} at ${position}: ${error.message}`;
    return new StorageFault(error.code === 'ENOENT' ? 'corrupt' : 'unavailable', text, error);
  }
}

/** Writes all of `parts` in a row at `position`. */
export function writeAll(fd: number, parts: readonly Uint8Array[], position: number, done: Done): void {
  const some = parts.length > VECTORS_MAX ? parts.slice(0, VECTORS_MAX) : parts;
  fs.writev(fd, some, position, (error, written) => {
    if (error !== null) {
      done(error);
      return;
    }
    const rest = without(parts, written);
    if (rest.length === 0) done(null);
    else if (written === 0) done(Object.assign(new Error('write(2) wrote nothing'), { code: 'EIO' }));
    else writeAll(fd, rest, position + written, done);
  });
}

function without(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  let skipped = 0;
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!;
    if (skipped + part.length > written) return [part.subarray(written - skipped), ...parts.slice(index + 1)];
    skipped += part.length;
  }
  return [];
}
