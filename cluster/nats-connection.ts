// One connection to NATS: how it is opened (servers, TLS, credentials), and whether it is up. It reconnects for ever and
// says when it is down and up again; what was under way meanwhile is the matter of whoever uses it.

import { readFileSync } from 'node:fs';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  nkeyAuthenticator,
} from '@nats-io/transport-node';
import type { Clock, Logger } from '../src/actors/runtime/ports.ts';

/** At most one of user, token, creds file and nkey file. */
export interface NatsCredentials {
  readonly user?: string | null;
  readonly password?: string | null;
  readonly token?: string | null;
  /** A .creds file: a user's JWT and nkey seed. Read again at every reconnect. */
  readonly credsFile?: string | null;
  /** A file that holds an nkey seed. Read again at every reconnect. */
  readonly nkeyFile?: string | null;
}

export interface NatsTls {
  /** PEM of the authorities that servers must be signed by; absent: those of Node. */
  readonly caFile?: string | null;
  /** PEM of this node's own certificate and key, where servers verify clients. */
  readonly certFile?: string | null;
  readonly keyFile?: string | null;
  /** TLS before the server says anything (`handshake_first` of nats-server). */
  readonly handshakeFirst?: boolean;
}

export interface NatsAccess {
  /** `host:port`, `nats://host:port` or `tls://host:port`. */
  readonly servers: readonly string[];
  readonly credentials?: NatsCredentials;
  /** Present: TLS is demanded of the server. */
  readonly tls?: NatsTls;
}

export interface NatsLinkOptions extends NatsAccess {
  /** What nats-server lists the connection as. */
  readonly name: string;
  /** A server that does not answer pings is left after two of these, ms. */
  readonly pingIntervalMs: number;
  /** How long the first connection is tried for, ms. */
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** NATS could not be reached, or does not let this node in. */
export class NatsUnavailable extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'NatsUnavailable';
  }
}

/** How long one dial may take, ms. */
const DIAL_TIMEOUT_MS = 3_000;
/** Between dials of the same server, ms; jitter keeps nodes from coming all at once. */
const REDIAL_MS = 100;
const REDIAL_JITTER_MS = 100;
const PINGS_UNANSWERED_MAX = 2;
/** How long the end of a connection waits for the server to have what was sent, ms. */
const CLOSE_FLUSH_MS = 1_000;

/** A connection and its state. Listeners are told of changes in order; `up` is the state after the last one told. */
export class NatsLink {
  readonly connection: NatsConnection;
  readonly name: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners: ((up: boolean) => void)[] = [];
  #up = true;
  #closing = false;

  constructor(connection: NatsConnection, { name, clock, logger }: NatsLinkOptions) {
    this.#clock = clock;
    this.connection = connection;
    this.name = name;
    this.#logger = logger;
    void this.#follow();
  }

  get up(): boolean {
    return this.#up;
  }

  /** The largest message of the server connected to, bytes. */
  get payloadBytesMax(): number {
    return this.connection.info?.max_payload ?? 1 << 20;
  }

  /** Tells of every change; not of the state at the time of the call. */
  onChange(listener: (up: boolean) => void): void {
    this.#listeners.push(listener);
  }

  /** Drops the connection as it is and dials again, another server if there is one. */
  redial(): void {
    if (this.#up && !this.#closing) void this.connection.reconnect().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closing = true;
    if (this.#up) await this.#flushed();
    this.#set(false);
    await this.connection.close();
  }

  /** What was published is with the server, or it takes too long. */
  async #flushed(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(CLOSE_FLUSH_MS, resolve);
      const done = (): void => {
        this.#clock.clearTimer(timer);
        resolve();
      };
      this.connection.flush().then(done, done);
    });
  }

  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      switch (status.type) {
        case 'disconnect':
          this.#logger.log('warn', 'nats connection lost', { connection: this.name, server: status.server });
          this.#set(false);
          break;
        case 'reconnect':
          this.#logger.log('info', 'nats connected again', { connection: this.name, server: status.server });
          this.#set(true);
          break;
        case 'error':
          this.#logger.log('warn', 'nats error', { connection: this.name, error: status.error });
          break;
        case 'close':
          if (!this.#closing) this.#logger.log('error', 'nats connection closed for good', { connection: this.name });
          this.#set(false);
          break;
        default:
      }
    }
  }

  #set(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    for (const listener of this.#listeners) listener(up);
  }
}

/**
 * Connects to one of the servers, trying until `connectTimeoutMs` is over.
 * @throws NatsUnavailable saying why
 */
export async function openNatsLink(options: NatsLinkOptions): Promise<NatsLink> {
  const { clock, logger, connectTimeoutMs, servers } = options;
  const deadlineMs = clock.monotonicMs() + connectTimeoutMs;
  const settings = natsConnectionOptions(options);
  for (let attempt = 0; ; attempt++) {
    try {
      return new NatsLink(await connect(settings), options);
    } catch (error) {
      const where = `NATS at ${servers.join(', ')}`;
      if (isRefusal(error)) throw new NatsUnavailable(`${where} does not let this node in: ${wordsOf(error)}`, error);
      if (clock.monotonicMs() >= deadlineMs)
        throw new NatsUnavailable(`${where} cannot be reached: ${wordsOf(error)}`, error);
      if (attempt % 20 === 0)
        logger.log('warn', 'nats not reachable yet', { servers: servers.join(','), error: wordsOf(error) });
    }
    await new Promise<void>((resolve) => clock.setTimer(REDIAL_MS, resolve));
  }
}

/** What the client library is told. @throws NatsUnavailable when a file of credentials cannot be read */
export function natsConnectionOptions(options: NatsLinkOptions): ConnectionOptions {
  const { servers, credentials = {}, tls, name, pingIntervalMs } = options;
  const { user, password, token, credsFile, nkeyFile } = credentials;
  return {
    servers: [...servers],
    name,
    maxReconnectAttempts: -1,
    // A server that restarts with other credentials, or a file that is being replaced, must not end the node.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: REDIAL_MS,
    reconnectJitter: REDIAL_JITTER_MS,
    reconnectJitterTLS: REDIAL_JITTER_MS,
    timeout: DIAL_TIMEOUT_MS,
    pingInterval: pingIntervalMs,
    maxPingOut: PINGS_UNANSWERED_MAX,
    noAsyncTraces: true,
    ...(user ? { user, pass: password ?? '' } : {}),
    ...(token ? { token } : {}),
    ...(credsFile ? { authenticator: credsAuthenticator(fileReader(credsFile)) } : {}),
    ...(nkeyFile ? { authenticator: nkeyAuthenticator(seedReader(nkeyFile)) } : {}),
    ...(tls ? { tls: tlsOptions(tls) } : {}),
  };
}

function tlsOptions({ caFile, certFile, keyFile, handshakeFirst }: NatsTls): ConnectionOptions['tls'] {
  return {
    ...(caFile ? { caFile } : {}),
    ...(certFile ? { certFile } : {}),
    ...(keyFile ? { keyFile } : {}),
    ...(handshakeFirst ? { handshakeFirst } : {}),
  };
}

/** The file's bytes at each call; the first is read at once, so that a wrong path is found at the start. */
function fileReader(path: string): () => Uint8Array {
  const read = (): Uint8Array => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new NatsUnavailable(`the NATS credentials ${path} cannot be read: ${wordsOf(error)}`, error);
    }
  };
  read();
  return read;
}

function seedReader(path: string): () => Uint8Array {
  const read = fileReader(path);
  return () => Buffer.from(Buffer.from(read()).toString('ascii').trim());
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof NatsUnavailable ||
    error instanceof errors.AuthorizationError ||
    error instanceof errors.UserAuthenticationExpiredError ||
    error instanceof errors.InvalidArgumentError
  );
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
