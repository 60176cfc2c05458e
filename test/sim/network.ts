// Simulated TCP: two byte streams between a client and a node's listener, each in order, delayed, and cut into pieces
// wherever chance has it. The node's end is attached as the real listener attaches a socket (cluster/listener.ts).

import type { Connection, ConnectionPort } from '../../src/actors/connection/connection.ts';
import { FrameReader } from '../../src/protocol/framing.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';
import type { ScheduledEvent, Scheduler } from './scheduler.ts';

export interface NetworkConditions {
  /** Mean delay of a piece, ms. */
  delayMeanMs: number;
  /** Probability that a write arrives in several pieces. */
  splitChance: number;
}

/** Unread response bytes at which the node's end counts as slow to drain. */
const SEND_BUFFER_BYTES = 16 * 1024;
const LISTENER = 'PLAINTEXT';

type Deliver = (delayMs: number, run: () => void) => ScheduledEvent;

/** One direction of a connection. */
class Stream {
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #conditions: NetworkConditions;
  readonly #deliver: Deliver;
  readonly #receive: (piece: Buffer) => void;
  readonly #ended: () => void;
  #arrivesMs = 0;
  #travelling: (Buffer | 'end')[] = [];
  #arrived: (Buffer | 'end')[] = [];
  #paused = false;
  #broken = false;
  /** Bytes sent and not yet taken by the receiver. */
  unreadBytes = 0;
  onRead: (() => void) | undefined;

  constructor(
    scheduler: Scheduler,
    random: SeededRandom,
    conditions: NetworkConditions,
    deliver: Deliver,
    receive: (piece: Buffer) => void,
    ended: () => void,
  ) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#conditions = conditions;
    this.#deliver = deliver;
    this.#receive = receive;
    this.#ended = ended;
  }

  send(bytes: Buffer): void {
    if (this.#broken || bytes.length === 0) return;
    this.unreadBytes += bytes.length;
    for (const piece of this.#pieces(bytes)) this.#travel(piece);
  }

  /** The sender has nothing more to say. */
  end(): void {
    if (!this.#broken) this.#travel('end');
  }

  /** What is under way is lost. */
  break(): void {
    this.#broken = true;
    this.#travelling = [];
    this.#arrived = [];
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#arrived.length > 0) this.#deliver(0, () => this.#hand());
  }

  #pieces(bytes: Buffer): Buffer[] {
    if (bytes.length < 2 || !this.#random.chance(this.#conditions.splitChance)) return [bytes];
    const cuts = new Set<number>();
    for (let count = this.#random.int(1, 3); count > 0; count--) cuts.add(this.#random.int(1, bytes.length - 1));
    const points = [...cuts].sort((a, b) => a - b);
    return [...points, bytes.length].map((end, index) => bytes.subarray(points[index - 1] ?? 0, end));
  }

  #travel(piece: Buffer | 'end'): void {
    const { nowMs } = this.#scheduler;
    const delayMs = 0.1 + this.#random.exponential(this.#conditions.delayMeanMs);
    this.#arrivesMs = Math.max(this.#arrivesMs, nowMs + delayMs);
    this.#travelling.push(piece);
    this.#deliver(this.#arrivesMs - nowMs, () => {
      // Pieces keep their order, whichever of the arrivals is told first to a process that was paused.
      const arrived = this.#travelling.shift();
      if (arrived === undefined) return;
      this.#arrived.push(arrived);
      this.#hand();
    });
  }

  #hand(): void {
    while (!this.#paused && !this.#broken) {
      const piece = this.#arrived.shift();
      if (piece === undefined) return;
      if (piece === 'end') {
        this.#ended();
        continue;
      }
      this.unreadBytes -= piece.length;
      this.#receive(piece);
      this.onRead?.();
    }
  }
}

/** What a client holds of its connection. */
export interface ClientSocket {
  write(chunks: readonly Uint8Array[]): void;
  /** Stops or goes on reading responses. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface SocketHandlers {
  onData(piece: Buffer): void;
  /** The connection is gone, whoever ended it; called once. */
  onClose(): void;
}

/** Where connections of a listening node come in. */
export interface Acceptor {
  readonly process: SimProcess;
  accept(port: ConnectionPort, listener: string, clientHost: string): Connection;
  readonly frameBytesMax: number;
}

/** One connection under way. */
interface Link {
  readonly client: string;
  readonly nodeId: number;
  cut(): void;
}

export class Network {
  readonly conditions: NetworkConditions;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #links = new Set<Link>();
  readonly #listening = new Map<number, Acceptor>();
  readonly #unreachable = new Set<string>();
  /** Client and node that do not reach each other. */
  readonly #parted = new Set<string>();

  constructor(scheduler: Scheduler, random: SeededRandom, conditions: NetworkConditions) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.conditions = conditions;
  }

  listen(nodeId: number, acceptor: Acceptor): void {
    this.#listening.set(nodeId, acceptor);
  }

  unlisten(nodeId: number): void {
    this.#listening.delete(nodeId);
  }

  /** The node's machine resets every connection (its process is gone). */
  resetNode(nodeId: number): void {
    for (const link of [...this.#links]) if (link.nodeId === nodeId) link.cut();
  }

  /** Cuts the connections of every client whose name passes. @returns how many there were */
  cut(matches: (client: string) => boolean): number {
    const links = [...this.#links].filter(({ client }) => matches(client));
    for (const link of links) link.cut();
    return links.length;
  }

  /** The client reaches nobody until `reconnect` or `heal`. */
  isolate(client: string): void {
    this.#unreachable.add(client);
    this.cut((name) => name === client);
  }

  reconnect(client: string): void {
    this.#unreachable.delete(client);
  }

  /** The client does not reach the node until `rejoin` or `heal`. */
  part(client: string, nodeId: number): void {
    this.#parted.add(`${client} ${nodeId}`);
    for (const link of [...this.#links]) if (link.client === client && link.nodeId === nodeId) link.cut();
  }

  rejoin(client: string, nodeId: number): void {
    this.#parted.delete(`${client} ${nodeId}`);
  }

  heal(): void {
    this.#parted.clear();
    this.#unreachable.clear();
  }

  /** Connects a client. Resolves with the socket, or undefined when nobody answers there. */
  async connect(client: string, nodeId: number, handlers: SocketHandlers): Promise<ClientSocket | undefined> {
    await this.#scheduler.sleep(this.#delayMs() + this.#delayMs());
    const acceptor = this.#listening.get(nodeId);
    const parted = this.#unreachable.has(client) || this.#parted.has(`${client} ${nodeId}`);
    if (acceptor === undefined || !acceptor.process.alive || parted) return undefined;
    return this.#attach(client, nodeId, acceptor, handlers);
  }

  #delayMs(): number {
    return 0.1 + this.#random.exponential(this.conditions.delayMeanMs);
  }

  #attach(client: string, nodeId: number, acceptor: Acceptor, handlers: SocketHandlers): ClientSocket {
    const scheduler = this.#scheduler;
    const { process } = acceptor;
    const frames = new FrameReader(acceptor.frameBytesMax);
    let clientGone = false;
    let serverGone = false;
    const closeClient = (): void => {
      if (clientGone) return;
      clientGone = true;
      this.#links.delete(link);
      handlers.onClose();
    };
    const stream = (deliver: Deliver, receive: (piece: Buffer) => void, ended: () => void) =>
      new Stream(scheduler, this.#random, this.conditions, deliver, receive, ended);

    const responses = stream(
      (delayMs, run) => scheduler.after(delayMs, run),
      (piece) => {
        if (!clientGone) handlers.onData(piece);
      },
      closeClient,
    );
    let congested = false;
    const port: ConnectionPort = {
      write(chunks, sent) {
        responses.send(Buffer.concat(chunks));
        sent();
        congested ||= responses.unreadBytes > SEND_BUFFER_BYTES;
        return !congested;
      },
      pause: () => requests.pause(),
      resume: () => requests.resume(),
      close() {
        if (serverGone) return;
        serverGone = true;
        requests.break();
        responses.end();
      },
    };
    let connection: Connection | undefined;
    const requests = stream(
      (delayMs, run) => process.after(delayMs, run),
      (piece) => {
        if (serverGone) return;
        try {
          for (const frame of frames.push(Buffer.from(piece))) connection?.receive(frame);
        } catch (error) {
          connection?.close('malformed frame', { error });
        }
      },
      () => connection?.close('peer closed'),
    );
    responses.onRead = () => {
      if (!congested || responses.unreadBytes > SEND_BUFFER_BYTES / 2) return;
      congested = false;
      process.after(0, () => connection?.drained());
    };
    const link: Link = {
      client,
      nodeId,
      cut: () => {
        this.#links.delete(link);
        requests.break();
        responses.break();
        scheduler.after(this.#delayMs(), closeClient);
        process.after(this.#delayMs(), () => connection?.close('socket error: reset'));
      },
    };
    this.#links.add(link);
    connection = acceptor.accept(port, LISTENER, `/${client}`);
    return {
      write: (chunks) => requests.send(Buffer.concat(chunks)),
      pause: () => responses.pause(),
      resume: () => responses.resume(),
      close: () => {
        requests.end();
        responses.break();
        closeClient();
      },
    };
  }
}
