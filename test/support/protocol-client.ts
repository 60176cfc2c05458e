// A client that says exactly what a test wants said: any API in any of its versions, one request at a time.

import { connect, type Socket } from 'node:net';
import { decodeResponseFrame, encodeRequestFrame } from '../../src/protocol/header.ts';
import type { Api, Decoded, Encodable, StructFields } from '../../src/protocol/schema/define.ts';

/** Longer than a test leaves a node paused that has a request in its socket. */
const answerTimeoutMs = 60_000;

interface Waiting {
  readonly resolve: (frame: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class ProtocolClient {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #correlationId = 0;
  #waiting: Waiting | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#deliver();
    });
    socket.on('error', (error) => this.#waiting?.reject(error));
    socket.on('close', () => this.#waiting?.reject(new Error('the broker closed the connection')));
    socket.setTimeout(answerTimeoutMs, () => socket.destroy(new Error(`no answer in ${answerTimeoutMs} ms`)));
  }

  /** @param bootstrap `host:port` */
  static connect(bootstrap: string): Promise<ProtocolClient> {
    const [host, port] = bootstrap.split(':');
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), host!, () => resolve(new ProtocolClient(socket)));
      socket.once('error', reject);
    });
  }

  /** Sends one request and waits for its response. @throws Error when the connection ends or no answer comes. */
  async send<Request extends StructFields, Response extends StructFields>(
    api: Api<Request, Response>,
    version: number,
    request: Encodable<Request>,
  ): Promise<Decoded<Response>> {
    const chunks = encodeRequestFrame(api, version, ++this.#correlationId, 'test', request);
    if (this.#socket.destroyed) throw new Error('the connection has ended');
    const frame = await new Promise<Buffer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(Buffer.concat(chunks));
    });
    const { correlationId, message } = decodeResponseFrame(api, version, frame);
    if (correlationId !== this.#correlationId)
      throw new Error(`answer to ${correlationId}, not ${this.#correlationId}`);
    return message;
  }

  close(): void {
    this.#socket.destroy();
  }

  #deliver(): void {
    if (this.#received.length < 4) return;
    const end = 4 + this.#received.readInt32BE(0);
    if (this.#received.length < end) return;
    const frame = Buffer.from(this.#received.subarray(4, end));
    this.#received = this.#received.subarray(end);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(frame);
  }
}
