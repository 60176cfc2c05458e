// The actors of one node: activates an actor when the first message for it arrives, restarts it by replay after a
// failure, gives up on it when that does not help, and passivates it when it is idle.
//
//   absent ──ask──▶ active ──failure──▶ backing off ──delay──▶ active
//                     │  ▲                  │ attempts used up
//                idle │  │ ask              ▼
//                     ▼  │              given up (asks are refused) ──cool-down──▶ absent
//                   absent

import { Cell, type CellEnvironment, Envelope } from './cell.ts';
import type { ActorDefinition, ActorRef, Binding, Kind, MessageOf, ReplyOf } from './define.ts';
import { ActorFault } from './errors.ts';
import type { TimerHandle, TraceContext } from './ports.ts';

export interface SupervisionLimits {
  /** Delay before the first restart, ms; doubles with each further one. */
  readonly restartBackoffMs: number;
  readonly restartBackoffMaxMs: number;
  /** Restarts in a row, without one turn handled in between, before giving up. */
  readonly restartAttemptsMax: number;
  /** How long asks are refused after giving up, ms. */
  readonly giveUpCoolDownMs: number;
}

export const defaultSupervision: SupervisionLimits = {
  restartBackoffMs: 10,
  restartBackoffMaxMs: 5_000,
  restartAttemptsMax: 8,
  giveUpCoolDownMs: 10_000,
};

type AnyCell = Cell<unknown, unknown, unknown, unknown>;

interface Slot {
  cell: AnyCell | undefined;
  restartsInARow: number;
  /** Messages that wait for a restart. */
  waiting: Envelope[];
  timer: TimerHandle | undefined;
  status: 'active' | 'backing-off' | 'given-up';
}

/** One actor as an onlooker sees it. */
export interface ActorGlance<State, Soft> {
  readonly key: string;
  /** As of now, uncommitted records included; undefined while it loads or waits for its restart. */
  readonly state: State | undefined;
  readonly soft: Soft | undefined;
  /** Messages that wait for it. */
  readonly waiting: number;
}

/** All actors of one kind on one node. */
export class ActorKind<P, State, Soft, Rec> {
  readonly definition: ActorDefinition<P, State, Soft, Rec>;
  readonly #bind: (key: string) => Binding<State, Rec>;
  readonly #environment: CellEnvironment;
  readonly #limits: SupervisionLimits;
  readonly #slots = new Map<string, Slot>();

  constructor(
    definition: ActorDefinition<P, State, Soft, Rec>,
    bind: (key: string) => Binding<State, Rec>,
    environment: CellEnvironment,
    limits: SupervisionLimits = defaultSupervision,
  ) {
    this.definition = definition;
    this.#bind = bind;
    this.#environment = environment;
    this.#limits = limits;
  }

  /** Number of actors in memory. */
  get size(): number {
    return this.#slots.size;
  }

  /** The actor with this key on this node; it need not exist yet. */
  ref(key: string): ActorRef<P> {
    return {
      kind: this.definition.kind,
      key,
      ask: (kind, message, trace) => this.ask(key, kind, message, trace),
    };
  }

  ask<K extends Kind<P>>(key: string, kind: K, message: MessageOf<P, K>, trace?: TraceContext): Promise<ReplyOf<P, K>> {
    if (trace !== undefined) return this.#askTraced(key, kind, message, trace);
    return new Promise<ReplyOf<P, K>>((resolve, reject) => {
      this.#deliver(key, new Envelope(kind, message, undefined, resolve as (value: unknown) => void, reject));
    });
  }

  /** Every actor in memory and what waits for it, to be looked at: its states must be left alone. */
  *look(): Generator<ActorGlance<State, Soft>> {
    for (const [key, { cell, waiting }] of this.#slots) {
      const seen = cell?.look() as { readonly state: State; readonly soft: Soft } | undefined;
      yield { key, state: seen?.state, soft: seen?.soft, waiting: waiting.length + (cell?.waiting ?? 0) };
    }
  }

  /** As `look`, at one actor. */
  lookAt(key: string): { readonly state: State; readonly soft: Soft } | undefined {
    return this.#slots.get(key)?.cell?.look() as { readonly state: State; readonly soft: Soft } | undefined;
  }

  /** Stops an actor that must not act any more; its unanswered asks are refused with `error`. */
  stop(key: string, error: unknown): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#slots.delete(key);
    if (slot.timer !== undefined) this.#environment.clock.clearTimer(slot.timer);
    for (const envelope of slot.waiting) envelope.reject?.(error);
    for (const envelope of slot.cell?.stop(error) ?? []) envelope.reject?.(error);
  }

  /** Sends a message to every actor in memory; resolves when all have answered. A failure is logged, not thrown. */
  async askAll<K extends Kind<P>>(kind: K, message: MessageOf<P, K>): Promise<void> {
    const asks = [...this.#slots.keys()].map((key) =>
      this.ask(key, kind, message).catch((error) => {
        this.#environment.logger.log('warn', 'message to all failed', {
          actor: this.definition.kind,
          key,
          kind,
          error,
        });
      }),
    );
    await Promise.all(asks);
  }

  /** Stops every actor whose key passes `matches`. */
  stopAll(error: unknown, matches: (key: string) => boolean = () => true): void {
    for (const key of [...this.#slots.keys()]) if (matches(key)) this.stop(key, error);
  }

  /** Lets idle actors leave memory. @returns how many did. */
  passivate(): number {
    const idleMs = this.definition.passivateAfterMs;
    if (idleMs === undefined) return 0;
    let count = 0;
    for (const [key, slot] of this.#slots) {
      if (slot.status !== 'active' || !slot.cell?.idleFor(idleMs)) continue;
      slot.cell.stop(new ActorFault('actor-stopped', 'passivated'));
      this.#slots.delete(key);
      count++;
    }
    return count;
  }

  /** Whether the actor is in memory and in service. */
  isActive(key: string): boolean {
    return this.#slots.get(key)?.status === 'active';
  }

  #askTraced<K extends Kind<P>>(
    key: string,
    kind: K,
    message: MessageOf<P, K>,
    trace: TraceContext,
  ): Promise<ReplyOf<P, K>> {
    const actorKind = this.definition.kind;
    const span = this.#environment.tracer?.startSpan('actorMessage', `${actorKind} ${kind}`, trace, {
      'sargasso.actor.kind': actorKind,
      'sargasso.actor.key': key,
      'sargasso.message.kind': kind,
    });
    return new Promise<ReplyOf<P, K>>((resolve, reject) => {
      const answered = (value: unknown): void => {
        span?.end();
        resolve(value as ReplyOf<P, K>);
      };
      const refused = (error: unknown): void => {
        span?.end(error);
        reject(error);
      };
      this.#deliver(key, new Envelope(kind, message, span?.context ?? trace, answered, refused, span));
    });
  }

  #deliver(key: string, envelope: Envelope): void {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { cell: undefined, restartsInARow: 0, waiting: [], timer: undefined, status: 'active' };
      this.#slots.set(key, slot);
      this.#activate(key, slot);
    }
    if (slot.status === 'active') slot.cell?.deliver(envelope);
    else if (slot.status === 'given-up') {
      envelope.reject?.(new ActorFault('actor-stopped', `${this.definition.kind} ${key} is out of service`));
    } else if (slot.waiting.length >= this.definition.mailboxMessagesMax) {
      this.#environment.events?.messageRefused(this.definition.kind);
      envelope.reject?.(new ActorFault('mailbox-full', `${this.definition.kind} ${key} is restarting`));
    } else slot.waiting.push(envelope);
  }

  #activate(key: string, slot: Slot): void {
    const binding = this.#bind(key);
    const cell = new Cell(this.definition, key, binding, this.#environment, (error, unhandled) => {
      if (this.#slots.get(key) === slot) this.#failed(key, slot, binding, cell.turns, error, unhandled);
      else for (const envelope of unhandled) envelope.reject?.(error);
    });
    slot.cell = cell as unknown as AnyCell;
    slot.status = 'active';
    const waiting = slot.waiting;
    slot.waiting = [];
    cell.start();
    for (const envelope of waiting) cell.deliver(envelope);
  }

  #failed(
    key: string,
    slot: Slot,
    binding: Binding<State, Rec>,
    turns: number,
    error: unknown,
    unhandled: Envelope[],
  ): void {
    const { clock, logger } = this.#environment;
    const fields = { actor: this.definition.kind, key, error };
    // Answers only to itself: a timer's message has nobody waiting and its timer is gone with the cell.
    slot.waiting = unhandled.filter((envelope) => envelope.resolve !== undefined);
    if (!binding.restartable(error)) {
      logger.log('info', 'actor stopped', fields);
      this.stop(key, error);
      return;
    }
    slot.restartsInARow = turns > 0 ? 1 : slot.restartsInARow + 1;
    if (slot.restartsInARow > this.#limits.restartAttemptsMax) {
      logger.log('error', 'actor given up', fields);
      this.#environment.events?.actorGivenUp(this.definition.kind);
      slot.status = 'given-up';
      slot.cell = undefined;
      const refusal = new ActorFault('actor-stopped', `${this.definition.kind} ${key} is out of service`, error);
      for (const envelope of slot.waiting) envelope.reject?.(refusal);
      slot.waiting = [];
      slot.timer = clock.setTimer(this.#limits.giveUpCoolDownMs, () => this.#slots.delete(key));
      return;
    }
    logger.log('warn', 'actor restarts', { ...fields, attempt: slot.restartsInARow });
    this.#environment.events?.actorRestarted(this.definition.kind);
    slot.status = 'backing-off';
    slot.cell = undefined;
    const delayMs = Math.min(
      this.#limits.restartBackoffMs * 2 ** (slot.restartsInARow - 1),
      this.#limits.restartBackoffMaxMs,
    );
    slot.timer = clock.setTimer(delayMs, () => {
      slot.timer = undefined;
      this.#activate(key, slot);
    });
  }
}
