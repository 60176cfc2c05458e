// A listening socket: accepts client connections within the bounds on their number, cuts what arrives into frames and
// ties each socket to its connection actor.

import { createServer, type Server, type Socket } from 'node:net';
import type { Connection } from '../src/actors/connection/connection.ts';
import type { Node } from '../src/actors/node.ts';
import type { Logger } from '../src/actors/runtime/ports.ts';
import type { Listener } from '../src/config.ts';
import { FrameReader } from '../src/protocol/framing.ts';

/** Sockets open by client address, over all listeners of the node. */
export class ConnectionCounts {
  readonly #byAddress = new Map<string, number>();
  total = 0;

  of(address: string): number {
    return this.#byAddress.get(address) ?? 0;
  }

  add(address: string, change: 1 | -1): void {
    this.total += change;
    const count = this.of(address) + change;
    if (count === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, count);
  }
}

/** An open port; connections are taken once `serve` has been called, and wait until then. */
export interface OpenListener {
  readonly name: string;
  readonly port: number;
  serve(node: Node): void;
  /** Takes no further connections. */
  close(): void;
}

/** Opens a port. @throws Error with the system's code (EADDRINUSE, EACCES, …) */
export function openListener(
  listener: Listener,
  backlog: number,
  counts: ConnectionCounts,
  logger: Logger,
): Promise<OpenListener> {
  let node: Node | undefined;
  let early: Socket[] = [];
  const server: Server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
    if (node === undefined) early.push(socket);
    else attach(socket, listener.name, node, counts, logger);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: listener.port, host: listener.host === '' ? undefined : listener.host, backlog }, () => {
      server.removeListener('error', reject);
      server.on('error', (error) => logger.log('error', 'listener failed', { listener: listener.name, error }));
      const address = server.address();
      resolve({
        name: listener.name,
        port: typeof address === 'object' && address !== null ? address.port : listener.port,
        serve(served) {
          node = served;
          for (const socket of early) attach(socket, listener.name, served, counts, logger);
          early = [];
        },
        close: () => void server.close(),
      });
    });
  });
}

function attach(socket: Socket, listenerName: string, node: Node, counts: ConnectionCounts, logger: Logger): void {
  const { config } = node.services;
  const address = socket.remoteAddress?.replace(/^::ffff:/, '') ?? 'unknown';
  const perIpMax = config.maxConnectionsPerIpOverrides.get(address) ?? config.maxConnectionsPerIp;
  if (counts.total >= config.maxConnections || counts.of(address) >= perIpMax) {
    logger.log('warn', 'connection refused', {
      client: address,
      open: counts.total,
      openFromClient: counts.of(address),
    });
    socket.destroy();
    return;
  }
  counts.add(address, 1);
  const frames = new FrameReader(config.socketRequestMaxBytes);
  const responsesMaxBytes = config.connectionResponsesMaxBytes;
  const connection: Connection = node.connections.accept(
    {
      write(chunks, sent) {
        socket.cork();
        for (const [index, chunk] of chunks.entries()) {
          socket.write(chunk, index === chunks.length - 1 ? sent : undefined);
        }
        socket.uncork();
        return socket.writableLength <= responsesMaxBytes || !socket.writableNeedDrain;
      },
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
      // What has been written still goes out; a peer that does not take it is cut off.
      close: () => (socket.writableLength === 0 ? socket.destroy() : socket.destroySoon()),
    },
    listenerName,
    `/${address}`,
  );
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const frame of frames.push(chunk)) connection.receive(frame);
    } catch (error) {
      connection.close('malformed frame', { error });
    }
  });
  socket.on('drain', () => connection.drained());
  socket.on('error', (error) => connection.close(`socket error: ${error.message}`));
  socket.on('close', () => {
    counts.add(address, -1);
    connection.close('peer closed');
  });
  socket.resume();
}
