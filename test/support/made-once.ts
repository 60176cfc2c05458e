// Something that is fetched or built once on a machine and kept in a folder, whichever test process asks first.
//
// Several may ask at once. A folder that one of them makes is the lock; whoever dies with it is found out by its process id.

import { access, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const pollMs = 200;
/** A lock without a process id in it is given up after so long. */
const namelessMs = 10_000;

/**
 * Makes `result` in `folder` unless it is there.
 * @param make puts it there whole, by renaming
 * @throws Error of `make`, or when another process takes longer than `timeoutMs`
 */
export async function madeOnce(
  folder: string,
  result: string,
  timeoutMs: number,
  make: () => Promise<void>,
): Promise<string> {
  if (await exists(result)) return result;
  await mkdir(folder, { recursive: true });
  const lock = join(folder, 'lock');
  const deadlineMs = Date.now() + timeoutMs;
  while (!(await tryLock(lock))) {
    if (await exists(result)) return result;
    if (Date.now() > deadlineMs) throw new Error(`${lock} is still held after ${timeoutMs} ms; remove it`);
    await delay(pollMs);
  }
  try {
    if (!(await exists(result))) await make();
    return result;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

/** Takes the lock, or takes away one whose owner no longer runs. */
async function tryLock(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (await isAbandoned(lock)) await rm(lock, { recursive: true, force: true });
    return false;
  }
  await writeFile(join(lock, 'pid'), String(process.pid));
  return true;
}

async function isAbandoned(lock: string): Promise<boolean> {
  const pid = Number(await readFile(join(lock, 'pid'), 'utf8').catch(() => ''));
  if (pid > 0) return !isRunning(pid);
  // Its owner has not written its pid yet, or died before it could.
  const ageMs = await stat(lock).then(
    (found) => Date.now() - found.mtimeMs,
    () => 0,
  );
  return ageMs > namelessMs;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
