// What was asked of another part of the cluster: the answer, or why there is none. A page shows either.

import type { Clock } from '../runtime/ports.ts';

export interface NotAvailable {
  readonly available: false;
  /** In words. */
  readonly reason: string;
}

export type Answer<T> = { readonly available: true; readonly value: T } | NotAvailable;

/** The answer if it comes within `timeoutMs`; a fault is none. */
export function answerWithin<T>(clock: Clock, timeoutMs: number, asked: Promise<T>): Promise<Answer<T>> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(timeoutMs, () => {
      resolve({ available: false, reason: `no answer within ${timeoutMs} ms` });
    });
    const settle = (answer: Answer<T>): void => {
      clock.clearTimer(timer);
      resolve(answer);
    };
    asked.then(
      (value) => settle({ available: true, value }),
      (error) => settle({ available: false, reason: error instanceof Error ? error.message : String(error) }),
    );
  });
}
