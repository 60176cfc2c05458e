// The client connections of a node: makes them, knows which are open, and bounds what all of them together have under way.

import type { BrokerConfig } from '../../config.ts';
import type { Events } from '../../events.ts';
import type { Clock, Logger } from '../runtime/ports.ts';
import { Connection, type ConnectionPort, type Dispatch, RequestMemory } from './connection.ts';

export interface ConnectionsEnvironment {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Events;
  /** As it is now: limits of connections may be altered while the node runs. */
  readonly config: BrokerConfig;
  readonly dispatch: Dispatch;
  /** Takes back the memory of the chunks of a response that has been sent. */
  readonly reclaim: (chunks: readonly Uint8Array[]) => void;
}

export class Connections {
  readonly #environment: ConnectionsEnvironment;
  readonly #open = new Map<number, Connection>();
  readonly #memory: RequestMemory;
  #lastId = 0;

  constructor(environment: ConnectionsEnvironment) {
    this.#environment = environment;
    this.#memory = new RequestMemory(environment.config.queuedMaxRequestBytes);
  }

  /** Takes a new client connection. @param clientHost as Kafka prints it: `/127.0.0.1` */
  accept(port: ConnectionPort, listener: string, clientHost: string): Connection {
    const { clock, logger, events, config, dispatch, reclaim } = this.#environment;
    const connection = new Connection(++this.#lastId, listener, clientHost, port, {
      clock,
      logger,
      events,
      dispatch,
      reclaim,
      memory: this.#memory,
      limits: {
        requestsInFlightMax: config.connectionRequestsInFlightMax,
        idleMs: config.connectionsMaxIdleMs < 0 ? Number.POSITIVE_INFINITY : config.connectionsMaxIdleMs,
        slowReaderMs: config.clientUnreadTimeoutMs,
      },
      onClosed: (closed) => this.#open.delete(closed.id),
    });
    this.#open.set(connection.id, connection);
    return connection;
  }

  /** Connections that are open. */
  get count(): number {
    return this.#open.size;
  }

  /** The same by listener. */
  get countByListener(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { listener } of this.#open.values()) counts.set(listener, (counts.get(listener) ?? 0) + 1);
    return counts;
  }

  /** Requests that wait or run. */
  get requestCount(): number {
    let count = 0;
    for (const connection of this.#open.values()) count += connection.requests;
    return count;
  }

  /** Bytes of them. */
  get requestBytes(): number {
    return this.#memory.bytes;
  }

  closeIdle(): void {
    for (const connection of [...this.#open.values()]) connection.closeIfIdle();
  }

  /** No further requests are read; what is under way is answered. */
  drain(): void {
    for (const connection of [...this.#open.values()]) connection.drain();
  }

  closeAll(reason: string): void {
    for (const connection of [...this.#open.values()]) connection.close(reason);
  }
}
