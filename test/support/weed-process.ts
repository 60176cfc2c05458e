// A SeaweedFS on this machine for tests: one process with master, volume server and filer, and one or several SeaweedMQ
// brokers, each a process of its own that a test kills, stops, pauses and starts again by itself.
//
// weed's gRPC ports are its HTTP ports plus 10,000. Everything listens on 127.0.0.1.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StartedProcess } from './child-process.ts';
import { weedBinary } from './weed-binary.ts';

const startTimeoutMs = 60_000;
const portPollMs = 25;
const grpcPortDistance = 10_000;
const portFirst = 10_000;
const portsToChooseFrom = 11_000;
/** Both HTTP and gRPC port of a choice must be free; the chance of a hundred misses is nil. */
const portTriesMax = 100;
/** Kilobytes of address space a weed process may take: it has been seen to grow without bound. */
const addressSpaceMaxKb = 12_000_000;

export interface WeedOptions {
  /** SeaweedMQ brokers; 1 unless given. */
  readonly brokers?: number;
  /** Seconds between the flushes of a broker's window; 1 unless given (weed's own default is 5). */
  readonly flushIntervalSeconds?: number;
  /** Heap at which Go collects harder, for the server and for each broker. */
  readonly memoryLimitMb?: number;
}

/** One process of the cluster. */
export class WeedPiece {
  readonly name: string;
  /** `127.0.0.1:port`: a broker's gRPC address, the server's filer HTTP address. */
  readonly address: string;
  readonly #start: () => Promise<StartedProcess>;
  #process: StartedProcess | undefined;
  #printedBefore = '';

  constructor(name: string, address: string, start: () => Promise<StartedProcess>) {
    this.name = name;
    this.address = address;
    this.#start = start;
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error(`${this.name} does not run`);
    return this.#process.pid;
  }

  output(): string {
    return this.#printedBefore + (this.#process?.output() ?? '');
  }

  /** Starts it, on the same data and port as before, and waits until it accepts connections. */
  async start(): Promise<void> {
    if (this.#process !== undefined && !this.#process.hasEnded) throw new Error(`${this.name} runs already`);
    this.#printedBefore = this.output().slice(-65_536);
    this.#process = await this.#start();
  }

  /** SIGTERM, then waits for the end. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  /** SIGKILL, then waits for the end. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** SIGSTOP: it keeps its connections and answers nothing. */
  async pause(): Promise<void> {
    await this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }
}

export interface WeedCluster {
  readonly master: string;
  readonly filer: { readonly http: string; readonly grpc: string };
  readonly server: WeedPiece;
  readonly brokers: readonly WeedPiece[];
  /** Ends every process and deletes the data. */
  remove(): Promise<void>;
}

/** Starts a cluster on free ports. Give the calling hook a time-out of a minute, and some more on a machine's first time. */
export async function startWeed(options: WeedOptions = {}): Promise<WeedCluster> {
  const weed = await weedBinary();
  const brokerCount = options.brokers ?? 1;
  const ports = await freePorts(3 + brokerCount);
  const [masterPort, volumePort, filerPort, ...brokerPorts] = ports as [number, number, number, ...number[]];
  const dataDir = await mkdtemp(join(tmpdir(), 'sargasso-weed-'));
  await mkdir(join(dataDir, 'data'));
  const master = `127.0.0.1:${masterPort}`;
  const piece = (name: string, port: number, args: readonly string[], until: readonly number[]) =>
    new WeedPiece(name, `127.0.0.1:${port}`, async () => {
      // exec leaves the limit and takes the shell away, so that the pid is weed's.
      const command = `ulimit -v ${addressSpaceMaxKb}; exec "$0" "$@"`;
      const started = new StartedProcess(name, 'bash', ['-c', command, weed, '-logtostderr=true', ...args], {
        cwd: dataDir,
        env: { GOMEMLIMIT: `${options.memoryLimitMb ?? 1024}MiB` },
      });
      try {
        await accepting(started, until);
        return started;
      } catch (error) {
        await started.kill();
        throw error;
      }
    });
  const server = piece(
    'weed server',
    filerPort,
    [
      'server',
      `-dir=${join(dataDir, 'data')}`,
      '-ip=127.0.0.1',
      '-ip.bind=127.0.0.1',
      `-master.port=${masterPort}`,
      `-volume.port=${volumePort}`,
      '-filer',
      `-filer.port=${filerPort}`,
      '-master.telemetry=false',
      '-master.volumeSizeLimitMB=1024',
      '-master.volumePreallocate=false',
      '-volume.max=0',
    ],
    [masterPort, volumePort, filerPort, filerPort + grpcPortDistance],
  );
  const brokers = brokerPorts.map((port, index) =>
    piece(
      `weed mq.broker ${index}`,
      port,
      [
        'mq.broker',
        '-ip=127.0.0.1',
        `-port=${port}`,
        `-master=${master}`,
        `-logFlushInterval=${options.flushIntervalSeconds ?? 1}`,
      ],
      [port],
    ),
  );
  const all = [server, ...brokers];
  const remove = async () => {
    for (const each of all) each.resume();
    await Promise.all(all.map((each) => each.kill()));
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    for (const each of all) await each.start();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    master,
    filer: { http: server.address, grpc: `127.0.0.1:${filerPort + grpcPortDistance}` },
    server,
    brokers,
    remove,
  };
}

async function accepting(started: StartedProcess, ports: readonly number[]): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  for (const port of ports) {
    while (!(await accepts(port))) {
      if (started.hasEnded || Date.now() > deadline)
        throw new Error(`${started.name} does not listen on ${port}:\n${started.output().slice(-4096)}`);
      await delay(portPollMs);
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Ports that are free with their gRPC ports, in a row from a random start. */
async function freePorts(count: number): Promise<number[]> {
  for (let tried = 0; tried < portTriesMax; tried++) {
    const first = portFirst + Math.floor(Math.random() * portsToChooseFrom);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    const free = await Promise.all(ports.flatMap((port) => [isFree(port), isFree(port + grpcPortDistance)]));
    if (free.every(Boolean)) return ports;
  }
  throw new Error(`no ${count} free ports in a row, with those ${grpcPortDistance} above them`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
