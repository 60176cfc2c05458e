// Sends a message to whichever node owns its shard: on this node directly, else through the mailbox. While ownership
// moves, a message that had no effect waits for the next owner and is sent again, so that a client mostly does not notice;
// after a bound it gets the fault, which tells it to look for the leader itself.

import { ActorFault } from '../runtime/errors.ts';
import type { Clock, TimerHandle, TraceContext } from '../runtime/ports.ts';
import { StorageFault } from '../shard/ports.ts';
import type { View } from '../shard/view.ts';
import { isElsewhere } from './faults.ts';
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
  /** In order of arrival, and woken all together: one that is woken alone would overtake those before it. */
  #waiting: (() => void)[] = [];
  #wakeTimer: TimerHandle | undefined;
  /** Messages by key that wait for an owner; later ones to the same actor queue up behind them, so order holds. */
  readonly #blocked = new Map<string, number>();

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
   * @throws as ActorRef.ask
   */
  async send<T>(shard: number, local: () => Promise<T> | T, message: OwnedMessage): Promise<T> {
    if (!this.#blocked.has(message.key)) {
      try {
        return await this.#once(shard, local, message);
      } catch (error) {
        if (!isElsewhere(error)) throw error;
      }
    }
    return this.#whenOwned(shard, local, message);
  }

  async #whenOwned<T>(shard: number, local: () => Promise<T> | T, message: OwnedMessage): Promise<T> {
    const { clock, handoverWaitMs } = this.#environment;
    const { key } = message;
    const deadlineMs = clock.monotonicMs() + handoverWaitMs;
    this.#blocked.set(key, (this.#blocked.get(key) ?? 0) + 1);
    try {
      for (;;) {
        await this.#change();
        const late = clock.monotonicMs() >= deadlineMs;
        try {
          return await this.#once(shard, local, message);
        } catch (error) {
          if (!isElsewhere(error) || late) throw error;
        }
      }
    } finally {
      const others = (this.#blocked.get(key) as number) - 1;
      if (others === 0) this.#blocked.delete(key);
      else this.#blocked.set(key, others);
    }
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
    const { clock } = this.#environment;
    this.#wakeTimer ??= clock.setTimer(RETRY_MS, () => this.#wakeAll());
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #wakeAll(): void {
    if (this.#wakeTimer !== undefined) this.#environment.clock.clearTimer(this.#wakeTimer);
    this.#wakeTimer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
