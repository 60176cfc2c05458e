// One simulated client connection: frames requests, matches the answers to them, and gives up on a connection that does
// not answer in time, as Kafka's NetworkClient does.

import { FrameReader } from '../../../src/protocol/framing.ts';
import { decodeResponseFrame, encodeRequestFrame } from '../../../src/protocol/header.ts';
import type { Api, Decoded, Encodable, StructFields } from '../../../src/protocol/schema/define.ts';
import type { ClientSocket, Network } from '../network.ts';
import type { ScheduledEvent, Scheduler } from '../scheduler.ts';

export type ClientFaultCode = 'unreachable' | 'disconnected' | 'timed-out';

/** A request got no answer; it may have had its effect, unless the node was unreachable. */
export class ClientFault extends Error {
  readonly code: ClientFaultCode;

  constructor(code: ClientFaultCode) {
    super(code);
    this.code = code;
  }
}

interface Waiting {
  readonly correlationId: number;
  readonly decode: (frame: Buffer) => unknown;
  readonly resolve: (message: never) => void;
  readonly reject: (fault: ClientFault) => void;
  readonly timeout: ScheduledEvent;
}

export interface ConnectionEnvironment {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly clientId: string;
  /** Told of what no broker may do. */
  readonly anomaly: (what: string) => void;
}

const RESPONSE_BYTES_MAX = 64 * 1024 * 1024;

export class KafkaConnection {
  readonly #environment: ConnectionEnvironment;
  readonly #frames = new FrameReader(RESPONSE_BYTES_MAX);
  #socket: ClientSocket | undefined;
  #waiting: Waiting[] = [];
  #lastCorrelationId = 0;
  #closed = false;

  private constructor(environment: ConnectionEnvironment) {
    this.#environment = environment;
  }

  /** @throws ClientFault `unreachable` */
  static async open(environment: ConnectionEnvironment, nodeId: number): Promise<KafkaConnection> {
    const connection = new KafkaConnection(environment);
    connection.#socket = await environment.network.connect(environment.clientId, nodeId, {
      onData: (piece) => connection.#receive(piece),
      onClose: () => connection.#close('disconnected'),
    });
    if (connection.#socket === undefined) throw new ClientFault('unreachable');
    return connection;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends a request and waits for its answer. @throws ClientFault */
  request<Request extends StructFields, Response extends StructFields>(
    api: Api<Request, Response>,
    version: number,
    message: Encodable<Request>,
    timeoutMs: number,
  ): Promise<Decoded<Response>> {
    if (this.#closed) return Promise.reject(new ClientFault('disconnected'));
    const correlationId = ++this.#lastCorrelationId;
    return new Promise<Decoded<Response>>((resolve, reject) => {
      this.#waiting.push({
        correlationId,
        decode: (frame) => decodeResponseFrame(api, version, frame),
        resolve,
        reject,
        timeout: this.#environment.scheduler.after(timeoutMs, () => this.#close('timed-out')),
      });
      this.#write(api, version, correlationId, message);
    });
  }

  /** Sends a request that has no answer. */
  send<Request extends StructFields, Response extends StructFields>(
    api: Api<Request, Response>,
    version: number,
    message: Encodable<Request>,
  ): void {
    if (!this.#closed) this.#write(api, version, ++this.#lastCorrelationId, message);
  }

  /** Leaves answers unread for a while. */
  stall(durationMs: number): void {
    this.#socket?.pause();
    this.#environment.scheduler.after(durationMs, () => this.#socket?.resume());
  }

  close(): void {
    this.#close('disconnected');
  }

  #write<Request extends StructFields>(
    api: Api<Request, StructFields>,
    version: number,
    correlationId: number,
    message: Encodable<Request>,
  ): void {
    this.#socket?.write(encodeRequestFrame(api, version, correlationId, this.#environment.clientId, message));
  }

  #receive(piece: Buffer): void {
    for (const frame of this.#frames.push(piece)) {
      const waiting = this.#waiting.shift();
      const correlationId = frame.readInt32BE(0);
      if (waiting === undefined || waiting.correlationId !== correlationId) {
        this.#environment.anomaly(`answer ${correlationId} where ${waiting?.correlationId ?? 'none'} was due`);
        this.#close('disconnected');
        return;
      }
      this.#environment.scheduler.cancel(waiting.timeout);
      try {
        waiting.resolve((waiting.decode(frame) as { message: never }).message);
      } catch (error) {
        this.#environment.anomaly(`answer that cannot be decoded: ${error}`);
        waiting.reject(new ClientFault('disconnected'));
        this.#close('disconnected');
        return;
      }
    }
  }

  #close(code: ClientFaultCode): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket?.close();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject, timeout } of waiting) {
      this.#environment.scheduler.cancel(timeout);
      reject(new ClientFault(code));
    }
  }
}
