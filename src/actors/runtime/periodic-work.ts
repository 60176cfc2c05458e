// Work that a node does again and again: the next run begins a period after the last one has ended, whatever came of it.

import type { Clock, Logger, TimerHandle } from './ports.ts';

export class PeriodicWork {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #timers = new Set<TimerHandle>();
  #stopped = false;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Runs `work` after `delayMs` and then `periodMs` after each run. */
  every(delayMs: number, work: () => void | Promise<void>, periodMs = delayMs): void {
    const timer = this.#clock.setTimer(delayMs, async () => {
      this.#timers.delete(timer);
      try {
        await work();
      } catch (error) {
        this.#logger.log('error', 'periodic work failed', { error });
      }
      if (!this.#stopped) this.every(periodMs, work);
    });
    this.#timers.add(timer);
  }

  /** Begins no further run. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) this.#clock.clearTimer(timer);
  }
}
