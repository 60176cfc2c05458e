// Apache Kafka as one KRaft process on a free port: the broker against which the tests themselves are proven.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { BrokerOptions, BrokerProcess } from './broker-process.ts';
import { StartedProcess } from './child-process.ts';
import { kafkaLibDir } from './kafka-jars.ts';

const startTimeoutMs = 90_000;
const stopTimeoutMs = 60_000;
const probeIntervalMs = 50;
/** Options of the JVM as kafka-run-class.sh sets them, with a heap that leaves room for the clients. */
const jvmOptions = ['-Xms512m', '-Xmx512m', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-Djava.awt.headless=true'];

/** Starts Apache Kafka with a new, formatted log folder and waits until it serves. Give the hook some minutes: it may fetch the jars. */
export async function startKafka(options: BrokerOptions = {}): Promise<BrokerProcess> {
  const libDir = await kafkaLibDir();
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'kafka-')));
  const [port, controllerPort] = await freePorts(2);
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(dataDir, 'log'),
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    ...options.config,
  };
  const config = join(dataDir, 'server.properties');
  await writeFile(
    config,
    Object.entries(properties)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const java = (main: string, ...args: string[]) => ['-cp', `${libDir}/*`, main, ...args];
  const clusterId = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
  const format = java(
    'kafka.tools.StorageTool',
    'format',
    `--cluster-id=${clusterId}`,
    '-c',
    config,
    '--ignore-formatted',
  );
  await promisify(execFile)('java', format, { timeout: startTimeoutMs });

  async function run(): Promise<StartedProcess> {
    const broker = new StartedProcess('Kafka', 'java', [...jvmOptions, ...java('kafka.Kafka', config)], {
      env: options.env,
    });
    try {
      await answering(broker, port!);
      return broker;
    } catch (error) {
      await broker.kill();
      throw error;
    }
  }

  let printedBefore = '';
  let current = await run();
  return {
    port: port!,
    bootstrap: `127.0.0.1:${port}`,
    get pid() {
      return current.pid;
    },
    dataDir,
    output: () => printedBefore + current.output(),
    async stop() {
      await current.stop(stopTimeoutMs);
    },
    async kill() {
      await current.kill();
    },
    async restart() {
      if (!current.hasEnded) await current.stop(stopTimeoutMs);
      printedBefore += current.output();
      current = await run();
    },
    async remove() {
      await current.kill();
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Waits until the broker answers an ApiVersions request: its jars bring no logger, so it says nothing itself. */
async function answering(broker: StartedProcess, port: number): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  while (!(await answers(port))) {
    if (broker.hasEnded) throw new Error(`Kafka ended at its start:\n${broker.output()}`);
    if (Date.now() > deadline) throw new Error(`Kafka does not answer after ${startTimeoutMs} ms:\n${broker.output()}`);
    await delay(probeIntervalMs);
  }
}

function answers(port: number): Promise<boolean> {
  // ApiVersions v0 (KIP-35): length 10, API key 18, version 0, correlation id 0, null client id.
  const request = Buffer.from('0000000a0012000000000000ffff', 'hex');
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.once('data', () => resolve(true));
    socket.once('close', () => resolve(false));
    socket.on('error', () => resolve(false));
    socket.once('data', () => socket.destroy());
  });
}

/** Ports that were free a moment ago: Kafka's listeners cannot be given as port 0 where the controller must know its own. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports = await Promise.all(
    servers.map(async (server) => {
      await new Promise((resolve) => server.once('listening', resolve));
      return (server.address() as { port: number }).port;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
