// Everything that a node tells of itself, put together: meters, traces, health, and the admin port that shows them.

import type { Node, NodePorts } from '../../src/actors/node.ts';
import type { Logger } from '../../src/actors/runtime/ports.ts';
import type { ShardStorage } from '../../src/actors/shard/ports.ts';
import type { AdminListener, BrokerConfig, Listener } from '../../src/config.ts';
import { type Events, noTracer, type Tracer } from '../../src/events.ts';
import { HealthRegistry } from '../admin/health.ts';
import { addNodeParts, addPhase, type Phase } from '../admin/node-health.ts';
import { AdminServer } from '../admin/server.ts';
import { EventLoopMonitor } from './event-loop.ts';
import type { Exposition } from './exposition.ts';
import { Meters } from './meters.ts';
import { takeSamples } from './samples.ts';
import type { Traces } from './traces.ts';

export interface TelemetryOptions {
  readonly config: BrokerConfig;
  readonly version: string;
  readonly logger: Logger;
}

export class Telemetry {
  /** For NodePorts. */
  readonly events: Events;
  readonly tracer: Tracer;
  /** Where further parts add their checks. */
  readonly health = new HealthRegistry();
  readonly #options: TelemetryOptions;
  readonly #meters: Meters;
  readonly #traces: Traces | undefined;
  readonly #eventLoop = new EventLoopMonitor();
  readonly #server: AdminServer;
  #exposition: Promise<Exposition> | undefined;
  #node: Node | undefined;
  #storage: ShardStorage | undefined;
  #phase: Phase = 'starting';

  private constructor(options: TelemetryOptions, traces: Traces | undefined) {
    this.#options = options;
    this.#meters = new Meters(options.config.metricsTopicsMax);
    this.#traces = traces;
    this.events = this.#meters;
    this.tracer = traces?.tracer ?? noTracer;
    addPhase(this.health, () => this.#phase);
    this.#server = new AdminServer({
      alive: () => this.#alive(),
      readiness: () => this.health.report(),
      metrics: () => this.#metrics(),
      overview: () => this.#node?.overview,
      failed: (error) => options.logger.log('error', 'admin page failed', { error }),
    });
  }

  /** Loads what the configuration asks for. */
  static async start(options: TelemetryOptions): Promise<Telemetry> {
    const { config, version, logger } = options;
    if (config.tracingEndpoint === '') return new Telemetry(options, undefined);
    const { startTraces } = await import('./traces.ts');
    const traces = startTraces({
      endpoint: config.tracingEndpoint,
      sampleRatio: config.tracingSampleRatio,
      queueSpansMax: config.tracingQueueSpansMax,
      nodeId: config.nodeId,
      version,
      logger,
    });
    return new Telemetry(options, traces);
  }

  /** What a node is given of this. */
  get ports(): Pick<NodePorts, 'events' | 'tracer' | 'health'> {
    return { events: this.events, tracer: this.tracer, health: () => this.health.report() };
  }

  /** Opens one address of the admin port. @throws Error with the system's code (EADDRINUSE, EACCES, …) */
  listen(listener: AdminListener): Promise<AdminListener> {
    return this.#server.listen(listener);
  }

  /** The node serves: from now on it is shown. @param listeners as bound */
  serving(
    node: Node,
    ports: Pick<NodePorts, 'storage' | 'metadataStore' | 'mailbox'>,
    listeners: readonly Listener[],
  ): void {
    this.#node = node;
    this.#storage = ports.storage;
    addNodeParts(this.health, node, ports, listeners);
    this.#phase = 'serving';
  }

  /** The node drains: /readyz says so. */
  stopping(): void {
    this.#phase = 'stopping';
  }

  /** Closes the admin port and sends the last spans, for a moment. */
  async close(): Promise<void> {
    this.#server.close();
    this.#eventLoop.stop();
    await this.#traces?.close();
  }

  #alive() {
    const { meanLatenessMs, responsive } = this.#eventLoop;
    return {
      ready: responsive,
      reason: responsive ? 'alive' : 'the event loop is late all the time',
      details: { eventLoopLatenessMs: Math.round(meanLatenessMs), uptimeSeconds: Math.round(process.uptime()) },
    };
  }

  async #metrics(): Promise<{ readonly contentType: string; readonly text: string }> {
    this.#exposition ??= import('./exposition.ts').then(({ Exposition }) => new Exposition());
    const exposition = await this.#exposition;
    const { config, version } = this.#options;
    const samples = await takeSamples({
      meters: this.#meters,
      node: this.#node,
      storage: this.#storage,
      build: { version, nodeId: config.nodeId },
      eventLoop: this.#eventLoop,
      spans: this.#traces?.counts ?? { exported: 0, dropped: 0 },
      lagPartitionsMax: config.metricsConsumerLagPartitionsMax,
    });
    return { contentType: exposition.contentType, text: await exposition.print(samples) };
  }
}
