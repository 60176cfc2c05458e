// Sends a message to whichever node owns its shard: on this node directly, else through the mailbox. While ownership
// moves, a message that had no effect waits for the next owner and is sent again, so that a client mostly does not notice;
// after a bound it gets the fault, which tells it to look for the leader itself. Messages that follow one another from a
// client's pipeline keep their order meanwhile (line.ts).

import { ActorFault } from '../runtime/errors.ts';
import type { Clock, TimerHandle, TraceContext } from '../runtime/ports.ts';
import { StorageFault } from '../shard/ports.ts';
import type { View } from '../shard/view.ts';
import { isElsewhere } from './faults.ts';
import { Line } from './line.ts';
import type { Mailbox, RemoteService } from './mailbox.ts';

export interface OwnersEnvironment {
  readonly clock: Clock;
  readonly view: View;
  /** Absent: there are no other nodes. */
  readonly mailbox: Mailbox | undefined;
  /** How long a message may wait for a new owner, ms. */
  readonly handoverWaitMs: number;
}

/** How often a message that waits for an owner is tried again at the latest, ms. */
const RETRY_MS = 50;
/** Kinds of messages that clients send without waiting for the answer to the one before, and whose order counts. */
const IN_ORDER: ReadonlySet<string> = new Set(['append', 'commitOffsets']);

/** Lines in which nobody is that are kept, so that a message need not make one. */
const LINES_KEPT = 4_096;

export interface OwnedMessage {
  readonly service: RemoteService;
  readonly key: string;
  readonly kind: string;
  readonly message: unknown;
  /** How long another node may take to reply, ms. */
  readonly timeoutMs: number;
  readonly trace?: TraceContext;
}

export class Owners {
  readonly #environment: OwnersEnvironment;
  readonly #underWay = new Map<number, Set<(error: Error) => void>>();
  /** Messages whose order does not count, and that wait for an owner. */
  #waiting: (() => void)[] = [];
  #wakeTimer: TimerHandle | undefined;
  /** Of the others, by key: the line of each actor. */
  readonly #lines = new Map<string, Line>();
  #linesToSweep = LINES_KEPT;

  constructor(environment: OwnersEnvironment) {
    this.#environment = environment;
  }

  /** Whether this node owns the shard by the view. */
  isLocal(shard: number): boolean {
    const { view } = this.#environment;
    return view.ownerOf(shard) === view.nodeId;
  }

  /**
   * Delivers to the owner of `shard` and returns its reply.
   * @param local delivers on this node
   * @param isEarly whether a reply says that the message has had no effect since one before it is missing
   * @throws as ActorRef.ask
   */
  send<T>(
    shard: number,
    local: () => Promise<T> | T,
    message: OwnedMessage,
    isEarly: (reply: T) => boolean = () => false,
  ): Promise<T> {
    if (!IN_ORDER.has(message.kind)) return this.#freely(shard, local, message);
    return this.#inOrder(shard, local, message, isEarly);
  }

  async #freely<T>(shard: number, local: () => Promise<T> | T, message: OwnedMessage): Promise<T> {
    let deadlineMs: number | undefined;
    for (;;) {
      try {
        return await this.#once(shard, local, message);
      } catch (error) {
        if (!isElsewhere(error) || this.#nowMs() >= (deadlineMs ?? Number.POSITIVE_INFINITY)) throw error;
      }
      deadlineMs ??= this.#nowMs() + this.#environment.handoverWaitMs;
      await this.#change();
    }
  }

  async #inOrder<T>(
    shard: number,
    local: () => Promise<T> | T,
    message: OwnedMessage,
    isEarly: (reply: T) => boolean,
  ): Promise<T> {
    const line = this.#lineOf(message.key);
    const ticket = line.ticket();
    let refusal: unknown;
    if (line.isWaitedIn) refusal = noOwner(message);
    else {
      line.sent(ticket);
      try {
        const reply = await (this.isLocal(shard) ? local() : this.#once(shard, local, message));
        if (!isEarly(reply) || !line.mayHaveOvertaken(ticket)) {
          line.taken(ticket);
          return reply;
        }
        refusal = noOwner(message);
      } catch (error) {
        if (!isElsewhere(error)) {
          line.taken(ticket);
          throw error;
        }
        refusal = error;
      }
      line.refused(ticket);
    }
    return this.#inLine(line, ticket, refusal, shard, local, message, isEarly);
  }

  /** Goes on with a message that was refused, or that others wait before. */
  async #inLine<T>(
    line: Line,
    ticket: number,
    firstRefusal: unknown,
    shard: number,
    local: () => Promise<T> | T,
    message: OwnedMessage,
    isEarly: (reply: T) => boolean,
  ): Promise<T> {
    const deadlineMs = this.#nowMs() + this.#environment.handoverWaitMs;
    const attempt = (): Promise<T> => this.#once(shard, local, message);
    for (let refusal = firstRefusal; ; ) {
      this.#lookLater();
      try {
        const reply = await line.wait(ticket, deadlineMs, refusal, attempt);
        if (!isEarly(reply) || !line.mayHaveOvertaken(ticket) || this.#nowMs() >= deadlineMs) {
          line.taken(ticket);
          return reply;
        }
        refusal = noOwner(message);
      } catch (error) {
        // Given up while it waited.
        if (error === refusal) throw error;
        if (!isElsewhere(error)) {
          line.taken(ticket);
          throw error;
        }
        refusal = error;
      }
      line.refused(ticket);
      if (this.#nowMs() < deadlineMs) continue;
      line.giveUpLate(this.#nowMs());
      throw refusal;
    }
  }

  /** The line of an actor; those in which nobody is are kept for the next, up to a bound. */
  #lineOf(key: string): Line {
    let line = this.#lines.get(key);
    if (line !== undefined) return line;
    if (this.#lines.size >= this.#linesToSweep) {
      for (const [other, { isEmpty }] of this.#lines) if (isEmpty) this.#lines.delete(other);
      this.#linesToSweep = Math.max(LINES_KEPT, 2 * this.#lines.size);
    }
    line = new Line();
    this.#lines.set(key, line);
    return line;
  }

  async #once<T>(shard: number, local: () => Promise<T> | T, message: OwnedMessage): Promise<T> {
    if (this.isLocal(shard)) return local();
    return (await this.toNode(this.#environment.view.ownerOf(shard), message)) as T;
  }

  /** Sends to a node by its id. @throws as Mailbox.request; `outcome-unknown` when the node leaves the view meanwhile */
  toNode(nodeId: number, message: OwnedMessage): Promise<unknown> {
    const { mailbox, view } = this.#environment;
    if (mailbox === undefined || view.member(nodeId) === undefined) {
      return Promise.reject(new StorageFault('fenced', `no node owns ${message.service} ${message.key}`));
    }
    return new Promise((resolve, reject) => {
      const pending = this.#underWay.get(nodeId) ?? new Set();
      this.#underWay.set(nodeId, pending);
      pending.add(reject);
      mailbox
        .request(nodeId, { ...message, trace: message.trace })
        .then(resolve, reject)
        .finally(() => pending.delete(reject));
    });
  }

  /** The view has changed, or a shard has been opened here: what waits for it looks again. */
  changed(): void {
    this.#wakeAll();
    for (const [nodeId, pending] of this.#underWay) {
      if (this.#environment.view.member(nodeId) !== undefined) continue;
      this.#underWay.delete(nodeId);
      const gone = new ActorFault('outcome-unknown', `node ${nodeId} has left the cluster`);
      for (const reject of pending) reject(gone);
    }
  }

  /** Resolves when something has changed, or when it is time to look anyway. */
  #change(): Promise<void> {
    this.#lookLater();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #lookLater(): void {
    this.#wakeTimer ??= this.#environment.clock.setTimer(RETRY_MS, () => this.#wakeAll());
  }

  #nowMs(): number {
    return this.#environment.clock.monotonicMs();
  }

  #wakeAll(): void {
    if (this.#wakeTimer !== undefined) this.#environment.clock.clearTimer(this.#wakeTimer);
    this.#wakeTimer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
    for (const line of this.#lines.values()) {
      line.look(this.#nowMs());
      if (line.isWaitedIn) this.#lookLater();
    }
  }
}

function noOwner({ service, key }: OwnedMessage): StorageFault {
  return new StorageFault('fenced', `${service} ${key} has no owner yet`);
}
