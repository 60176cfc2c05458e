// How the last process left the data directory: one small file, replaced whole, read before anything else is opened.

import fs from 'node:fs';
import { join } from 'node:path';
import { StorageFault } from '../../actors/shard/ports.ts';
import { saysFull } from './faults.ts';

export interface RunState {
  /** `creating`: nothing was ever acked; `running`: not closed; `clean`: closed with everything settled. */
  readonly state: 'creating' | 'running' | 'clean';
  /** Layout of everything in the directory. */
  readonly format: 1;
  /** Grows with every start. */
  readonly incarnation: number;
  readonly durability: 'fsync' | 'os';
  /** The operating system's boot the process ran in; empty where there is no telling. */
  readonly bootId: string;
}

const FILE = 'sargasso.json';
/** One sector: written whole or not at all. */
const STATE_BYTES = 512;

/** Undefined for a new directory. @throws StorageFault `corrupt` for one that this program cannot read */
export function readRunState(dataDir: string): RunState | undefined {
  const path = join(dataDir, FILE);
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let state: RunState;
  try {
    state = JSON.parse(text) as RunState;
  } catch (error) {
    throw new StorageFault('corrupt', `${path} is not JSON`, error);
  }
  if (state.format !== 1) {
    throw new StorageFault('corrupt', `${path}: format ${state.format} is not one this version reads (1)`);
  }
  return state;
}

/** Replaces the state; it survives a power loss when this returns. */
export function writeRunState(dataDir: string, state: RunState): void {
  const path = join(dataDir, FILE);
  const text = `${JSON.stringify(state).padEnd(STATE_BYTES - 1)}\n`;
  try {
    write(`${path}.new`, 'w', text);
    fs.renameSync(`${path}.new`, path);
  } catch (error) {
    // On a full disk the sector that is there already is written over: a full store has to start, or nothing frees it.
    if (!saysFull(error) || !fs.existsSync(path)) throw error;
    fs.rmSync(`${path}.new`, { force: true });
    write(path, 'r+', text);
  }
  const directory = fs.openSync(dataDir, 'r');
  try {
    fs.fsyncSync(directory);
  } finally {
    fs.closeSync(directory);
  }
}

function write(path: string, flags: string, text: string): void {
  const fd = fs.openSync(path, flags, 0o644);
  try {
    fs.writeSync(fd, text, 0);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Names this boot of the operating system; empty where it does not say (then every crash counts as a power loss). */
export function bootId(): string {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}
