// The time that a client gives a request. What is not done by then goes on, and the client is told REQUEST_TIMED_OUT.

import type { Clock } from '../runtime/ports.ts';

export const TIMED_OUT: unique symbol = Symbol('timed out');

/** Bounds the wait of clients that give no time of their own (0 from older librdkafka, which then waits by itself). */
const waitMsMax = 30_000;

/** What `promise` gives, or TIMED_OUT once `timeoutMs` are over. Zero and less mean no particular time. */
export function withinMs<T>(clock: Clock, timeoutMs: number, promise: Promise<T>): Promise<T | typeof TIMED_OUT> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(timeoutMs > 0 ? timeoutMs : waitMsMax, () => resolve(TIMED_OUT));
    promise.then(resolve, reject).finally(() => clock.clearTimer(timer));
  });
}
