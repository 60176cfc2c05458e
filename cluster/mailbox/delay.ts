// How long a message was on its way, without clocks that agree: two monotonic clocks differ by a constant, and the smallest
// difference seen of late between sending and arriving stands for that constant and an undelayed way. What a message
// took beyond it, it spent waiting in some buffer. The smallest of late, since clocks drift apart in the long run.

/** For so long a smallest difference counts, at least; clocks drift by less than 50 ms in twice that. */
const WINDOW_MS = 120_000;

export class Delays {
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #smallest = Number.POSITIVE_INFINITY;
  #smallestBefore = Number.POSITIVE_INFINITY;

  /** @returns by how much the message was later than the quickest one, ms */
  of(sentAtMs: number, arrivedAtMs: number): number {
    if (arrivedAtMs - this.#windowStartMs > WINDOW_MS) {
      const skipped = arrivedAtMs - this.#windowStartMs > 2 * WINDOW_MS;
      this.#smallestBefore = skipped ? Number.POSITIVE_INFINITY : this.#smallest;
      this.#smallest = Number.POSITIVE_INFINITY;
      this.#windowStartMs = arrivedAtMs;
    }
    const difference = arrivedAtMs - sentAtMs;
    this.#smallest = Math.min(this.#smallest, difference);
    return difference - Math.min(this.#smallest, this.#smallestBefore);
  }
}
