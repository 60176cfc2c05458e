// The cell is one living actor: its mailbox, the turn that runs, and the queue of turns whose commit is under way.
// It decides order: messages are handled one at a time in order of arrival, and replies leave in that order too, each
// after every record before it is durable. It does not decide what happens after a failure; its supervisor does.
//
//   loading ──loaded──▶ running ──handler throws or commit fails──▶ stopped
//      └──────────────────────load fails────────────────────────────▶

import type { Events, Span, Tracer } from '../../events.ts';
import type { ActorDefinition, Binding, Kind, MessageOf, ReplyTo, Turn } from './define.ts';
import { PARKED } from './define.ts';
import { ActorFault, invariant } from './errors.ts';
import type { Clock, Logger, LogLevel, Random, TimerHandle, TraceContext } from './ports.ts';

/** One ask under way. */
export class Envelope implements ReplyTo<unknown> {
  declare readonly __reply?: (value: unknown) => void;
  readonly kind: string;
  readonly message: unknown;
  /** For what is done on its behalf: of its own span. */
  readonly trace: TraceContext | undefined;
  /** Ended by whoever resolves or rejects; undefined: not sampled. */
  readonly span: Span | undefined;
  resolve: ((value: unknown) => void) | undefined;
  reject: ((error: unknown) => void) | undefined;

  constructor(
    kind: string,
    message: unknown,
    trace: TraceContext | undefined,
    resolve?: (value: unknown) => void,
    reject?: (error: unknown) => void,
    span?: Span,
  ) {
    this.kind = kind;
    this.message = message;
    this.trace = trace;
    this.span = span;
    this.resolve = resolve;
    this.reject = reject;
  }
}

export interface CellEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events?: Events;
  readonly tracer?: Tracer;
}

/** A turn whose replies are held until its records, and all before them, are durable. */
interface HeldTurn<Rec> {
  durable: boolean;
  readonly records: readonly Rec[];
  readonly replies: readonly [Envelope, unknown][];
}

const NO_RECORDS: readonly never[] = [];

export class Cell<P, State, Soft, Rec> implements Turn<P, Rec> {
  readonly #definition: ActorDefinition<P, State, Soft, Rec>;
  readonly #binding: Binding<State, Rec>;
  readonly #environment: CellEnvironment;
  readonly #key: string;
  readonly #onFailure: (error: unknown, unhandled: Envelope[]) => void;
  #state: State | undefined;
  #soft: Soft | undefined;
  #status: 'loading' | 'running' | 'stopped' = 'loading';
  #mailbox: Envelope[] = [];
  /** Index of the next message to handle; those before it are done. */
  #next = 0;
  #held: HeldTurn<Rec>[] = [];
  readonly #parked = new Set<Envelope>();
  readonly #timers = new Map<string, TimerHandle>();
  #inTurn = false;
  #lastTurnMs: number;
  /** Turns completed since the start; the supervisor takes progress from it. */
  turns = 0;

  // The turn under way.
  #current: Envelope | undefined;
  #answered = false;
  #records: Rec[] = [];
  #replies: [Envelope, unknown][] = [];
  #mayRecord = false;
  nowMs = 0;
  monotonicMs = 0;

  constructor(
    definition: ActorDefinition<P, State, Soft, Rec>,
    key: string,
    binding: Binding<State, Rec>,
    environment: CellEnvironment,
    onFailure: (error: unknown, unhandled: Envelope[]) => void,
  ) {
    this.#definition = definition;
    this.#key = key;
    this.#binding = binding;
    this.#environment = environment;
    this.#onFailure = onFailure;
    this.#lastTurnMs = environment.clock.monotonicMs();
  }

  get random(): Random {
    return this.#environment.random;
  }
  get trace(): TraceContext | undefined {
    return this.#current?.trace;
  }
  get replyTo(): ReplyTo<unknown> {
    invariant(this.#current, 'replyTo outside a message turn');
    return this.#current;
  }

  /** Loads the state, then handles what has arrived meanwhile. */
  start(): void {
    this.#binding.load().then(
      (state) => {
        if (this.#status !== 'loading') return;
        this.#state = state;
        try {
          this.#soft = this.#definition.soft(state);
        } catch (error) {
          this.#fail(error);
          return;
        }
        this.#status = 'running';
        this.#runStarted();
        this.#drain();
      },
      (error) => this.#fail(error),
    );
  }

  /** Delivers a message; refuses it when the mailbox is full. */
  deliver(envelope: Envelope): void {
    if (this.waiting >= this.#definition.mailboxMessagesMax) {
      this.#environment.events?.messageRefused(this.#definition.kind);
      envelope.reject?.(
        new ActorFault('mailbox-full', `${this.#definition.kind} ${this.#key}: ${this.waiting} messages wait`),
      );
      return;
    }
    this.#mailbox.push(envelope);
    if (this.#status === 'running' && !this.#inTurn) this.#drain();
  }

  /** Whether nobody would miss it: no message, waiter, timer or commit under way for `idleMs`. */
  idleFor(idleMs: number): boolean {
    return (
      this.#status === 'running' &&
      this.waiting === 0 &&
      this.#held.length === 0 &&
      this.#parked.size === 0 &&
      this.#timers.size === 0 &&
      this.#environment.clock.monotonicMs() - this.#lastTurnMs >= idleMs
    );
  }

  /** Messages that wait to be handled. */
  get waiting(): number {
    return this.#mailbox.length - this.#next;
  }

  /** The state as it is now, uncommitted records included, to be looked at and left alone; undefined while it loads. */
  look(): { readonly state: State; readonly soft: Soft } | undefined {
    return this.#status === 'running' ? { state: this.#state as State, soft: this.#soft as Soft } : undefined;
  }

  /**
   * Ends it without restart: everything not yet answered is refused with `error`, save what may not be sent again and whose
   * records are on their way: nobody knows what becomes of them.
   * @returns unhandled messages
   */
  stop(error: unknown): Envelope[] {
    return this.#stop(error, ({ kind, message }) => {
      const { repeatable } = this.#definition;
      if (repeatable === undefined || repeatable(kind as Kind<P>, message as never)) return error;
      return new ActorFault('outcome-unknown', 'the actor was stopped while its records were being stored', error);
    });
  }

  #stop(error: unknown, refusalOfStoring: (envelope: Envelope) => unknown): Envelope[] {
    if (this.#status === 'stopped') return [];
    this.#status = 'stopped';
    for (const timer of this.#timers.values()) this.#environment.clock.clearTimer(timer);
    this.#timers.clear();
    const unhandled = this.#mailbox.slice(this.#next);
    this.#mailbox = [];
    this.#next = 0;
    for (const { records, replies } of this.#held) {
      for (const [envelope] of replies) envelope.reject?.(records.length > 0 ? refusalOfStoring(envelope) : error);
    }
    this.#held = [];
    for (const envelope of this.#parked) envelope.reject?.(error);
    this.#parked.clear();
    this.#binding.stopped?.();
    return unhandled;
  }

  record(record: Rec): void {
    invariant(this.#mayRecord, `${this.#definition.kind}: record outside a deciding turn`);
    this.#definition.apply(this.#state as State, record);
    this.#records.push(record);
  }

  reply<T>(to: ReplyTo<T>, value: T): void {
    const envelope = to as unknown as Envelope;
    if (envelope === this.#current) {
      invariant(!this.#answered, `${this.#definition.kind}: answers twice`);
      this.#answered = true;
    } else invariant(this.#parked.delete(envelope), `${this.#definition.kind}: answers an ask that is not parked`);
    this.#replies.push([envelope, value]);
  }

  startTimer<K extends Kind<P>>(name: string, delayMs: number, kind: K, message: MessageOf<P, K>): void {
    this.stopTimer(name);
    const timer = this.#environment.clock.setTimer(delayMs, () => {
      // A timer that a turn has restarted in the meantime is another one.
      if (this.#timers.get(name) !== timer) return;
      this.#timers.delete(name);
      // Timers are the actor's own obligations, so the bound on foreign messages does not apply to them.
      this.#mailbox.push(new Envelope(kind, message, undefined));
      if (this.#status === 'running' && !this.#inTurn) this.#drain();
    });
    this.#timers.set(name, timer);
  }

  stopTimer(name: string): void {
    const timer = this.#timers.get(name);
    if (timer === undefined) return;
    this.#environment.clock.clearTimer(timer);
    this.#timers.delete(name);
  }

  log(level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#environment.logger.log(level, event, { actor: this.#definition.kind, key: this.#key, ...fields });
  }

  #drain(): void {
    while (this.#status === 'running' && this.#next < this.#mailbox.length) {
      const envelope = this.#mailbox[this.#next++] as Envelope;
      if (this.#next === this.#mailbox.length) {
        this.#mailbox = [];
        this.#next = 0;
      }
      this.#runMessage(envelope);
    }
  }

  #runMessage(envelope: Envelope): void {
    const definition = this.#definition;
    const handler = definition.handlers[envelope.kind as Kind<P>];
    this.#begin(envelope, true);
    envelope.span?.event('turn');
    try {
      invariant(handler, `${definition.kind} has no message ${envelope.kind}`);
      const result = handler(this.#state as State, envelope.message as never, this, this.#soft as Soft);
      if (result !== PARKED) this.reply(envelope, result);
      else if (!this.#answered) this.#parked.add(envelope);
    } catch (error) {
      this.#crashed(error);
      return;
    }
    const records = this.#records;
    const replies = this.#replies;
    this.#end();
    this.turns++;
    if (records.length > 0) this.#commit(records, replies, envelope.trace);
    else if (this.#held.length === 0 || definition.unordered?.has(envelope.kind as Kind<P>)) release(replies);
    else if (replies.length > 0) this.#held.push({ durable: true, records: NO_RECORDS, replies });
    this.#environment.events?.actorTurn(definition.kind, envelope.kind);
  }

  #runStarted(): void {
    if (this.#definition.started === undefined) return;
    this.#begin(undefined, true);
    try {
      this.#definition.started(this.#state as State, this, this.#soft as Soft);
    } catch (error) {
      this.#crashed(error);
      return;
    }
    const records = this.#records;
    const replies = this.#replies;
    this.#end();
    if (records.length > 0) this.#commit(records, replies, undefined);
    else release(replies);
  }

  #commit(records: readonly Rec[], replies: readonly [Envelope, unknown][], trace: TraceContext | undefined): void {
    const held: HeldTurn<Rec> = { durable: false, records, replies };
    this.#held.push(held);
    let committing: Promise<void>;
    try {
      committing = this.#binding.commit(records, trace);
    } catch (error) {
      committing = Promise.reject(error);
    }
    committing.then(
      () => {
        held.durable = true;
        this.#releaseDurable();
      },
      (error) => this.#fail(error),
    );
  }

  #releaseDurable(): void {
    while (this.#status === 'running' && this.#held[0]?.durable) {
      const held = this.#held.shift() as HeldTurn<Rec>;
      if (held.records.length > 0 && this.#definition.committed !== undefined) {
        this.#begin(undefined, false);
        try {
          this.#definition.committed(this.#state as State, held.records, this, this.#soft as Soft);
        } catch (error) {
          // These records are durable and their own replies are known: they leave before the actor dies.
          release(held.replies);
          this.#crashed(error);
          return;
        }
        const replies = this.#replies;
        this.#end();
        release(held.replies);
        release(replies);
      } else release(held.replies);
    }
    this.#drain();
  }

  #begin(envelope: Envelope | undefined, mayRecord: boolean): void {
    invariant(!this.#inTurn, `${this.#definition.kind}: turn within a turn`);
    this.#inTurn = true;
    this.#current = envelope;
    this.#answered = false;
    this.#mayRecord = mayRecord;
    this.#records = [];
    this.#replies = [];
    this.nowMs = this.#environment.clock.nowMs();
    this.monotonicMs = this.#environment.clock.monotonicMs();
    this.#lastTurnMs = this.monotonicMs;
  }

  #end(): void {
    this.#inTurn = false;
    this.#mayRecord = false;
    this.#current = undefined;
  }

  /** The turn under way has thrown: whomever it was about to answer is refused, and the actor dies. */
  #crashed(error: unknown): void {
    const refusal = asUnknownFailure(error);
    this.#current?.reject?.(refusal);
    for (const [envelope] of this.#replies) envelope.reject?.(refusal);
    this.#end();
    this.#fail(error);
  }

  #fail(error: unknown): void {
    if (this.#status === 'stopped') return;
    // A failed commit says itself what became of the records.
    const refusal = asUnknownFailure(error);
    this.#onFailure(
      error,
      this.#stop(refusal, () => refusal),
    );
  }
}

function release(replies: readonly [Envelope, unknown][]): void {
  for (const [envelope, value] of replies) envelope.resolve?.(value);
}

/** What the asker is told: faults as they are; a crash in a handler leaves the outcome unknown. */
function asUnknownFailure(error: unknown): unknown {
  if (error instanceof Error && 'retriable' in error) return error;
  return new ActorFault('outcome-unknown', 'the actor crashed while the message was under way', error);
}
