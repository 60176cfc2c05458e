// How well the event loop turns: a timer that looks how late it is. A single late turn is no illness; being late all the
// time is.

/** How often it looks, ms, and over how many looks it judges. */
const PERIOD_MS = 500;
const LOOKS = 10;
/** Mean lateness above which the process does not respond any more, ms. */
const LATE_MS = 1_000;

export class EventLoopMonitor {
  readonly #latenessMs: number[] = [];
  readonly #timer: NodeJS.Timeout;
  #lastMs = performance.now();
  #utilization = performance.eventLoopUtilization();

  constructor() {
    this.#timer = setInterval(() => this.#look(), PERIOD_MS);
    this.#timer.unref();
  }

  get meanLatenessMs(): number {
    const sum = this.#latenessMs.reduce((total, ms) => total + ms, 0);
    return this.#latenessMs.length === 0 ? 0 : sum / this.#latenessMs.length;
  }

  get responsive(): boolean {
    return this.meanLatenessMs < LATE_MS;
  }

  /** Share of the time since the last call that it was busy. */
  utilization(): number {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    return Number.isFinite(utilization) ? utilization : 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    this.#latenessMs.push(Math.max(0, nowMs - this.#lastMs - PERIOD_MS));
    if (this.#latenessMs.length > LOOKS) this.#latenessMs.shift();
    this.#lastMs = nowMs;
  }
}
