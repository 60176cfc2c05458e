// Publishes a message that consists of several buffers without putting them together first: they go to the socket as they
// are, in one gathering write. The client library's own `publish` takes one buffer and copies it once more on its way to
// the socket; with megabyte batches these two copies, and the collection of their garbage, were most of what an append
// cost the node (docs/decisions/0003-journal.md).
//
// It reaches for the socket below the library's connection. The library writes whole protocol messages to it, as this
// does, so the two do not get mixed up. Where the library is built otherwise than expected, `publish` is used.

import { Socket } from 'node:net';
import { type NatsConnection, headers as natsHeaders } from '@nats-io/transport-node';

const CRLF = Buffer.from('\r\n');
/** Smaller messages are cheaper to copy than to gather. */
const GATHER_BYTES_MIN = 8 << 10;

/** What is looked at of the library's ProtocolHandler and NodeTransport (@nats-io/nats-core and transport-node 3.x). */
interface Innards {
  readonly protocol?: {
    readonly connected?: unknown;
    readonly infoReceived?: unknown;
    readonly flushPending?: unknown;
    readonly transport?: { readonly socket?: unknown };
  };
}

export class PartsPublisher {
  readonly #connection: NatsConnection;
  #corked: Socket | undefined;
  /** Messages that went to the socket without a copy. */
  gathered = 0;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /**
   * Publishes `parts` as one message with one header.
   * @param parts not to be changed until the message is answered
   * @throws Error as `publish` does: too large, connection closed
   */
  publish(
    subject: string,
    reply: string,
    header: readonly [name: string, value: string],
    parts: readonly Uint8Array[],
  ) {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    const socket = this.#socket();
    const maxPayload = this.#connection.info?.max_payload ?? 0;
    const block = `NATS/1.0\r\n${header[0]}: ${header[1]}\r\n\r\n`;
    if (socket === undefined || block.length + bytes > maxPayload) {
      const headers = natsHeaders();
      headers.set(header[0], header[1]);
      this.#connection.publish(subject, parts.length === 1 ? parts[0] : Buffer.concat(parts), { reply, headers });
      return;
    }
    this.gathered++;
    this.#cork(socket);
    const command = `HPUB ${subject} ${reply} ${block.length} ${block.length + bytes}\r\n${block}`;
    if (bytes < GATHER_BYTES_MIN) {
      const message = Buffer.allocUnsafe(command.length + bytes + 2);
      let at = message.write(command, 'latin1');
      for (const part of parts) {
        message.set(part, at);
        at += part.length;
      }
      message.set(CRLF, at);
      socket.write(message, ignore);
      return;
    }
    socket.write(command, 'latin1', ignore);
    for (const part of parts) socket.write(part, ignore);
    socket.write(CRLF, ignore);
  }

  /** What is published in one turn of the event loop is written at once. */
  #cork(socket: Socket): void {
    if (this.#corked === socket) return;
    this.#corked = socket;
    socket.cork();
    process.nextTick(() => {
      if (this.#corked === socket) this.#corked = undefined;
      socket.uncork();
    });
  }

  /** The socket, while the library itself would write to it. */
  #socket(): Socket | undefined {
    const { protocol } = this.#connection as unknown as Innards;
    const socket = protocol?.transport?.socket;
    if (protocol?.connected !== true || protocol.infoReceived !== true) return undefined;
    if (typeof protocol.flushPending !== 'function' || !(socket instanceof Socket) || !socket.writable)
      return undefined;
    // What the library has queued was published before.
    protocol.flushPending();
    return socket;
  }
}

/** A failed write shows as the end of the connection, which the library notices; whoever waits for an answer is told then. */
function ignore(): void {}
