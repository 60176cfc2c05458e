// What an actor may know of the world. Production code under src/protocol and src/actors gets time, chance and
// the network only through these, so that the simulator can run the very same actors on a clock and a scheduler of its own.

export type { TraceContext } from '../../events.ts';

export type TimerHandle = { readonly __timer: unique symbol } | object;

/** Wall clock and timers. Times are milliseconds since 1970 (wall) or since an arbitrary start (monotonic). */
export interface Clock {
  /** Wall-clock time in ms since the epoch, an integer; may jump in either direction. */
  nowMs(): number;
  /** Monotonic time in ms, fractional; never runs backwards. Differences only. */
  monotonicMs(): number;
  /** Calls `fire` once, no earlier than `delayMs` from now. */
  setTimer(delayMs: number, fire: () => void): TimerHandle;
  /** Idempotent; a cleared timer does not fire. */
  clearTimer(timer: TimerHandle): void;
}

/** Chance. Seeded in the simulator, cryptographic in production. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number;
  /** `count` random bytes. */
  bytes(count: number): Uint8Array;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where log lines go; the composition root decides on form and destination. */
export interface Logger {
  log(level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>): void;
}
