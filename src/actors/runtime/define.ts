// What an actor is: a protocol (a TypeScript interface whose methods are its kinds of message), durable state that is a
// fold over records, soft state that a restart forgets, and handlers that decide.
//
//   message ──▶ handler(state, message, turn, soft) ──▶ records ──▶ apply(state, record)   at once, to the working state
//                                │                        └──────▶ commit                  group commit, in order
//                                └──▶ reply ────────────────────── released when everything before it is durable

import type { LogLevel, Random, TraceContext } from './ports.ts';

/** Returned by a handler that keeps `turn.replyTo` to answer later. */
export const PARKED: unique symbol = Symbol('parked');
export type Parked = typeof PARKED;

/** The method names of a protocol interface. */
export type Kind<P> = keyof P & string;
export type MessageOf<P, K extends Kind<P>> = P[K] extends (message: infer M) => unknown ? M : never;
export type ReplyOf<P, K extends Kind<P>> = P[K] extends (message: never) => infer R ? R : never;

/** The other end of one ask. Opaque to handlers: answered only through `turn.reply`. */
export interface ReplyTo<T> {
  readonly __reply?: (value: T) => void;
}

/** What a handler may do besides returning a reply. Valid only while the handler runs. */
export interface Turn<P, Rec> {
  /** Wall clock at the start of the turn, ms since 1970. */
  readonly nowMs: number;
  /** Monotonic clock at the start of the turn, ms. */
  readonly monotonicMs: number;
  readonly random: Random;
  /** Trace context of the message being handled; undefined: not sampled. */
  readonly trace: TraceContext | undefined;
  /** Where the answer to this message goes; keep it in soft state and return PARKED to answer later. */
  readonly replyTo: ReplyTo<unknown>;
  /** Emits a record: applied to the state now, committed after the handler returns, all of a turn's records together. */
  record(record: Rec): void;
  /** Answers a parked ask, in order with this turn's own reply. Answering twice is a broken invariant. */
  reply<T>(to: ReplyTo<T>, value: T): void;
  /** (Re)starts the named timer of this actor: after `delayMs` the message arrives like any other. */
  startTimer<K extends Kind<P>>(name: string, delayMs: number, kind: K, message: MessageOf<P, K>): void;
  stopTimer(name: string): void;
  log(level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>): void;
}

/**
 * Decides one kind of message. Synchronous; must not change `state` except through `turn.record`. Throwing is a crash:
 * the actor dies, everything uncommitted is forgotten and its state is rebuilt.
 */
export type Handler<P, K extends Kind<P>, State, Soft, Rec> = (
  state: State,
  message: MessageOf<P, K>,
  turn: Turn<P, Rec>,
  soft: Soft,
) => ReplyOf<P, K> | Parked;

export interface ActorDefinition<P, State, Soft, Rec> {
  /** Names the kind of actor in addresses, logs and metrics, e.g. `group`. */
  readonly kind: string;
  /** Messages that may wait; one more is refused with ActorFault `mailbox-full`. */
  readonly mailboxMessagesMax: number;
  /** Idle time (ms) after which an actor without waiters, timers or uncommitted turns leaves memory; absent: never. */
  readonly passivateAfterMs?: number;
  /** The one place where durable state changes, in operation and in replay alike. */
  apply(state: State, record: Rec): void;
  /** Fresh soft state after (re)start. */
  soft(state: State): Soft;
  readonly handlers: { readonly [K in Kind<P>]: Handler<P, K, State, Soft, Rec> };
  /** Kinds whose replies tell committed facts only, so that they need not wait for commits in flight. */
  readonly unordered?: ReadonlySet<Kind<P>>;
  /**
   * Whether a message may be sent again that was stopped while its records were being stored, and so may have had its
   * effect; absent: all may. Whoever asked is told `outcome-unknown` of one that may not.
   */
  repeatable?<K extends Kind<P>>(kind: K, message: MessageOf<P, K>): boolean;
  /** Runs once after each (re)start, before the first message; may start timers and record. */
  started?(state: State, turn: Turn<P, Rec>, soft: Soft): void;
  /** Runs when a turn's records have become durable; may answer parked asks and start timers, not record. */
  committed?(state: State, records: readonly Rec[], turn: Turn<P, Rec>, soft: Soft): void;
}

/** Where one actor's state comes from and its records go. Supplied by whoever activates it. */
export interface Binding<State, Rec> {
  /** The state that replaying everything committed gives. */
  load(): Promise<State>;
  /**
   * Durable when it resolves, all or none, in the order of the calls.
   * @param trace of the message whose turn made the records; undefined: not sampled
   * @throws StorageFault or ActorFault
   */
  commit(records: readonly Rec[], trace?: TraceContext): Promise<void>;
  /** Whether to come back after this failure. False (fenced, deleted): the actor stops and is forgotten. */
  restartable(error: unknown): boolean;
  /** Told when the actor has left memory, for whichever reason. */
  stopped?(): void;
}

/** A typed handle on an actor, wherever it lives. */
export interface ActorRef<P> {
  readonly kind: string;
  readonly key: string;
  /**
   * Sends a message and waits for its reply.
   * @throws ActorFault `mailbox-full` | `actor-stopped` (no effect), `outcome-unknown`; StorageFault of the commit.
   */
  ask<K extends Kind<P>>(kind: K, message: MessageOf<P, K>, trace?: TraceContext): Promise<ReplyOf<P, K>>;
}
