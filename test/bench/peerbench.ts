// The measuring program: built from its source into .cache/, run with words, its figures read from its last line.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
/** What one run may take, ms. */
const RUN_TIMEOUT_MS = 180_000;

export type Figures = Readonly<Record<string, unknown>>;

/** @param source folder with its go.mod @returns path of the program @throws Error */
export async function buildPeerbench(source: string | undefined): Promise<string> {
  if (source === undefined || !existsSync(join(source, 'go.mod'))) {
    throw new Error('--peerbench DIR must name the folder of the measuring program (with its go.mod)');
  }
  const cache = resolve('.cache/bench');
  await mkdir(cache, { recursive: true });
  const binary = join(cache, 'peerbench');
  await execute('go', ['build', '-o', binary, '.'], { cwd: resolve(source) });
  return binary;
}

/** @throws Error with what it printed, when what it saw was wrong */
export async function runPeerbench(program: string, words: readonly string[]): Promise<Figures> {
  const { stdout } = await execute(program, words, { timeout: RUN_TIMEOUT_MS });
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Figures;
}
