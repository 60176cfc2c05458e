// Waiting in tests with real processes: for a named condition, never for a time.

import { setTimeout as delay } from 'node:timers/promises';
import type { ClientRun } from './program.ts';

const pollIntervalMs = 100;

/** Waits until a condition over the events of some runs holds. @throws Error on time-out, or when a run ends by itself. */
export async function anyEvent(
  runs: readonly ClientRun[],
  what: string,
  holds: () => boolean,
  actual: () => unknown,
  timeoutMs: number,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(timer);
      for (const run of runs) run.changed = () => {};
      if (error === undefined) resolve();
      else reject(error);
    };
    const report = () => runs.map((run) => `--- ${run.process.name}\n${run.process.output().slice(-1500)}`).join('\n');
    const timer = setTimeout(
      () => settle(new Error(`expected within ${timeoutMs} ms: ${what}; actual: ${actual()}\n${report()}`)),
      timeoutMs,
    );
    const check = () => {
      if (holds()) return settle();
      const failed = runs.find((run) => run.process.hasEnded && !run.killed);
      if (failed !== undefined)
        settle(new Error(`${failed.process.name} ended while waiting for: ${what}\n${report()}`));
    };
    for (const run of runs) run.changed = check;
    check();
  });
}

/** Tries until it no longer throws. @throws the last error on time-out. */
export async function eventually(what: string, timeoutMs: number, attempt: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error(`expected within ${timeoutMs} ms: ${what}; ${(error as Error).message}`, { cause: error });
    }
    await delay(pollIntervalMs);
  }
}
