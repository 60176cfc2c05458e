// The admin port: opens the sockets at the start of the node, so that a port that is taken is said then, and answers
// from then on; what answers is loaded with the first request.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterOverview } from '../../src/actors/overview/cluster-overview.ts';
import type { AdminListener } from '../../src/config.ts';
import type { Health, HealthReport } from '../../src/events.ts';
import type { AdminHandler } from './routes.ts';

export interface AdminPages {
  /** Whether the process works at all. */
  alive(): Health;
  readiness(): Promise<HealthReport>;
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** Undefined while the node starts. */
  overview(): ClusterOverview | undefined;
  /** Told of a page that could not be made. */
  failed(error: unknown): void;
}

/** Connections that one admin listener keeps open at the most. */
const CONNECTIONS_MAX = 64;

export class AdminServer {
  readonly #pages: AdminPages;
  readonly #servers: Server[] = [];
  #handler: Promise<AdminHandler> | undefined;

  constructor(pages: AdminPages) {
    this.#pages = pages;
  }

  /** Opens a port. @returns it, found if it was 0. @throws Error with the system's code (EADDRINUSE, EACCES, …) */
  listen({ host, port }: AdminListener): Promise<AdminListener> {
    const server = createServer((request, response) => {
      this.#load().then(
        (handle) => handle(request, response),
        (error) => {
          this.#pages.failed(error);
          response.writeHead(500).end();
        },
      );
    });
    server.maxConnections = CONNECTIONS_MAX;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host: host === '' ? undefined : host }, () => {
        server.removeListener('error', reject);
        server.on('error', (error) => this.#pages.failed(error));
        this.#servers.push(server);
        resolve({ host, port: (server.address() as AddressInfo).port });
      });
    });
  }

  close(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  #load(): Promise<AdminHandler> {
    this.#handler ??= import('./routes.ts').then(({ createRoutes }) => createRoutes(this.#pages));
    return this.#handler;
  }
}
