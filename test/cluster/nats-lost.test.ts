// Nodes that lose NATS serve nobody meanwhile, lose nothing, and come back with it; and clients that know only one address.

import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Command } from '../clients/program.ts';
import { goProgram } from '../clients/toolchain.ts';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';
import { freePorts } from '../support/nats-process.ts';
import { Load } from './load.ts';

const setUpTimeoutMs = 360_000;
const testTimeoutMs = 150_000;
const config = {
  'failure.detection.ms': '2000',
  'group.initial.rebalance.delay.ms': '100',
  'group.min.session.timeout.ms': '1000',
};

describe('a cluster that loses NATS under load', () => {
  let command: Command;
  let cluster: ClusterProcesses;
  let load: Load | undefined;

  before(async function () {
    this.timeout(setUpTimeoutMs);
    command = await goProgram('franz-go');
    cluster = await startCluster({ config });
  });
  afterEach(async function () {
    await load?.close();
    if (this.currentTest?.state !== 'failed') return;
    for (const node of cluster.nodes) console.error(`a node printed:\n${node.output().slice(-6000)}`);
  });
  after(async function () {
    this.timeout(setUpTimeoutMs);
    await cluster?.close();
  });

  it('goes on where it was when NATS is killed and started again', async function () {
    this.timeout(testTimeoutMs);
    const [nats] = cluster.nats.servers;
    load = await Load.start(() => cluster.nodes[0]!.bootstrap, command, 'nats-killed', 12);
    for (let round = 0; round < 2; round++) {
      await load.everyPartition();
      await nats!.kill();
      await nats!.start();
      await load.everyPartition();
      await load.acks(300);
    }
    await load.finish('');
  });
});

describe('a cluster behind one address', () => {
  let command: Command;
  let cluster: ClusterProcesses;
  let load: Load | undefined;
  let balancer: Server;
  const sockets = new Set<Socket>();
  let port: number;

  before(async function () {
    this.timeout(setUpTimeoutMs);
    command = await goProgram('franz-go');
    [port] = (await freePorts(1)) as [number];
    cluster = await startCluster({
      config: { ...config, advertise: 'single', 'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}` },
    });
    let next = 0;
    balancer = createServer((client) => {
      const node = createConnection(cluster.nodes[next++ % cluster.nodes.length]!.port, '127.0.0.1');
      for (const [one, other] of [
        [client, node],
        [node, client],
      ] as const) {
        sockets.add(one);
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve) => balancer.listen(port, '127.0.0.1', resolve));
  });
  after(async function () {
    this.timeout(setUpTimeoutMs);
    await load?.close();
    for (const socket of sockets) socket.destroy();
    balancer?.close();
    await cluster?.close();
  });

  it('serves clients whichever node their connections reach', async function () {
    this.timeout(testTimeoutMs);
    load = await Load.start(() => `127.0.0.1:${port}`, command, 'balanced', 12);
    await load.everyPartition();
    await load.acks(2_000);
    await load.finish('');
  });
});
