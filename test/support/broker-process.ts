// This project's broker as a process of its own, started from source: what tests kill, restart and connect real clients to.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Ended, StartedProcess } from './child-process.ts';

const repositoryRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const startTimeoutMs = 30_000;
const stopTimeoutMs = 20_000;
const listening = /^listening PLAINTEXT:\/\/127\.0\.0\.1:(\d+)$/;
const administered = /^listening (http:\/\/127\.0\.0\.1:\d+)$/;

/** Takes settings of the surrounding shell away, so that a test's broker is configured by the test alone. */
const withoutSettings = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => name.startsWith('SARGASSO_'))
    .map((name) => [name, undefined]),
);

export interface BrokerOptions {
  /** Properties by Kafka's names, e.g. `{ 'num.partitions': '6' }`. */
  readonly config?: Record<string, string>;
  /** Data of an earlier run; a new folder, deleted by `remove`, unless given. */
  readonly dataDir?: string;
  /** A free one unless given. */
  readonly port?: number;
  readonly env?: Record<string, string>;
  /** Runs what `npm run build` has made, as a user does, instead of the sources. */
  readonly compiled?: boolean;
}

/** A running broker: the same shape whether it is this project's or Apache Kafka. */
export interface BrokerProcess {
  readonly port: number;
  /** `127.0.0.1:port` */
  readonly bootstrap: string;
  readonly pid: number;
  readonly dataDir: string;
  /** `http://127.0.0.1:port` of the admin port, if it has one. */
  readonly admin?: string | undefined;
  /** What it printed, over all its starts. */
  output(): string;
  /** SIGTERM, then waits for the end. @throws Error when it does not end with exit code 0 in time. */
  stop(): Promise<void>;
  /** SIGKILL, then waits for the end. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port; after `stop` or `kill`, or as `stop` and start. */
  restart(): Promise<void>;
  /** Ends it, however it stands, and deletes its data if it made the folder itself. */
  remove(): Promise<void>;
}

/** Starts a broker on a free port and waits until it serves. */
export async function startBroker(options: BrokerOptions = {}): Promise<BrokerProcess> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'sargasso-')));
  let printedBefore = '';
  let port = options.port ?? 0;
  let admin: string | undefined;
  let current = await run();

  async function run(): Promise<StartedProcess> {
    // No admin port unless asked for: brokers of several tests run side by side.
    const flags = {
      'admin.listeners': '',
      ...options.config,
      listeners: `PLAINTEXT://127.0.0.1:${port}`,
      'data.dir': dataDir,
    };
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    const main = options.compiled
      ? [join(repositoryRoot, 'dist', 'cluster', 'main.js')]
      : ['--import', 'tsx', join(repositoryRoot, 'cluster', 'main.ts')];
    const started = new StartedProcess('broker', process.execPath, [...main, ...args], {
      cwd: repositoryRoot,
      env: { ...withoutSettings, ...options.env },
      onLine: (line) => {
        admin = administered.exec(line)?.[1] ?? admin;
      },
    });
    try {
      const line = await started.line('that it listens', (text) => listening.test(text), startTimeoutMs);
      port = Number(listening.exec(line)![1]);
      return started;
    } catch (error) {
      await started.kill();
      throw error;
    }
  }

  return {
    get port() {
      return port;
    },
    get bootstrap() {
      return `127.0.0.1:${port}`;
    },
    get pid() {
      return current.pid;
    },
    get admin() {
      return admin;
    },
    dataDir,
    output: () => printedBefore + current.output(),
    async stop() {
      expectCleanEnd(current, await current.stop(stopTimeoutMs));
    },
    async kill() {
      await current.kill();
    },
    async restart() {
      if (!current.hasEnded) expectCleanEnd(current, await current.stop(stopTimeoutMs));
      printedBefore += current.output();
      current = await run();
    },
    async remove() {
      await current.kill();
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function expectCleanEnd(ended: StartedProcess, { code, signal }: Ended): void {
  if (code !== 0) throw new Error(`the broker did not stop cleanly: ${code ?? signal}\n${ended.output().slice(-4096)}`);
}
