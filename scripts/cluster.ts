// A whole cluster on this machine: nats-server, SeaweedFS with a SeaweedMQ broker, and three nodes, until Ctrl-C.
//
//   npm run cluster -- [--nodes=3] [--nats=1|3] [--storage=seaweed|journal] [--port=9092]
//
// nats-server and weed are those on PATH (or of NATS_SERVER and WEED), else they are fetched into .cache/ once. All data are
// deleted at the end. The cluster runs in a process group of its own, or Ctrl-C would end NATS before the nodes that need it.

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startCluster } from '../test/support/cluster-process.ts';

const EXIT_USAGE = 2;
const usage = 'npm run cluster -- [--nodes=3] [--nats=1|3] [--storage=seaweed|journal] [--port=9092]';

interface Wanted {
  readonly nodes: number;
  readonly natsServers: 1 | 3;
  readonly seaweed: boolean;
  readonly port: number;
}

function readWanted(): Wanted {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { nodes: text, nats: text, storage: text, port: text } });
  const { nodes = '3', nats = '1', storage = 'seaweed', port = '9092' } = values;
  const lastPort = 65_536 - Number(nodes);
  const check = (name: string, value: string, isAllowed: boolean, allowed: string) => {
    if (!isAllowed) throw new Error(`--${name}=${value} is not allowed, but ${allowed}`);
  };
  check('nodes', nodes, /^[1-9]$/.test(nodes), '1 to 9');
  check('nats', nats, ['1', '3'].includes(nats), '1 or 3');
  check('storage', storage, ['journal', 'seaweed'].includes(storage), 'seaweed or journal');
  check('port', port, /^[1-9][0-9]{0,4}$/.test(port) && Number(port) <= lastPort, `1 to ${lastPort}`);
  return {
    nodes: Number(nodes),
    natsServers: nats === '3' ? 3 : 1,
    seaweed: storage === 'seaweed',
    port: Number(port),
  };
}

/** The program's path, if it is on PATH. */
function onPath(program: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

async function run({ nodes, natsServers, seaweed, port }: Wanted): Promise<void> {
  process.env.NATS_SERVER ??= onPath('nats-server') ?? '';
  process.env.WEED ??= onPath('weed') ?? '';
  const stopped = new Promise<void>((resolve) => {
    // A second one must not end it before all that it has started is stopped.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve());
    // The process that the user sees has gone.
    process.once('disconnect', () => resolve());
  });
  console.log('starting; the first time, what is not on PATH is fetched, and nats-server built');
  const cluster = await startCluster({
    nodes,
    natsServers,
    firstPort: port,
    weed: seaweed ? { flushIntervalSeconds: 5 } : undefined,
    config: { 'admin.listeners': 'http://127.0.0.1:0' },
  });
  for (const [index, node] of cluster.nodes.entries()) {
    const admin = /^listening (http:\S+)$/m.exec(node.output())?.[1];
    console.log(`node ${index + 1}    ${node.bootstrap}    health and metrics ${admin}    pid ${node.pid}`);
  }
  for (const server of cluster.nats.servers) console.log(`NATS      ${server.address}    pid ${server.pid}`);
  if (cluster.weed !== undefined) {
    console.log(`SeaweedFS filer http://${cluster.weed.filer.http}    pid ${cluster.weed.server.pid}`);
    for (const broker of cluster.weed.brokers) console.log(`SeaweedMQ ${broker.address}    pid ${broker.pid}`);
  }
  console.log(`\nbootstrap servers: ${cluster.bootstrap}\nCtrl-C stops everything and deletes its data`);
  await stopped;
  console.log('stopping');
  await Promise.allSettled(cluster.nodes.map((node) => node.stop()));
  await cluster.close();
}

/** Runs the cluster in a process group of its own, and passes Ctrl-C on to it. */
function runApart(): void {
  const child = spawn(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)],
    {
      detached: true,
      env: { ...process.env, CLUSTER_APART: '1' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  );
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill('SIGTERM'));
  child.on('exit', (code) => process.exit(code ?? 1));
}

let wanted: Wanted | undefined;
try {
  wanted = readWanted();
} catch (error) {
  console.error(`${(error as Error).message}\n${usage}`);
  process.exitCode = EXIT_USAGE;
}
if (wanted !== undefined && process.env.CLUSTER_APART === undefined) runApart();
else if (wanted !== undefined) {
  await run(wanted).catch((error: Error) => {
    console.error(error.message);
    process.exit(1);
  });
  process.exit(0);
}
