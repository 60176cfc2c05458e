// A relay in front of a nats-server that tells connections apart by the name they give (CONNECT's `name`), so that a test
// can cut or stall the one it means.

import { createConnection, createServer, type Server, type Socket } from 'node:net';

interface Relayed {
  name: string;
  readonly client: Socket;
  readonly server: Socket;
  stalled: boolean;
}

export class NatsRelay {
  readonly #server: Server;
  readonly #relayed = new Set<Relayed>();
  #stalls: RegExp | undefined;
  #port = 0;

  constructor(targetPort: number) {
    this.#server = createServer((client) => this.#relay(client, targetPort));
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as { port: number }).port;
    return this;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Names of the connections that are open. */
  get names(): string[] {
    return [...this.#relayed].map(({ name }) => name);
  }

  /** Ends the connections with such names at once, both ends; what is under way in them is lost. */
  cut(names: RegExp): void {
    for (const { name, client, server } of this.#relayed) {
      if (!names.test(name)) continue;
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Nothing gets through connections with such names, old and new, in either direction; nothing is lost. */
  stall(names: RegExp): void {
    this.#stalls = names;
    for (const relayed of this.#relayed) if (names.test(relayed.name)) this.#pause(relayed);
  }

  /** Everything gets through again, first what has waited. */
  pass(): void {
    this.#stalls = undefined;
    for (const relayed of this.#relayed) {
      if (!relayed.stalled) continue;
      relayed.stalled = false;
      relayed.client.resume();
      relayed.server.resume();
    }
  }

  async close(): Promise<void> {
    this.cut(/./);
    for (const { client, server } of this.#relayed) {
      client.destroy();
      server.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pause(relayed: Relayed): void {
    relayed.stalled = true;
    relayed.client.pause();
    relayed.server.pause();
  }

  #relay(client: Socket, targetPort: number): void {
    const server = createConnection({ host: '127.0.0.1', port: targetPort });
    const relayed: Relayed = { name: '', client, server, stalled: false };
    this.#relayed.add(relayed);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.setNoDelay(true);
      from.on('data', (bytes) => {
        if (from === client && relayed.name === '') {
          relayed.name = /"name":"([^"]*)"/.exec(bytes.toString('latin1'))?.[1] ?? '';
          if (this.#stalls?.test(relayed.name)) this.#pause(relayed);
        }
        to.write(bytes);
      });
      // Ends and errors of either end the other; a test that cuts expects them.
      from.on('error', () => {});
      from.on('close', () => {
        this.#relayed.delete(relayed);
        to.destroy();
      });
    }
  }
}
