// A small actor for the stories of the runtime: a counter whose additions are records, and a store of them whose commits
// the test completes by hand.

import type { ActorDefinition, Binding, ReplyTo } from '../../../src/actors/runtime/define.ts';
import { PARKED } from '../../../src/actors/runtime/define.ts';
import type { Logger } from '../../../src/actors/runtime/ports.ts';
import { ActorKind, defaultSupervision, type SupervisionLimits } from '../../../src/actors/runtime/system.ts';
import { SimProcess } from '../../sim/process.ts';
import { SeededRandom } from '../../sim/random.ts';
import { Scheduler } from '../../sim/scheduler.ts';

export interface CounterProtocol {
  /** @returns the sum after it */
  add(message: { readonly amount: number }): number;
  /** @returns the sum, uncommitted additions included */
  sum(message: object): number;
  /** As `sum`, but not held back by commits in flight. */
  peek(message: object): number;
  /** Parks until the sum reaches `sum`. */
  awaitSum(message: { readonly sum: number }): number;
  /** Answers everything parked, then crashes. */
  answerAndCrash(message: object): number;
  crash(message: object): number;
  /** Adds, then crashes. */
  addAndCrash(message: { readonly amount: number }): number;
  addLater(message: { readonly amount: number; readonly delayMs: number }): number;
  cancelLater(message: object): number;
  answerTwice(message: object): number;
}

interface Sum {
  total: number;
}
interface Waiters {
  readonly waiting: { readonly replyTo: ReplyTo<number>; readonly sum: number }[];
}

/** A commit that the test completes. */
export interface PendingCommit {
  readonly amounts: readonly number[];
  succeed(): void;
  fail(error: unknown): void;
}

export class CounterStore {
  /** What has been committed, by key. */
  readonly committed = new Map<string, number[]>();
  readonly pending: PendingCommit[] = [];
  /** Completes commits at once. */
  automatic = true;
  loadFault: unknown;
  /** Makes `commit` itself throw instead of giving a promise. */
  commitThrows: Error | undefined;
  restartable = true;
  loads = 0;
  stops = 0;

  bind(key: string): Binding<Sum, number> {
    return {
      load: async () => {
        this.loads++;
        if (this.loadFault !== undefined) throw this.loadFault;
        return { total: (this.committed.get(key) ?? []).reduce((sum, amount) => sum + amount, 0) };
      },
      commit: (amounts) => {
        if (this.commitThrows !== undefined) throw this.commitThrows;
        return new Promise<void>((resolve, reject) => {
          const pending: PendingCommit = {
            amounts,
            succeed: () => {
              this.committed.set(key, [...(this.committed.get(key) ?? []), ...amounts]);
              resolve();
            },
            fail: reject,
          };
          if (this.automatic) pending.succeed();
          else this.pending.push(pending);
        });
      },
      restartable: () => this.restartable,
      stopped: () => void this.stops++,
    };
  }
}

export interface Bench {
  readonly scheduler: Scheduler;
  readonly store: CounterStore;
  readonly counters: ActorKind<CounterProtocol, Sum, Waiters, number>;
  readonly logged: { readonly level: string; readonly event: string }[];
  /** Makes the hook that runs after a commit throw. */
  failInCommitted: { now: boolean };
}

export const MAILBOX_MAX = 4;
export const PASSIVATE_AFTER_MS = 1_000;

export function bench(limits: Partial<SupervisionLimits> = {}): Bench {
  const random = new SeededRandom(1);
  const scheduler = new Scheduler(random);
  const store = new CounterStore();
  const logged: Bench['logged'] = [];
  const logger: Logger = { log: (level, event) => void logged.push({ level, event }) };
  const failInCommitted = { now: false };
  const counters = new ActorKind(
    counterDefinition(failInCommitted),
    (key) => store.bind(key),
    { clock: new SimProcess(scheduler, 0), random, logger },
    { ...defaultSupervision, ...limits },
  );
  return { scheduler, store, counters, logged, failInCommitted };
}

function counterDefinition(failInCommitted: { now: boolean }): ActorDefinition<CounterProtocol, Sum, Waiters, number> {
  return {
    kind: 'counter',
    mailboxMessagesMax: MAILBOX_MAX,
    passivateAfterMs: PASSIVATE_AFTER_MS,
    apply: (state, amount) => {
      state.total += amount;
    },
    soft: () => ({ waiting: [] }),
    unordered: new Set(['peek']),
    handlers: {
      add(state, { amount }, turn) {
        turn.record(amount);
        return state.total;
      },
      sum: (state) => state.total,
      peek: (state) => state.total,
      awaitSum(state, { sum }, turn, soft) {
        if (state.total >= sum) return state.total;
        soft.waiting.push({ replyTo: turn.replyTo as ReplyTo<number>, sum });
        return PARKED;
      },
      answerAndCrash(state, _message, turn, soft) {
        for (const { replyTo } of soft.waiting) turn.reply(replyTo, state.total);
        throw new Error('crashed after answering');
      },
      crash() {
        throw new Error('crashed');
      },
      addAndCrash(_state, { amount }, turn) {
        turn.record(amount);
        throw new Error('crashed after adding');
      },
      addLater(state, { amount, delayMs }, turn) {
        turn.startTimer('later', delayMs, 'add', { amount });
        return state.total;
      },
      cancelLater(state, _message, turn) {
        turn.stopTimer('later');
        return state.total;
      },
      answerTwice(state, _message, turn) {
        turn.reply(turn.replyTo, state.total);
        return state.total;
      },
    },
    committed(state, _records, turn, soft) {
      const due = soft.waiting.filter(({ sum }) => state.total >= sum);
      for (const { replyTo } of due) {
        soft.waiting.splice(
          soft.waiting.findIndex((waiting) => waiting.replyTo === replyTo),
          1,
        );
        turn.reply(replyTo, state.total);
      }
      if (failInCommitted.now) throw new Error('crashed after a commit');
    },
  };
}

/** How an ask has ended so far. */
export interface Outcome {
  state: 'open' | 'answered' | 'refused';
  value?: unknown;
  error?: unknown;
}

/** Watches a promise. */
export function watch(promise: Promise<unknown>): Outcome {
  const outcome: Outcome = { state: 'open' };
  promise.then(
    (value) => Object.assign(outcome, { state: 'answered', value }),
    (error) => Object.assign(outcome, { state: 'refused', error }),
  );
  return outcome;
}
