// The real clock, randomness and log behind the actors' ports.

import { randomBytes } from 'node:crypto';
import type { Clock, Logger, LogLevel, Random } from '../src/actors/runtime/ports.ts';

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, fire) {
    // Node fires at once what lies beyond 2^31 - 1 ms; so far away is never.
    const timer = setTimeout(fire, Math.min(Math.max(0, delayMs), 0x7fffffff));
    return timer;
  },
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

export const systemRandom: Random = {
  float: () => randomBytes(4).readUInt32BE() / 2 ** 32,
  bytes: (count) => randomBytes(count),
};

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Lines on standard error: time, level, event, then `field=value`. */
export function lineLogger(minLevel: () => LogLevel): Logger {
  return {
    log(level, event, fields = {}) {
      if (levels.indexOf(level) < levels.indexOf(minLevel())) return;
      const words = Object.entries(fields).map(([name, value]) => `${name}=${printField(value)}`);
      process.stderr.write(`${new Date().toISOString()} ${level.toUpperCase()} ${[event, ...words].join(' ')}\n`);
    },
  };
}

function printField(value: unknown): string {
  if (value instanceof Error) {
    const cause = value.cause === undefined ? '' : ` (${printField(value.cause)})`;
    const unexpected = value.name === 'Error' || value.name === 'TypeError' || value.name === 'InvariantBroken';
    return JSON.stringify(unexpected ? `${value.stack}${cause}` : `${value.name}: ${value.message}${cause}`);
  }
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? String(part) : part)) ?? 'undefined';
}
