// How well the event loop turns: a timer that looks how late it is. A single late turn is no illness; being late all the
// time is.

import { metrics } from '../../src/events.ts';
import { Histogram } from './histogram.ts';

/** How often it looks, ms, and how many looks the judgement takes in. */
const PERIOD_MS = 50;
const LOOKS = 100;
/** Mean lateness above which the process does not respond any more, ms. */
const LATE_MS = 1_000;

export class EventLoopMonitor {
  /** Of the looks since the start. */
  readonly latenessSeconds = new Histogram(metrics.sargasso_event_loop_delay_seconds.buckets ?? []);
  readonly #recentMs = new Float64Array(LOOKS);
  readonly #timer: NodeJS.Timeout;
  #lastMs = performance.now();
  #looks = 0;

  constructor() {
    this.#timer = setInterval(() => this.#look(), PERIOD_MS);
    this.#timer.unref();
  }

  /** Over the last seconds. */
  get meanLatenessMs(): number {
    const looks = Math.min(this.#looks, LOOKS);
    return looks === 0 ? 0 : this.#recentMs.reduce((total, ms) => total + ms, 0) / looks;
  }

  get responsive(): boolean {
    return this.meanLatenessMs < LATE_MS;
  }

  /** Time that it was busy since the start, s. */
  get activeSeconds(): number {
    return performance.eventLoopUtilization().active / 1000;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    const latenessMs = Math.max(0, nowMs - this.#lastMs - PERIOD_MS);
    this.latenessSeconds.observe(latenessMs / 1000);
    this.#recentMs[this.#looks++ % LOOKS] = latenessMs;
    this.#lastMs = nowMs;
  }
}
