// A TCP proxy in front of one server, with which a test decides what of a connection gets through: answers or requests can
// be held back, connections cut, and what was held be delivered late, after the client has gone on.

import { createConnection, createServer, type Server, type Socket } from 'node:net';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Bytes of the client's that wait. */
  readonly held: Buffer[];
}

export class TcpProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #orphans: Link[] = [];
  #holdsRequests = false;
  #holdsAnswers = false;
  #refuses = false;
  #port = 0;
  /** Bytes that clients sent while requests were held. */
  heldBytes = 0;

  constructor(targetPort: number) {
    this.#server = createServer((client) => this.#connect(client, targetPort));
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as { port: number }).port;
    return this;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The server's bytes get lost from now on (the client waits in vain). */
  holdAnswers(): void {
    this.#holdsAnswers = true;
  }

  /** The client's bytes wait from now on. */
  holdRequests(): void {
    this.#holdsRequests = true;
    this.heldBytes = 0;
  }

  /** New connections are refused until `pass()`. */
  refuse(): void {
    this.#refuses = true;
  }

  /** From now on everything gets through that comes. */
  pass(): void {
    this.#holdsRequests = false;
    this.#holdsAnswers = false;
    this.#refuses = false;
  }

  /** Ends all connections. The server's ends of those with held bytes stay, for `deliverHeld`. */
  cut(): void {
    for (const link of [...this.#links]) {
      this.#links.delete(link);
      link.client.destroy();
      if (link.held.length > 0) this.#orphans.push(link);
      else link.server.destroy();
    }
  }

  /** What cut connections had sent and the server has not seen reaches it now. */
  deliverHeld(): void {
    for (const { server, held } of this.#orphans.splice(0)) {
      server.on('data', () => {});
      for (const bytes of held) server.write(bytes);
    }
  }

  async close(): Promise<void> {
    for (const { client, server } of [...this.#links, ...this.#orphans]) {
      client.destroy();
      server.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #connect(client: Socket, targetPort: number): void {
    if (this.#refuses) {
      client.destroy();
      return;
    }
    const server = createConnection({ host: '127.0.0.1', port: targetPort });
    const link: Link = { client, server, held: [] };
    this.#links.add(link);
    client.on('data', (bytes) => {
      if (!this.#holdsRequests && link.held.length === 0) {
        server.write(bytes);
        return;
      }
      link.held.push(bytes);
      this.heldBytes += bytes.length;
    });
    server.on('data', (bytes) => {
      if (!this.#holdsAnswers && !client.destroyed) client.write(bytes);
    });
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      // Ends and errors of either end the other; a test that cuts expects them.
      socket.on('error', () => {});
    }
    client.on('close', () => {
      if (this.#links.delete(link)) server.destroy();
    });
    server.on('close', () => client.destroy());
  }
}
