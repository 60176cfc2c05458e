// A simulated world: one scheduler, one network, one disk, and the nodes and clients on them. It carries out faults; what
// the clients do is the workload's business.

import type { BrokerConfig } from '../../src/config.ts';
import { ClusterClient } from './clients/cluster-client.ts';
import type { DiskDefect } from './defects.ts';
import { SimDisk } from './disk.ts';
import { EVERY_CLIENT, type Fault, printFault } from './faults.ts';
import { HeartbeatNetwork } from './heartbeats.ts';
import { History } from './history.ts';
import { Links, type Part } from './links.ts';
import { MailboxNetwork } from './mailbox.ts';
import { Network, type NetworkConditions } from './network.ts';
import { NodeHost, type NodeLog } from './node-host.ts';
import { SeededRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';

export interface WorldOptions {
  readonly seed: number;
  /** One configuration a node; node.id of each is different. */
  readonly nodes: readonly BrokerConfig[];
  readonly network: NetworkConditions;
  readonly disk: { readonly writeMeanMs: number; readonly readMeanMs: number };
  readonly defect?: DiskDefect;
  readonly log?: NodeLog;
}

export class World {
  readonly random: SeededRandom;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly disk: SimDisk;
  readonly links: Links;
  readonly history: History;
  readonly nodes: readonly NodeHost[];
  readonly #clients = new Map<string, ClusterClient>();
  readonly #configs: readonly BrokerConfig[];

  constructor(options: WorldOptions) {
    this.random = new SeededRandom(options.seed);
    this.scheduler = new Scheduler(this.random.fork('scheduler'));
    this.network = new Network(this.scheduler, this.random.fork('network'), options.network);
    const several = options.nodes.length > 1;
    this.links = new Links(this.random.fork('links'));
    this.disk = new SimDisk(this.random.fork('disk'), options.disk, several ? this.links : undefined, options.defect);
    this.history = new History(() => this.scheduler.nowMs);
    this.#configs = options.nodes;
    const { delayMeanMs } = options.network;
    const mailboxes = several
      ? new MailboxNetwork(this.random.fork('mailboxes'), options.network, this.links)
      : undefined;
    const heartbeats = several
      ? new HeartbeatNetwork(this.random.fork('heartbeats'), this.links, delayMeanMs)
      : undefined;
    this.nodes = options.nodes.map(
      (config) =>
        new NodeHost(config.nodeId, config, {
          scheduler: this.scheduler,
          network: this.network,
          disk: this.disk,
          mailboxes,
          heartbeats,
          random: this.random.fork(`node ${config.nodeId}`),
          log: options.log ?? (() => {}),
        }),
    );
  }

  /** Starts every node and lets time pass until they are all in service. */
  async start(timeoutMs = 30_000): Promise<void> {
    for (const node of this.nodes) node.start();
    const up = await this.scheduler.runUntil(this.scheduler.nowMs + timeoutMs, () =>
      this.nodes.every(({ node }) => node !== undefined),
    );
    if (!up) throw new Error('the nodes do not start');
  }

  /** A client with a name of its own; names are what faults go by. */
  client(name: string, options: { readonly newest?: boolean } = {}): ClusterClient {
    const client = new ClusterClient(
      name,
      {
        scheduler: this.scheduler,
        network: this.network,
        history: this.history,
        random: this.random.fork(`client ${name}`),
        bootstrap: this.#configs.map(({ nodeId }) => nodeId),
      },
      options,
    );
    this.#clients.set(name, client);
    return client;
  }

  /** Has the faults happen at their times. */
  schedule(faults: readonly Fault[]): void {
    for (const fault of faults) {
      this.scheduler.after(fault.atMs - this.scheduler.nowMs, () => {
        this.history.add('world', { kind: 'fault', what: printFault(fault) });
        this.#inflict(fault);
      });
    }
  }

  /** Ends every fault that lasts. */
  heal(): void {
    this.network.heal();
    this.links.heal();
    this.disk.free();
    this.disk.slowDown(1);
    this.disk.failReads(false);
    this.disk.failAppends('ok', 0);
    for (const node of this.nodes) {
      node.resume();
      node.start();
    }
  }

  #host(nodeId: number): NodeHost {
    const host = this.nodes.find((node) => node.nodeId === nodeId);
    if (host === undefined) throw new Error(`there is no node ${nodeId}`);
    return host;
  }

  /** Cuts parts from each other for a while. */
  #cut(links: readonly (readonly [Part, Part])[], forMs: number): void {
    for (const [one, other] of links) this.links.cut(one, other);
    this.scheduler.after(forMs, () => {
      for (const [one, other] of links) this.links.join(one, other);
    });
  }

  #inflict(fault: Fault): void {
    const { scheduler, disk, network } = this;
    switch (fault.kind) {
      case 'node-kill': {
        const host = this.#host(fault.node);
        host.kill();
        scheduler.after(fault.downMs, () => host.start());
        break;
      }
      case 'node-restart': {
        const host = this.#host(fault.node);
        host.stop().then(
          () => scheduler.after(fault.downMs, () => host.start()),
          (error) => {
            this.history.add('world', { kind: 'anomaly', what: `a node does not stop: ${error}` });
            host.kill();
            host.start();
          },
        );
        break;
      }
      case 'node-pause': {
        const host = this.#host(fault.node);
        host.pause();
        scheduler.after(fault.forMs, () => host.resume());
        break;
      }
      case 'clock-jump':
        this.#host(fault.node).jumpClock(fault.byMs);
        break;
      case 'disk-full':
        disk.fill();
        scheduler.after(fault.forMs, () => disk.free());
        break;
      case 'slow-disk':
        disk.slowDown(fault.factor);
        scheduler.after(fault.forMs, () => disk.slowDown(1));
        break;
      case 'reads-unavailable':
        disk.failReads(true);
        scheduler.after(fault.forMs, () => disk.failReads(false));
        break;
      case 'append-unavailable':
        disk.failAppends('unavailable', fault.count);
        break;
      case 'append-unknown-applied':
        disk.failAppends('unknown-applied', fault.count);
        break;
      case 'append-unknown-not-applied':
        disk.failAppends('unknown-not-applied', fault.count);
        break;
      case 'node-off-bus':
        this.#cut([[fault.node, 'bus']], fault.forMs);
        break;
      case 'node-off-journal':
        this.#cut([[fault.node, 'journal']], fault.forMs);
        break;
      case 'node-cut-off':
        this.#cut(
          [
            [fault.node, 'bus'],
            [fault.node, 'journal'],
          ],
          fault.forMs,
        );
        break;
      case 'nodes-parted':
        this.#cut([[fault.node, fault.other]], fault.forMs);
        break;
      case 'messages-lost':
        this.links.lose(fault.chance);
        scheduler.after(fault.forMs, () => this.links.lose(0));
        break;
      case 'messages-slow':
        this.links.slowDown(fault.factor);
        scheduler.after(fault.forMs, () => this.links.slowDown(1));
        break;
      case 'false-suspicions':
        for (const [node, suspected] of fault.of) this.#host(node).suspect(suspected);
        break;
      case 'client-parted':
        network.part(fault.client, fault.node);
        scheduler.after(fault.forMs, () => network.rejoin(fault.client, fault.node));
        break;
      case 'connections-cut':
        network.cut((client) => fault.client === EVERY_CLIENT || client === fault.client);
        break;
      case 'client-isolated':
        network.isolate(fault.client);
        scheduler.after(fault.forMs, () => network.reconnect(fault.client));
        break;
      case 'slow-reader':
        for (const { nodeId } of this.nodes) void this.#clients.get(fault.client)?.stall(nodeId, fault.forMs);
        break;
    }
  }
}
