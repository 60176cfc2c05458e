// docker-compose.yml brought up as a project of its own, so that the volumes of somebody's own cluster stay untouched. The
// published ports are the file's: one project runs at a time.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../clients/waiting.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const project = 'sargasso-test';
const outputBytesMax = 16 << 20;

/** COMPOSE=docker-compose tries version 1. */
const [program = 'docker', ...programArguments] = (process.env.COMPOSE ?? 'docker compose').split(' ');

export const kafkaAddresses = ['127.0.0.1:9092', '127.0.0.1:9093', '127.0.0.1:9094'] as const;
export const adminAddresses = ['127.0.0.1:9644', '127.0.0.1:9645', '127.0.0.1:9646'] as const;
export const network = `${project}_default`;

/** @returns stdout @throws Error with what the command printed, when it fails */
export async function compose(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, [...programArguments, '-p', project, ...args], {
    cwd: root,
    maxBuffer: outputBytesMax,
  });
  return stdout;
}

export async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('docker', [...args], { cwd: root, maxBuffer: outputBytesMax });
  return stdout;
}

/** @returns the container's health, or its state where it is not running */
async function health(service: string): Promise<string> {
  const id = (await compose('ps', '-a', '-q', service).catch(() => compose('ps', '-q', service))).trim();
  if (id === '') return 'absent';
  const [state = '', status = ''] = (
    await docker('inspect', '-f', '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}', id)
  )
    .trim()
    .split(' ');
  return state === 'running' ? status : state;
}

export async function untilHealthy(service: string, timeoutMs: number): Promise<void> {
  await eventually(`${service} healthy`, timeoutMs, async () => {
    const actual = await health(service);
    if (actual !== 'healthy') throw new Error(`it is ${actual}`);
  }).catch(async (error: Error) => {
    const printed = await compose('logs', '--no-color', '--tail', '40', service);
    throw new Error(`${error.message}\n${printed}`, { cause: error });
  });
}

/** What is left of the project: containers, volumes and networks. */
export async function remains(): Promise<string[]> {
  const filter = `label=com.docker.compose.project=${project}`;
  const lists = await Promise.all([
    docker('ps', '-aq', '--filter', filter),
    docker('volume', 'ls', '-q', '--filter', filter),
    docker('network', 'ls', '-q', '--filter', filter),
  ]);
  return lists.flatMap((list) => list.split('\n').filter((line) => line !== ''));
}

export async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return (await response.json()) as T;
}
