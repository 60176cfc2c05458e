// One client connection: takes its frames in order, starts requests, and writes the responses in the order of the
// requests. It decides pacing: a request starts when all before it are answered, save that requests of one pipelined
// API (Produce, OffsetCommit) may follow one another; when too much is under way, or the client does not read, the
// socket is paused. A frame that cannot be understood closes the connection with a logged reason.
//
//   open ──malformed frame, idle, slow reader, peer gone──▶ closed

import { type Events, noEvents } from '../../events.ts';
import type { RequestHeader } from '../../protocol/header.ts';
import type { Clock, Logger, TimerHandle } from '../runtime/ports.ts';

/** The socket below a connection, whatever it is. */
export interface ConnectionPort {
  /**
   * Hands chunks to the network in order. @returns false when the peer is slow and `drained` will be called.
   * @param sent called when the network needs their memory no more; perhaps never
   */
  write(chunks: readonly Uint8Array[], sent: () => void): boolean;
  pause(): void;
  resume(): void;
  close(): void;
}

/** A request under way or waiting: what the dispatcher makes of a frame before running it. */
export interface PendingRequest {
  readonly header: RequestHeader;
  /** Requests of the same pipelined API may run side by side. */
  readonly pipelined: boolean;
  /** Runs it. @returns the response frame's chunks; undefined when there is no response. */
  run(): Promise<readonly Uint8Array[] | undefined>;
}

/** Turns a frame into a request. @throws ProtocolError when the connection must be closed */
export type Dispatch = (frame: Buffer, connection: Connection) => PendingRequest;

export interface ConnectionLimits {
  /** Requests of one connection that may wait or run; beyond it the socket is paused. */
  readonly requestsInFlightMax: number;
  /** Silence after which the connection is closed, ms. */
  readonly idleMs: number;
  /** Time that a client may leave its responses unread, ms. */
  readonly slowReaderMs: number;
}

/** Bytes of requests under way in the whole node; connections pause while it is over its bound. */
export class RequestMemory {
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #waiting = new Set<Connection>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  take(bytes: number): void {
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#bytes > this.#bytesMax || this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const connection of waiting) connection.reconsider();
  }

  /** Whether a connection may go on reading; if not, it is called again when it may. */
  mayRead(connection: Connection): boolean {
    if (this.#bytes <= this.#bytesMax) return true;
    this.#waiting.add(connection);
    return false;
  }

  forget(connection: Connection): void {
    this.#waiting.delete(connection);
  }
}

interface Slot {
  readonly apiKey: number;
  readonly pipelined: boolean;
  readonly bytes: number;
  done: boolean;
  response: readonly Uint8Array[] | undefined;
}

export interface ConnectionEnvironment {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events?: Events;
  readonly dispatch: Dispatch;
  readonly limits: ConnectionLimits;
  readonly memory: RequestMemory;
  /** Takes back the memory of the chunks of a response that has been sent. */
  readonly reclaim: (chunks: readonly Uint8Array[]) => void;
  readonly onClosed: (connection: Connection) => void;
}

export class Connection {
  readonly id: number;
  readonly listener: string;
  /** The peer's address as Kafka prints a client host: `/127.0.0.1`. */
  readonly clientHost: string;
  /** What ApiVersions v3+ told of the client's software (KIP-511). */
  clientSoftware: { readonly name: string; readonly version: string } | undefined;
  readonly #port: ConnectionPort;
  readonly #environment: ConnectionEnvironment;
  /** Frames that have arrived and not been started. */
  #frames: Buffer[] = [];
  /** The first of them, understood but not yet started. */
  #next: PendingRequest | undefined;
  /** Requests under way, in order. */
  readonly #slots: Slot[] = [];
  #writable = true;
  #paused = false;
  #closed = false;
  #lastActiveMs: number;
  #slowReader: TimerHandle | undefined;
  #pumping = false;
  #draining = false;

  constructor(
    id: number,
    listener: string,
    clientHost: string,
    port: ConnectionPort,
    environment: ConnectionEnvironment,
  ) {
    this.id = id;
    this.listener = listener;
    this.clientHost = clientHost;
    this.#port = port;
    this.#environment = environment;
    this.#lastActiveMs = environment.clock.monotonicMs();
    (environment.events ?? noEvents).connectionOpened(listener);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Closed, or to be closed when what is under way is answered. */
  get closing(): boolean {
    return this.#closed || this.#draining;
  }

  /** Requests that wait or run. */
  get requests(): number {
    return this.#frames.length + this.#slots.length;
  }

  /** Takes one frame (without its size prefix). */
  receive(frame: Buffer): void {
    if (this.#closed) return;
    this.#lastActiveMs = this.#environment.clock.monotonicMs();
    this.#environment.memory.take(frame.length);
    this.#frames.push(frame);
    this.#pump();
    this.reconsider();
  }

  /** The peer reads again. */
  drained(): void {
    if (this.#closed) return;
    this.#writable = true;
    if (this.#slowReader !== undefined) this.#environment.clock.clearTimer(this.#slowReader);
    this.#slowReader = undefined;
    this.#lastActiveMs = this.#environment.clock.monotonicMs();
    this.#pump();
    this.reconsider();
  }

  /** Reads no further requests; what is under way is answered. A connection with nothing under way closes. */
  drain(): void {
    this.#draining = true;
    if (this.requests === 0) this.close('the node stops');
    else this.reconsider();
  }

  /** Pauses or resumes the socket as the load demands. */
  reconsider(): void {
    if (this.#closed) return;
    const { limits, memory } = this.#environment;
    const pause =
      this.#draining ||
      this.requests >= limits.requestsInFlightMax ||
      !this.#writable ||
      (this.requests > 0 && !memory.mayRead(this));
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#port.pause();
    else this.#port.resume();
  }

  /** Closes it if it has been silent for too long, with nothing under way. */
  closeIfIdle(): void {
    const idleMs = this.#environment.clock.monotonicMs() - this.#lastActiveMs;
    if (this.requests === 0 && idleMs >= this.#environment.limits.idleMs) this.close('idle');
  }

  /** Ends it; what is under way finishes unheard. */
  close(reason: string, fields?: Readonly<Record<string, unknown>>): void {
    if (this.#closed) return;
    this.#closed = true;
    const { clock, logger, memory, onClosed } = this.#environment;
    if (this.#slowReader !== undefined) clock.clearTimer(this.#slowReader);
    for (const frame of this.#frames) memory.give(frame.length);
    this.#frames = [];
    memory.forget(this);
    const level = fields === undefined ? 'debug' : 'warn';
    logger.log(level, 'connection closed', { connection: this.id, client: this.clientHost, reason, ...fields });
    (this.#environment.events ?? noEvents).connectionClosed(reason);
    this.#port.close();
    onClosed(this);
  }

  #pump(): void {
    // Starting a request can complete it, which pumps again.
    if (this.#pumping) return;
    this.#pumping = true;
    while (!this.#closed && this.#writable && this.#frames.length > 0) {
      const frame = this.#frames[0] as Buffer;
      let request = this.#next;
      try {
        request ??= this.#environment.dispatch(frame, this);
      } catch (error) {
        // What was asked before it is still answered; the frame is looked at again when that is done.
        if (this.#slots.length === 0) this.close('malformed request', { error });
        break;
      }
      if (!this.#mayStart(request)) {
        this.#next = request;
        break;
      }
      this.#next = undefined;
      this.#frames.shift();
      this.#start(request, frame.length);
    }
    this.#pumping = false;
  }

  #mayStart(request: PendingRequest): boolean {
    const last = this.#slots.at(-1);
    return last === undefined || (request.pipelined && last.pipelined && last.apiKey === request.header.apiKey);
  }

  #start(request: PendingRequest, bytes: number): void {
    const slot: Slot = {
      apiKey: request.header.apiKey,
      pipelined: request.pipelined,
      bytes,
      done: false,
      response: undefined,
    };
    this.#slots.push(slot);
    request.run().then(
      (response) => this.#finish(slot, response),
      (error) => {
        // Closed first: the answers behind it must not be sent in its place.
        this.close('request failed', { apiKey: request.header.apiKey, apiVersion: request.header.apiVersion, error });
        this.#finish(slot, undefined);
      },
    );
  }

  #finish(slot: Slot, response: readonly Uint8Array[] | undefined): void {
    slot.done = true;
    slot.response = response;
    while (this.#slots[0]?.done) {
      const finished = this.#slots.shift() as Slot;
      this.#environment.memory.give(finished.bytes);
      if (finished.response !== undefined && !this.#closed) this.#write(finished.response);
    }
    if (this.#closed) return;
    this.#lastActiveMs = this.#environment.clock.monotonicMs();
    this.#pump();
    if (this.#draining && this.requests === 0) this.close('the node stops');
    else this.reconsider();
  }

  #write(chunks: readonly Uint8Array[]): void {
    if (this.#port.write(chunks, () => this.#environment.reclaim(chunks)) || !this.#writable) return;
    this.#writable = false;
    this.#slowReader = this.#environment.clock.setTimer(this.#environment.limits.slowReaderMs, () =>
      this.close('client does not read its responses', { unreadForMs: this.#environment.limits.slowReaderMs }),
    );
  }
}
