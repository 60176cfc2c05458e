// A simulated machine that runs one node: starts it from production parts on simulated ports, kills it, stops it
// properly, and starts it again, as an init system would, when a start fails.

import { createFailureDetector } from '../../cluster/failure-detector.ts';
import { Node, type NodeObserver, type NodePorts } from '../../src/actors/node.ts';
import type { LogLevel } from '../../src/actors/runtime/ports.ts';
import type { BrokerConfig } from '../../src/config.ts';
import type { MemoryStore } from '../../src/storage/memory.ts';
import type { SimDisk } from './disk.ts';
import type { HeartbeatNetwork } from './heartbeats.ts';
import type { MailboxNetwork } from './mailbox.ts';
import type { Network } from './network.ts';
import { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';

const START_RETRY_MS = 500;
const DRAIN_CHECK_MS = 10;

export type NodeLog = (
  nodeId: number,
  level: LogLevel,
  event: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

export interface NodeHostEnvironment {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly disk: SimDisk;
  /** Absent: there are no other nodes. */
  readonly mailboxes: MailboxNetwork | undefined;
  readonly heartbeats: HeartbeatNetwork | undefined;
  readonly random: SeededRandom;
  readonly log: NodeLog;
}

interface Running {
  readonly process: SimProcess;
  readonly store: MemoryStore;
  node: Node | undefined;
  /** Who is told of silent nodes. */
  observer: NodeObserver | undefined;
  stopping: boolean;
}

export class NodeHost {
  readonly nodeId: number;
  readonly #config: BrokerConfig;
  readonly #environment: NodeHostEnvironment;
  #running: Running | undefined;
  #wallOffsetMs = 0;

  constructor(nodeId: number, config: BrokerConfig, environment: NodeHostEnvironment) {
    this.nodeId = nodeId;
    this.#config = config;
    this.#environment = environment;
  }

  /** The node, when it is in service. */
  get node(): Node | undefined {
    return this.#running?.node;
  }

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  /** Starts the process; tries again after a failed start as long as nobody stops it. */
  start(): void {
    if (this.#running !== undefined) return;
    const { scheduler, network, disk, mailboxes, heartbeats, random, log } = this.#environment;
    const process = new SimProcess(scheduler, this.#wallOffsetMs);
    const { store, storage } = disk.open(process, this.nodeId);
    const running: Running = { process, store, node: undefined, observer: undefined, stopping: false };
    this.#running = running;
    const ports: NodePorts = {
      clock: process,
      random: random.fork(`process ${scheduler.eventCount}`),
      logger: {
        log: (level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>) => {
          if (process.alive) log(this.nodeId, level, event, fields);
        },
      },
      storage,
      metadataStore: store.metadata,
      ...(mailboxes === undefined ? {} : { mailbox: mailboxes.mailbox(this.nodeId, process) }),
      ...(heartbeats === undefined ? {} : { watchNodes: (observer) => this.#watch(running, observer, heartbeats) }),
    };
    Node.start(this.#config, { PLAINTEXT: { host: `node-${this.nodeId}`, port: 9092 } }, ports).then(
      (node) => {
        if (!process.alive) return;
        running.node = node;
        network.listen(this.nodeId, {
          process,
          frameBytesMax: this.#config.socketRequestMaxBytes,
          accept: (port, listener, clientHost) => node.connections.accept(port, listener, clientHost),
        });
      },
      (error) => {
        if (!process.alive) return;
        log(this.nodeId, 'error', 'start failed', { error });
        this.kill();
        scheduler.after(START_RETRY_MS, () => this.start());
      },
    );
  }

  /** The process dies where it stands. */
  kill(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.process.die();
    this.#environment.network.unlisten(this.nodeId);
    this.#environment.network.resetNode(this.nodeId);
    this.#environment.disk.crash(running.store);
  }

  /** Drains and stops as cluster/main.ts does on SIGTERM; resolves when the process has ended. */
  async stop(): Promise<void> {
    const running = this.#running;
    const { scheduler, network } = this.#environment;
    if (running?.node === undefined) return this.kill();
    if (running.stopping) return;
    running.stopping = true;
    const { node, process, store } = running;
    await this.#leave(node);
    if (!process.alive) return;
    network.unlisten(this.nodeId);
    const deadlineMs = scheduler.nowMs + this.#config.drainTimeoutMs;
    node.drain();
    while (process.alive && node.connections.requestCount > 0 && scheduler.nowMs < deadlineMs) {
      await scheduler.sleep(DRAIN_CHECK_MS);
    }
    if (!process.alive) return;
    await node.stop();
    await store.close();
    if (!process.alive) return;
    process.die();
    this.#running = undefined;
    network.resetNode(this.nodeId);
  }

  /** Hands the shards over as cluster/main.ts does, which waits no longer than a drain may take. */
  async #leave(node: Node): Promise<void> {
    const { scheduler, log } = this.#environment;
    const left = node
      .leave(this.#config.drainTimeoutMs)
      .catch((error) => log(this.nodeId, 'warn', 'the other nodes were not told of the stop', { error }));
    await Promise.race([left, scheduler.sleep(this.#config.drainTimeoutMs)]);
  }

  /** Takes another node to be silent, rightly or not. */
  suspect(nodeId: number): void {
    this.#running?.observer?.onSuspect(nodeId);
  }

  /** What cluster/backend.ts has over NATS. */
  #watch(running: Running, observer: NodeObserver, heartbeats: HeartbeatNetwork): { stop(): void } {
    const { process } = running;
    const { log, scheduler } = this.#environment;
    running.observer = observer;
    return createFailureDetector({
      nodeId: this.nodeId,
      incarnation: String(scheduler.eventCount),
      channel: heartbeats.channel(this.nodeId, process),
      clock: process,
      logger: { log: (level, event, fields) => log(this.nodeId, level, event, fields) },
      detectionMs: this.#config.failureDetectionMs,
      members: () => observer.members(),
      onSuspect: (nodeId) => observer.onSuspect(nodeId),
      onSelfIsolated: () => observer.onSelfIsolated(),
      onSelfReconnected: () => observer.onSelfReconnected(),
    });
  }

  pause(): void {
    this.#running?.process.pause();
  }

  resume(): void {
    this.#running?.process.resume();
  }

  /** The machine's wall clock jumps. */
  jumpClock(ms: number): void {
    this.#wallOffsetMs += ms;
    this.#running?.process.jump(ms);
  }
}
