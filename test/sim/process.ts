// One run of a simulated operating-system process: everything that happens to it goes through here, so that a paused one
// stands still and a dead one is never heard of again. It is also the process's clock.

import type { Clock, TimerHandle } from '../../src/actors/runtime/ports.ts';
import type { ScheduledEvent, Scheduler } from './scheduler.ts';

/** Wall clock at the beginning of every world: 2023-11-14T22:13:20Z. */
export const WORLD_START_MS = 1_700_000_000_000;

/** Between two events that a pause has held back, ms. */
const CATCH_UP_MS = 1 / 16;

export class SimProcess implements Clock {
  readonly #scheduler: Scheduler;
  #wallOffsetMs: number;
  #alive = true;
  #paused = false;
  #heldBack: (() => void)[] = [];

  /** @param wallOffsetMs by how much this machine's clock is wrong */
  constructor(scheduler: Scheduler, wallOffsetMs: number) {
    this.#scheduler = scheduler;
    this.#wallOffsetMs = wallOffsetMs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The process is gone: nothing that was to happen to it happens. */
  die(): void {
    this.#alive = false;
    this.#heldBack = [];
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const heldBack = this.#heldBack;
    this.#heldBack = [];
    for (const [index, run] of heldBack.entries()) this.after(index * CATCH_UP_MS, run);
  }

  /** The wall clock jumps by `ms`, either way. */
  jump(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Something that happens to this process `delayMs` from now, if it lives and runs then. */
  after(delayMs: number, run: () => void): ScheduledEvent {
    return this.#scheduler.after(delayMs, () => {
      if (!this.#alive) return;
      if (this.#paused) this.#heldBack.push(run);
      else run();
    });
  }

  nowMs(): number {
    return Math.floor(WORLD_START_MS + this.#scheduler.nowMs + this.#wallOffsetMs);
  }

  monotonicMs(): number {
    return this.#scheduler.nowMs;
  }

  setTimer(delayMs: number, fire: () => void): TimerHandle {
    const timer = { cleared: false };
    // An endless delay (a disabled time-out) is no event at all.
    if (Number.isFinite(delayMs)) {
      this.after(delayMs, () => {
        if (!timer.cleared) fire();
      });
    }
    return timer;
  }

  clearTimer(timer: TimerHandle): void {
    (timer as { cleared: boolean }).cleared = true;
  }
}
