// kcat behind the common command line of the client programs (program.ts).
//
// kcat takes headers, the partition and whether keys and values are null by flags of the whole run, so each stretch of
// records that agree in these is one run of kcat.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { SentRecord } from '../records.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bootstrap: { type: 'string', default: '' },
    topic: { type: 'string', default: '' },
    codec: { type: 'string', default: 'none' },
    idempotent: { type: 'boolean', default: false },
    partitions: { type: 'string', default: '0' },
    count: { type: 'string', default: '0' },
    group: { type: 'string', default: '' },
    'session-timeout-ms': { type: 'string', default: '6000' },
    reset: { type: 'string', default: 'earliest' },
  },
});
const sessionTimeoutMs = Number(flags['session-timeout-ms']);

const recordEnd = Buffer.from('#END#');
const keyEnd = Buffer.from('#KEY#');
/** Partition, offset, timestamp, lengths of key and value (-1 for null) and headers in a line, then key, value, a newline. */
const recordFormat = '%p %o %T %K %S %h\n%k%s\n';

const say = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);
const fail = (error: Error) => {
  say({ event: 'error', message: error.message });
  process.exit(1);
};
process.on('unhandledRejection', fail);

const verbs: Record<string, () => Promise<void>> = { produce, consume, member };
await verbs[positionals[0] ?? '']!();

async function produce(): Promise<void> {
  say({ event: 'started', pid: process.pid });
  let index = 0;
  let stretch: SentRecord[] = [];
  const send = async () => {
    if (stretch.length > 0) await produceStretch(stretch);
    for (const { partition } of stretch) say({ event: 'acked', index: index++, partition, offset: null });
    stretch = [];
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const record: SentRecord = JSON.parse(line);
    if (stretch.length > 0 && flagsOf(stretch[0]!).join() !== flagsOf(record).join()) await send();
    stretch.push(record);
  }
  await send();
}

function flagsOf(record: SentRecord): string[] {
  const headers = record.headers.flatMap(([name, value]) => ['-H', value === null ? name : `${name}=${text(value)}`]);
  const nulls = [...(record.key === null ? [] : ['-K', keyEnd.toString()]), ...(record.value === null ? ['-Z'] : [])];
  return ['-p', String(record.partition), ...nulls, ...headers];
}

async function produceStretch(records: readonly SentRecord[]): Promise<void> {
  const settings = ['acks=all', 'linger.ms=50', `enable.idempotence=${flags.idempotent}`];
  const fixed = ['-P', ...common(settings), '-t', flags.topic, '-z', flags.codec, '-D', recordEnd.toString()];
  const kcat = start([...fixed, ...flagsOf(records[0]!)]);
  const parts = records.flatMap(({ key, value }) => [
    ...(key === null ? [] : [Buffer.from(key, 'base64'), keyEnd]),
    Buffer.from(value ?? '', 'base64'),
    recordEnd,
  ]);
  kcat.stdin.end(Buffer.concat(parts));
  const code = await new Promise((resolve) => kcat.once('close', resolve));
  if (code !== 0) fail(new Error(`kcat -P ended with exit code ${code}`));
}

async function consume(): Promise<void> {
  say({ event: 'started', pid: process.pid });
  const kcat = start(['-C', ...common([]), '-t', flags.topic, '-o', 'beginning', '-e', '-q', '-f', recordFormat]);
  readRecords(kcat.stdout);
  const code = await new Promise((resolve) => kcat.once('close', resolve));
  if (code !== 0) fail(new Error(`kcat -C ended with exit code ${code}`));
}

async function member(): Promise<void> {
  const settings = [
    `session.timeout.ms=${sessionTimeoutMs}`,
    `heartbeat.interval.ms=${sessionTimeoutMs / 8}`,
    'auto.commit.interval.ms=100',
    `auto.offset.reset=${flags.reset === 'none' ? 'error' : flags.reset}`,
  ];
  const kcat = start(['-G', flags.group, ...common(settings), '-u', '-f', recordFormat, flags.topic]);
  say({ event: 'started', pid: kcat.pid });
  readRecords(kcat.stdout);
  createInterface({ input: kcat.stderr }).on('line', (line) => {
    const [, what, list] = /rebalanced .*: (assigned|revoked)(?:: (.*))?$/.exec(line) ?? [];
    if (what === undefined) return void process.stderr.write(`${line}\n`);
    const partitions = [...(list ?? '').matchAll(/\[(\d+)\]/g)].map(([, partition]) => Number(partition));
    say({ event: 'assigned', partitions: what === 'assigned' ? partitions : [] });
  });
  process.once('SIGTERM', () => kcat.kill('SIGTERM'));
  const code = await new Promise((resolve) => kcat.once('close', resolve));
  if (code !== 0) fail(new Error(`kcat -G ended with exit code ${code}`));
}

function common(settings: readonly string[]): string[] {
  return ['-b', flags.bootstrap, ...settings.flatMap((setting) => ['-X', setting])];
}

function start(args: string[]) {
  const kcat = spawn('kcat', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  process.once('exit', () => kcat.kill('SIGKILL'));
  if (!args.includes('-G')) kcat.stderr.pipe(process.stderr);
  return kcat;
}

function readRecords(from: NodeJS.ReadableStream): void {
  let left: Buffer = Buffer.alloc(0);
  from.on('data', (chunk: Buffer) => {
    left = Buffer.concat([left, chunk]);
    for (let rest = takeRecord(left); rest !== undefined; rest = takeRecord(left)) left = rest;
  });
}

/** Says the first record of the output; what follows it, or undefined when it is not whole yet. */
function takeRecord(output: Buffer): Buffer | undefined {
  const lineEnd = output.indexOf('\n');
  if (lineEnd < 0) return undefined;
  const [partition, offset, timestamp, keyLength, valueLength, ...headers] = output
    .toString('utf8', 0, lineEnd)
    .split(' ');
  const keyBytes = Math.max(0, Number(keyLength));
  const valueBytes = Math.max(0, Number(valueLength));
  const keyAt = lineEnd + 1;
  const next = keyAt + keyBytes + valueBytes + 1;
  if (output.length < next) return undefined;
  say({
    event: 'record',
    partition: Number(partition),
    offset: Number(offset),
    timestamp: Number(timestamp),
    key: keyLength === '-1' ? null : output.toString('base64', keyAt, keyAt + keyBytes),
    value: valueLength === '-1' ? null : output.toString('base64', keyAt + keyBytes, next - 1),
    headers: parseHeaders(headers.join(' ')),
  });
  return output.subarray(next);
}

/** kcat prints `name=value,…`, and NULL for null. */
function parseHeaders(printed: string): [string, string | null][] {
  if (printed === '') return [];
  return printed.split(',').map((header) => {
    const [name, value] = header.split('=') as [string, string];
    return [name, value === 'NULL' ? null : Buffer.from(value).toString('base64')];
  });
}

function text(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}
