// Talks to kmsg-oracle/, which does all tasks of a test in one run of the process. The go tool keeps what it has built.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Direction } from './messages.ts';

const folder = join(import.meta.dirname, '../kmsg-oracle');
const runMsMax = 120_000;
const answerBytesMax = 512 * 1024 * 1024;

export type Task = (
  | { readonly op: 'reencode' | 'reencodeRecord'; readonly body: Uint8Array }
  | { readonly op: 'random'; readonly seed: bigint }
) & { readonly key: number; readonly version: number; readonly direction: Direction };

export type Answer =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'failed'; readonly reason: string };

function run(command: string, args: readonly string[], input: Buffer): Buffer {
  const done = spawnSync(command, args, { cwd: folder, input, maxBuffer: answerBytesMax, timeout: runMsMax });
  if (done.error !== undefined) {
    const missing = (done.error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Error(
      missing ? `${command} is needed for this test and is not in the PATH` : `${command}: ${done.error}`,
    );
  }
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${done.status}: ${done.stderr}`);
  return done.stdout;
}

function encodeTask(task: Task): Buffer {
  const head = Buffer.alloc(10);
  const payload = task.op === 'random' ? Buffer.alloc(8) : task.body;
  if (task.op === 'random') (payload as Buffer).writeBigInt64BE(task.seed);
  head.writeUInt32BE(6 + payload.length, 0);
  head.writeUInt8({ reencode: 0, random: 1, reencodeRecord: 2 }[task.op], 4);
  head.writeInt16BE(task.key, 5);
  head.writeInt16BE(task.version, 7);
  head.writeUInt8(task.direction === 'request' ? 0 : 1, 9);
  return Buffer.concat([head, payload]);
}

/** Answers in the order of the tasks. */
export function askOracle(tasks: readonly Task[]): Answer[] {
  const output = run('go', ['run', '-buildvcs=false', '.'], Buffer.concat(tasks.map(encodeTask)));
  const answers: Answer[] = [];
  for (let at = 0; at < output.length; ) {
    const length = output.readUInt32BE(at);
    const bytes = output.subarray(at + 5, at + 4 + length);
    const status = output[at + 4];
    if (status === 0) answers.push({ kind: 'bytes', bytes });
    else if (status === 1) answers.push({ kind: 'unknown' });
    else answers.push({ kind: 'failed', reason: bytes.toString() });
    at += 4 + length;
  }
  if (answers.length !== tasks.length) throw new Error(`${answers.length} answers to ${tasks.length} tasks`);
  return answers;
}
