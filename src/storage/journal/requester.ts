// Requests over one NATS connection: a publish with a reply subject, its answer or the way in which it was lost. Owns the
// connection's state as the journal sees it (connected or not, since when, what the server allows).
//
// The client library drops what it has not sent when a connection ends, and sends nothing twice. So a request that was
// under way then may have had its effect: it rejects as `disconnected`, and whoever made it finds out.

import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { createInbox } from '@nats-io/transport-node';
import type { Logger } from '../../actors/runtime/ports.ts';
import { JetStreamError, RequestLost } from './faults.ts';
import { PartsPublisher } from './parts-publisher.ts';

const SWEEP_MS = 20;

interface Pending {
  readonly subject: string;
  readonly deadlineMs: number;
  /** Takes a message; @returns whether it was the last one. */
  readonly take: (message: Msg) => boolean;
  readonly lose: (error: RequestLost) => void;
}

export interface RequesterOptions {
  readonly connection: NatsConnection;
  /** Names the connection in log lines. */
  readonly name: string;
  readonly logger: Logger;
  readonly requestTimeoutMs: number;
}

export class Requester {
  readonly connection: NatsConnection;
  readonly #name: string;
  readonly #logger: Logger;
  readonly #timeoutMs: number;
  readonly #inbox = createInbox();
  readonly #parts: PartsPublisher;
  readonly #pending = new Map<number, Pending>();
  #token = 0;
  #connected = true;
  #closed = false;
  #sweeper: NodeJS.Timeout | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #onReconnect = new Set<() => void>();
  /** Time from a request to its answer, ms; the latest. */
  lastAnswerMs = 0;
  reconnects = 0;

  constructor(options: RequesterOptions) {
    this.connection = options.connection;
    this.#parts = new PartsPublisher(options.connection);
    this.#name = options.name;
    this.#logger = options.logger;
    this.#timeoutMs = options.requestTimeoutMs;
    this.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#answered(message);
      },
    });
    this.#follow();
  }

  get connected(): boolean {
    return this.#connected && !this.#closed;
  }

  /** host:port of the server in use. */
  get server(): string {
    return this.connection.getServer();
  }

  /** The largest message that the server takes, headers included. */
  get maxPayload(): number {
    return this.connection.info?.max_payload ?? 0;
  }

  /** Calls `listener` after every reconnect. */
  onReconnect(listener: () => void): void {
    this.#onReconnect.add(listener);
  }

  /**
   * Publishes and waits for the one answer.
   * @throws RequestLost
   */
  request(subject: string, payload?: Uint8Array, headers?: MsgHdrs, timeoutMs = this.#timeoutMs): Promise<Msg> {
    return new Promise((resolve, reject) => {
      this.#send(
        (reply) => this.connection.publish(subject, payload, { reply, headers }),
        this.#once(subject, timeoutMs, resolve, reject),
      );
    });
  }

  /**
   * As `request`, with one header and the payload in parts that are sent without being put together.
   * @param parts not to be changed until it is settled
   * @throws RequestLost
   */
  requestParts(
    subject: string,
    header: readonly [name: string, value: string],
    parts: readonly Uint8Array[],
    timeoutMs = this.#timeoutMs,
  ): Promise<Msg> {
    return new Promise((resolve, reject) => {
      this.#send(
        (reply) => this.#parts.publish(subject, reply, header, parts),
        this.#once(subject, timeoutMs, resolve, reject),
      );
    });
  }

  /**
   * Publishes and takes the answers until `take` says that it had the last one.
   * @throws RequestLost, and what `take` throws
   */
  requestMany(subject: string, payload: Uint8Array, take: (message: Msg) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#send((reply) => this.connection.publish(subject, payload, { reply }), {
        subject,
        deadlineMs: performance.now() + this.#timeoutMs,
        take: (message) => {
          try {
            if (isNoResponders(message)) throw new RequestLost('no-responders', `nobody serves ${subject}`);
            if (!take(message)) return false;
            resolve();
          } catch (error) {
            reject(error);
          }
          return true;
        },
        lose: reject,
      });
    });
  }

  /**
   * A request to JetStream's API, whose answer is JSON.
   * @throws RequestLost, JetStreamError
   */
  async api<T>(subject: string, body: unknown): Promise<T> {
    const message = await this.request(subject, body === undefined ? undefined : Buffer.from(JSON.stringify(body)));
    return answerOf<T>(message);
  }

  /** Messages that were sent without a copy. */
  get gathered(): number {
    return this.#parts.gathered;
  }

  /** Resolves when there is a connection, or at the deadline (`performance.now()`). @returns whether there is one. */
  async whenConnected(deadlineMs: number): Promise<boolean> {
    while (!this.connected) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0 || this.#closed) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, leftMs);
        const waiting = this.#waiting;
        function done(): void {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        }
        waiting.add(done);
      });
    }
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#loseAll('the journal is closed');
    this.#wake();
    if (!this.connection.isClosed()) await this.connection.close();
  }

  /** A request with one answer. */
  #once(
    subject: string,
    timeoutMs: number,
    resolve: (message: Msg) => void,
    reject: (error: RequestLost) => void,
  ): Pending {
    const startedMs = performance.now();
    return {
      subject,
      deadlineMs: startedMs + timeoutMs,
      take: (message) => {
        if (isNoResponders(message)) reject(new RequestLost('no-responders', `nobody serves ${subject}`));
        else {
          this.lastAnswerMs = performance.now() - startedMs;
          resolve(message);
        }
        return true;
      },
      lose: reject,
    };
  }

  #send(publish: (reply: string) => void, pending: Pending): void {
    const { subject } = pending;
    if (!this.connected) {
      pending.lose(new RequestLost('not-sent', `no connection to NATS for ${subject}`));
      return;
    }
    const token = ++this.#token;
    this.#pending.set(token, pending);
    try {
      publish(`${this.#inbox}.${token}`);
    } catch (error) {
      // Refused by the library itself: too large for the server, or the connection is being closed.
      this.#pending.delete(token);
      pending.lose(new RequestLost('not-sent', `${subject}: ${(error as Error).message}`));
      return;
    }
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS);
  }

  #answered(message: Msg): void {
    const token = Number(message.subject.slice(this.#inbox.length + 1));
    const pending = this.#pending.get(token);
    // An answer to a request that was given up: whoever gave it up has found out by itself.
    if (pending === undefined) return;
    if (pending.take(message)) this.#pending.delete(token);
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const [token, pending] of this.#pending) {
      if (pending.deadlineMs > nowMs) continue;
      this.#pending.delete(token);
      pending.lose(new RequestLost('timeout', `no answer to ${pending.subject}`));
    }
    if (this.#pending.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  #loseAll(why: string): void {
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of lost) pending.lose(new RequestLost('disconnected', `${pending.subject}: ${why}`));
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      switch (status.type) {
        case 'disconnect':
          if (this.#connected)
            this.#logger.log('warn', 'journal.disconnected', { connection: this.#name, server: status.server });
          this.#connected = false;
          this.#loseAll('the connection to NATS was lost');
          break;
        case 'reconnect':
          this.#connected = true;
          this.reconnects++;
          this.#logger.log('info', 'journal.reconnected', { connection: this.#name, server: status.server });
          this.#wake();
          for (const listener of this.#onReconnect) listener();
          break;
        case 'error':
          this.#logger.log('warn', 'journal.nats-error', { connection: this.#name, error: status.error });
          break;
        case 'close':
          if (!this.#closed) this.#logger.log('error', 'journal.connection-closed', { connection: this.#name });
          this.#connected = false;
          this.#loseAll('the connection to NATS is closed');
          break;
      }
    }
  }
}

/** The JSON of an answer. @throws JetStreamError when it is an error */
export function answerOf<T>(message: Msg): T {
  const answer = JSON.parse(Buffer.from(message.data).toString()) as T & {
    error?: { err_code?: number; code?: number; description?: string };
  };
  if (answer.error !== undefined) {
    const { err_code, code, description } = answer.error;
    throw new JetStreamError(err_code ?? code ?? 0, description ?? 'unknown error');
  }
  return answer;
}

function isNoResponders(message: Msg): boolean {
  return message.data.length === 0 && message.headers?.code === 503;
}
