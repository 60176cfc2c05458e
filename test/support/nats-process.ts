// nats-server for tests: built once from its Go module into .cache/, started alone or as a cluster of three on free
// loopback ports, and killed, paused or started again by process id.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { StartedProcess } from './child-process.ts';
import { madeOnce } from './made-once.ts';

/** The nats-server release that the tests run. */
export const natsVersion = 'v2.15.2';

const repositoryRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const buildTimeoutMs = 300_000;
const startTimeoutMs = 30_000;

let binary: Promise<string> | undefined;

/**
 * The nats-server binary: `NATS_SERVER` of the environment, or one that `go` builds on the first call on a machine; give
 * the calling hook a time-out of some minutes.
 * @throws Error when `go` is missing or fails, with its output.
 */
export function natsServerBinary(): Promise<string> {
  const given = process.env.NATS_SERVER;
  if (given !== undefined && given !== '') return Promise.resolve(given);
  binary ??= buildOnce(join(repositoryRoot, '.cache', `nats-server-${natsVersion}`)).catch((error: unknown) => {
    binary = undefined;
    throw error;
  });
  return binary;
}

function buildOnce(folder: string): Promise<string> {
  const built = join(folder, 'nats-server');
  return madeOnce(folder, built, buildTimeoutMs, () => build(folder, built));
}

async function build(folder: string, built: string): Promise<void> {
  const work = join(folder, `build-${process.pid}`);
  await mkdir(work, { recursive: true });
  const module = 'github.com/nats-io/nats-server/v2';
  const run = async (args: string[]): Promise<void> => {
    await promisify(execFile)('go', args, { cwd: work, timeout: buildTimeoutMs }).catch((error) => {
      const output = `${error.stdout ?? ''}${error.stderr ?? ''}`;
      throw new Error(`nats-server: go ${args.join(' ')} failed: ${error.message}\n${output}`, { cause: error });
    });
  };
  try {
    await writeFile(join(work, 'go.mod'), 'module sargasso.test/nats-server\n\ngo 1.24\n');
    await run(['get', `${module}@${natsVersion}`]);
    await run(['build', '-mod=mod', '-o', 'nats-server', module]);
    await rename(join(work, 'nats-server'), built);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

export interface NatsOptions {
  /** JetStream's `sync_interval: always`. */
  readonly syncAlways?: boolean;
  /** Default 8 MiB. */
  readonly maxPayload?: number;
  /** JetStream's `max_file_store`; default 64 GiB. */
  readonly maxFileStore?: number;
  /** More lines of the configuration file. */
  readonly extra?: string;
}

/** One nats-server: its ports and data outlive a kill, so that it can be started again. */
export class NatsServer {
  readonly name: string;
  readonly port: number;
  readonly #configPath: string;
  #process: StartedProcess | undefined;

  constructor(name: string, port: number, configPath: string) {
    this.name = name;
    this.port = port;
    this.#configPath = configPath;
  }

  /** host:port of its client listener. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error(`${this.name} does not run`);
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process !== undefined && !this.#process.hasEnded;
  }

  /** What it logged since it was started last. */
  output(): string {
    return this.#process?.output() ?? '';
  }

  /** Starts it and waits until it takes connections. */
  async start(): Promise<void> {
    this.#process = new StartedProcess(this.name, await natsServerBinary(), ['-c', this.#configPath]);
    const deadline = Date.now() + startTimeoutMs;
    while (!(await listens(this.port))) {
      if (this.#process.hasEnded || Date.now() > deadline) {
        throw new Error(`${this.name} does not listen on ${this.port}:\n${this.output()}`);
      }
      await delay(20);
    }
  }

  async stop(): Promise<void> {
    if (this.running) await this.#process!.stop();
  }

  /** kill -9. */
  async kill(): Promise<void> {
    if (this.running) await this.#process!.kill();
  }

  async pause(): Promise<void> {
    await this.#process!.pause();
  }

  resume(): void {
    this.#process!.resume();
  }
}

/** Servers that were started together, and their data. */
export class NatsProcesses {
  readonly servers: readonly NatsServer[];
  readonly #folder: string;

  constructor(servers: readonly NatsServer[], folder: string) {
    this.servers = servers;
    this.#folder = folder;
  }

  /** The address of every server, as a client wants them. */
  get addresses(): string[] {
    return this.servers.map((server) => server.address);
  }

  /** Ends all and deletes their data. */
  async close(): Promise<void> {
    // A stopped process does not end on SIGTERM, and its data are not needed any more.
    await Promise.all(this.servers.map((server) => server.kill()));
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** One server with JetStream. */
export async function startNats(options: NatsOptions = {}): Promise<NatsProcesses> {
  const folder = await mkdtemp(join(tmpdir(), 'sargasso-nats-'));
  const [port] = await freePorts(1);
  const path = join(folder, 'server.conf');
  await writeFile(path, configuration('n0', port!, join(folder, 'n0'), options));
  const server = new NatsServer('nats-server n0', port!, path);
  await server.start();
  return new NatsProcesses([server], folder);
}

/** Three servers that form a cluster with JetStream; resolves when they have elected a meta leader. */
export async function startNatsCluster(options: NatsOptions = {}): Promise<NatsProcesses> {
  const folder = await mkdtemp(join(tmpdir(), 'sargasso-nats-'));
  const ports = await freePorts(6);
  const routes = [3, 4, 5].map((at) => `nats://127.0.0.1:${ports[at]}`).join(', ');
  const servers: NatsServer[] = [];
  for (const index of [0, 1, 2]) {
    const path = join(folder, `server${index}.conf`);
    const cluster = `cluster { name: test, listen: "127.0.0.1:${ports[index + 3]}", routes: [${routes}] }\n`;
    const name = `n${index}`;
    await writeFile(path, configuration(name, ports[index]!, join(folder, name), options) + cluster);
    servers.push(new NatsServer(`nats-server ${name}`, ports[index]!, path));
  }
  await Promise.all(servers.map((server) => server.start()));
  const processes = new NatsProcesses(servers, folder);
  const deadline = Date.now() + startTimeoutMs;
  while (!servers.some((server) => /JetStream cluster new metadata leader/.test(server.output()))) {
    if (Date.now() > deadline) {
      const output = servers.map((server) => server.output()).join('\n');
      await processes.close();
      throw new Error(`the NATS cluster has no meta leader:\n${output}`);
    }
    await delay(50);
  }
  return processes;
}

function configuration(name: string, port: number, storeDir: string, options: NatsOptions): string {
  const { syncAlways = false, maxPayload = 8 << 20, maxFileStore = 64 * 2 ** 30, extra = '' } = options;
  return [
    `server_name: ${name}`,
    `listen: "127.0.0.1:${port}"`,
    `max_payload: ${maxPayload}`,
    'jetstream {',
    `  store_dir: "${storeDir}"`,
    `  max_file_store: ${maxFileStore}`,
    syncAlways ? '  sync_interval: always' : '',
    '}',
    extra,
    '',
  ].join('\n');
}

/** Ports that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    // The server greets with INFO once it takes clients.
    socket.once('data', () => end(true));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    socket.setTimeout(1000, () => end(false));
  });
}
