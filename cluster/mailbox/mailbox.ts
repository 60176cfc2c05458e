// The mailbox between nodes over NATS: implements the actors' port. It owns this process's connections, one a lane, its name
// among the nodes, and the requests under way in both directions.
//
//   actors ─▶ Outgoing (a node, a lane) ─▶ frames ─▶ LaneConnection ═NATS═▶ LaneConnection ─▶ Incoming (a process) ─▶ handler

import type { Mailbox, RemoteHandler, RemoteRequest } from '../../src/actors/remote/mailbox.ts';
import { ActorFault } from '../../src/actors/runtime/errors.ts';
import type { Clock, Logger, Random } from '../../src/actors/runtime/ports.ts';
import type { Health } from '../../src/events.ts';
import { type NatsAccess, type NatsLink, openNatsLink } from '../nats-connection.ts';
import { Assembly } from './assembly.ts';
import { Delays } from './delay.ts';
import { decodeFrame, FRAME_VERSION, UnreadableFrame } from './frame.ts';
import { Incoming, type IncomingCounts } from './incoming.ts';
import { LaneConnection } from './lane.ts';
import { defaultMailboxLimits, type MailboxLimits, REPLY_BYTES_MAX, SWEEP_MS } from './limits.ts';
import { Outgoing } from './outgoing.ts';
import { type Hello, Peers } from './peers.ts';
import { ReplyBudget } from './reply-budget.ts';
import { type Lane, lanes, type PartAddress, Subjects } from './subjects.ts';

export interface MailboxOptions extends NatsAccess {
  readonly nodeId: number;
  /** First token of every subject: clusters that share NATS have different ones. Letters, digits, _ and -. */
  readonly subjectPrefix: string;
  readonly limits?: Partial<MailboxLimits>;
  /** A server that is silent for twice as long is left, ms. Default 500. */
  readonly pingIntervalMs?: number;
  /** How long the first connection is tried for, ms. Default 60,000. */
  readonly connectTimeoutMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Another process has been started as this node: this one is not asked any more and should end. */
  readonly onSuperseded?: () => void;
}

export interface MailboxStatus {
  readonly incarnation: string;
  /** Whether each lane is connected. */
  readonly connected: Readonly<Record<Lane, boolean>>;
  /** Requests to other nodes that are under way, and their bytes. */
  readonly requests: number;
  readonly requestBytes: number;
  /** Requests of other nodes that are being served. */
  readonly serving: number;
  /** Bytes of replies that wait for the server to keep up. */
  readonly waitingBytes: number;
  /** Since the start: requests served, requests that came again, came too late, were refused. */
  readonly counts: Readonly<IncomingCounts>;
}

export interface NatsMailbox extends Mailbox {
  readonly incarnation: string;
  /** The connection that control messages take; heartbeats go over it too. */
  readonly link: NatsLink;
  /** Subject of what this cluster's nodes say to all under this name. */
  broadcastSubject(name: string): string;
  status(): MailboxStatus;
  /** Requests under way end as unknown. */
  close(): Promise<void>;
}

/** Appends and reads of records, and whatever must keep its order with them; the rest is control. */
const bulkServices: ReadonlySet<string> = new Set(['partition', 'log']);

/**
 * Connects this node to the others.
 * @throws NatsUnavailable saying why
 */
export async function openMailbox(options: MailboxOptions): Promise<NatsMailbox> {
  const { nodeId, clock, logger, pingIntervalMs = 500, connectTimeoutMs = 60_000 } = options;
  const links = await Promise.all(
    lanes.map((lane) =>
      openNatsLink({ ...options, name: `sargasso-${nodeId}-${lane}`, pingIntervalMs, connectTimeoutMs, clock, logger }),
    ),
  );
  const mailbox = new MailboxOverNats(options, { control: links[0] as NatsLink, bulk: links[1] as NatsLink });
  await mailbox.start();
  return mailbox;
}

class MailboxOverNats implements NatsMailbox {
  readonly incarnation: string;
  readonly link: NatsLink;
  readonly #options: MailboxOptions;
  readonly #limits: MailboxLimits;
  readonly #budget = new ReplyBudget(REPLY_BYTES_MAX);
  readonly #links: Record<Lane, NatsLink>;
  readonly #lanes: Record<Lane, LaneConnection>;
  readonly #subjects: Subjects;
  readonly #peers: Peers;
  readonly #outgoing: Record<Lane, Map<number, Outgoing>> = { control: new Map(), bulk: new Map() };
  readonly #incoming: Record<Lane, Map<string, Incoming>> = { control: new Map(), bulk: new Map() };
  readonly #replies: Record<Lane, Map<string, Assembly>> = { control: new Map(), bulk: new Map() };
  readonly #delays = new Map<string, Delays>();
  /** Node ids of processes. */
  readonly #processes = new Map<string, number>();
  /** Processes that have been followed by others; what still comes from them is left alone. */
  readonly #gone = new Set<string>();
  readonly #counts: IncomingCounts = { served: 0, repeated: 0, late: 0, refused: 0 };
  #handler: RemoteHandler | undefined;
  #sweepTimer: object | undefined;
  #closed = false;

  constructor(options: MailboxOptions, links: Record<Lane, NatsLink>) {
    const { nodeId, clock, logger, random } = options;
    this.#options = options;
    this.#limits = { ...defaultMailboxLimits, ...options.limits };
    this.#links = links;
    this.link = links.control;
    this.incarnation = Buffer.from(random.bytes(12)).toString('hex');
    this.#subjects = new Subjects(options.subjectPrefix);
    this.#lanes = { control: this.#openLane('control'), bulk: this.#openLane('bulk') };
    this.#peers = new Peers({
      link: links.control,
      subjects: this.#subjects,
      clock,
      logger,
      self: {
        nodeId,
        incarnation: this.incarnation,
        startedMs: clock.nowMs(),
        versions: [FRAME_VERSION, FRAME_VERSION],
      },
      onHello: (hello) => this.#heard(hello),
      onSuperseded: () => options.onSuperseded?.(),
    });
  }

  /** Resolves when requests of other nodes reach this one. */
  async start(): Promise<void> {
    await Promise.all(lanes.map((lane) => this.#links[lane].connection.flush()));
    this.#peers.greet();
    this.#sweep();
  }

  request(nodeId: number, request: RemoteRequest): Promise<unknown> {
    if (this.#closed) return Promise.reject(new ActorFault('actor-stopped', 'this node is stopping'));
    const outgoing = this.#outgoingTo(nodeId, bulkServices.has(request.service) ? 'bulk' : 'control');
    return outgoing.ask(request);
  }

  serve(handler: RemoteHandler): void {
    this.#handler = handler;
  }

  broadcastSubject(name: string): string {
    return this.#subjects.broadcast(name);
  }

  status(): MailboxStatus {
    const outgoing = lanes.flatMap((lane) => [...this.#outgoing[lane].values()]);
    const incoming = lanes.flatMap((lane) => [...this.#incoming[lane].values()]);
    return {
      incarnation: this.incarnation,
      connected: { control: this.#lanes.control.up, bulk: this.#lanes.bulk.up },
      requests: outgoing.reduce((sum, { count }) => sum + count, 0),
      requestBytes: outgoing.reduce((sum, { bytes }) => sum + bytes, 0),
      serving: incoming.reduce((sum, { running }) => sum + running, 0),
      waitingBytes: lanes.reduce((sum, lane) => sum + this.#lanes[lane].waitingBytes, 0),
      counts: { ...this.#counts },
    };
  }

  health(): Health {
    const { connected, requests, serving, waitingBytes } = this.status();
    const down = lanes.filter((lane) => !connected[lane]);
    const reason = down.length === 0 ? 'connected to NATS' : `no connection to NATS for ${down.join(' and ')}`;
    return { ready: down.length === 0, reason, details: { requests, serving, waitingBytes } };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#sweepTimer !== undefined) this.#options.clock.clearTimer(this.#sweepTimer);
    for (const lane of lanes) for (const outgoing of this.#outgoing[lane].values()) outgoing.close();
    await Promise.all(lanes.map((lane) => this.#lanes[lane].drain()));
    for (const lane of lanes) for (const incoming of this.#incoming[lane].values()) incoming.close();
    // Replies that are due go out with this round of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all(lanes.map((lane) => this.#links[lane].close()));
  }

  #openLane(lane: Lane): LaneConnection {
    return new LaneConnection(lane, this.#links[lane], this.#subjects, this.incarnation, {
      onRequestPart: (payload, address) => {
        if (!this.#gone.has(address.incarnation)) this.#incomingFrom(address.incarnation, lane).part(payload, address);
      },
      onReplyPart: (payload, address) => this.#replyPart(lane, payload, address),
      onNobody: (frame) => {
        for (const outgoing of this.#outgoing[lane].values()) outgoing.nobody(frame);
      },
      onChange: (up) => {
        if (!up || this.#closed) return;
        this.#peers.resumed(lane);
        // Over the control connection others say that they were without one, in either lane, and it may have been missed.
        for (const each of lane === 'control' ? lanes : [lane]) {
          for (const outgoing of this.#outgoing[each].values()) outgoing.resume();
        }
      },
    });
  }

  #outgoingTo(nodeId: number, lane: Lane): Outgoing {
    let outgoing = this.#outgoing[lane].get(nodeId);
    if (outgoing === undefined) {
      outgoing = new Outgoing({
        lane: this.#lanes[lane],
        selfId: this.#options.nodeId,
        nodeId,
        clock: this.#options.clock,
        limits: this.#limits,
        budget: this.#budget,
        findProcess: () => this.#peers.find(nodeId),
      });
      this.#outgoing[lane].set(nodeId, outgoing);
    }
    return outgoing;
  }

  #incomingFrom(incarnation: string, lane: Lane): Incoming {
    let incoming = this.#incoming[lane].get(incarnation);
    if (incoming === undefined) {
      let delays = this.#delays.get(incarnation);
      if (delays === undefined) {
        delays = new Delays();
        this.#delays.set(incarnation, delays);
      }
      incoming = new Incoming({
        lane: this.#lanes[lane],
        incarnation,
        clock: this.#options.clock,
        limits: this.#limits,
        delays,
        counts: this.#counts,
        logger: this.#options.logger,
        handle: (request) => this.#handle(request),
      });
      this.#incoming[lane].set(incarnation, incoming);
    }
    return incoming;
  }

  async #handle(request: RemoteRequest): Promise<unknown> {
    if (this.#handler === undefined || this.#closed) {
      throw new ActorFault('actor-stopped', 'the node serves nobody now');
    }
    return this.#handler(request);
  }

  #replyPart(lane: Lane, payload: Buffer, address: PartAddress): void {
    const { clock, logger } = this.#options;
    if (this.#gone.has(address.incarnation)) return;
    let assembly = this.#replies[lane].get(address.incarnation);
    if (assembly === undefined) {
      assembly = new Assembly(this.#limits.frameBytesMax);
      this.#replies[lane].set(address.incarnation, assembly);
    }
    const assembled = assembly.add(payload, address, clock.monotonicMs());
    if (assembled === 'more') return;
    try {
      if (assembled === 'too-large') throw new UnreadableFrame('replies larger than allowed');
      const frame = decodeFrame(assembled.frame);
      const nodeId = this.#processes.get(address.incarnation);
      const outgoing = nodeId === undefined ? undefined : this.#outgoing[lane].get(nodeId);
      if (outgoing === undefined) return;
      if (frame.kind === 'replies') for (const reply of frame.replies) outgoing.replied(reply);
      else if (frame.kind === 'gap') outgoing.gap(frame.gap);
      else if (frame.kind === 'refusal') outgoing.refused(frame.refusal);
      else throw new UnreadableFrame('a frame of requests where replies go');
    } catch (error) {
      if (!(error instanceof UnreadableFrame)) throw error;
      // Whoever waits for what was in it is told when its time is out.
      logger.log('error', 'replies that cannot be read', { lane, process: address.incarnation, error });
    }
  }

  #heard({ nodeId, incarnation, resumed }: Hello): void {
    this.#processes.set(incarnation, nodeId);
    for (const lane of lanes) {
      const outgoing = this.#outgoing[lane].get(nodeId);
      if (outgoing === undefined) continue;
      outgoing.runs(incarnation);
      if (resumed?.includes(lane)) outgoing.resume();
    }
    for (const [other, otherNode] of this.#processes) {
      if (otherNode === nodeId && other !== incarnation) this.#forget(other);
    }
  }

  /** The process has been followed by another one. */
  #forget(incarnation: string): void {
    this.#gone.add(incarnation);
    this.#processes.delete(incarnation);
    this.#delays.delete(incarnation);
    for (const lane of lanes) {
      this.#incoming[lane].delete(incarnation);
      this.#replies[lane].delete(incarnation);
    }
  }

  #sweep(): void {
    for (const lane of lanes) for (const incoming of this.#incoming[lane].values()) incoming.sweep();
    this.#sweepTimer = this.#options.clock.setTimer(SWEEP_MS, () => this.#sweep());
  }
}
