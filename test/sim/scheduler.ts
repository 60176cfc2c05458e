// The one queue of events that a simulated world has. Events run in the order of their times; which of several at the
// same time goes first is drawn from the seed. Between two events every promise job runs to its end, so an event's
// consequences are complete before time moves on. Nothing here knows the real time.

import type { SeededRandom } from './random.ts';

export interface ScheduledEvent {
  readonly atMs: number;
  readonly tieBreak: number;
  readonly sequence: number;
  run: (() => void) | undefined;
}

/** Times are kept to 1/16 ms, so that events do coincide. */
const TICKS_PER_MS = 16;

export class Scheduler {
  readonly #random: SeededRandom;
  readonly #heap: ScheduledEvent[] = [];
  #nowMs = 0;
  #sequence = 0;
  /** Events that have run. */
  eventCount = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Virtual time since the world began, ms. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` once, `delayMs` from now. */
  after(delayMs: number, run: () => void): ScheduledEvent {
    const atMs = Math.ceil((this.#nowMs + Math.max(0, delayMs)) * TICKS_PER_MS) / TICKS_PER_MS;
    const event: ScheduledEvent = { atMs, tieBreak: this.#random.float(), sequence: this.#sequence++, run };
    push(this.#heap, event);
    return event;
  }

  cancel(event: ScheduledEvent): void {
    event.run = undefined;
  }

  /** Resolves after `delayMs` of virtual time. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  /** Runs events until time `untilMs`, or until `done` says so after an event. @returns whether `done` did */
  async runUntil(untilMs: number, done: () => boolean = () => false): Promise<boolean> {
    await settled();
    while (!done()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) {
        if (untilMs > this.#nowMs && Number.isFinite(untilMs)) this.#nowMs = untilMs;
        return false;
      }
      pop(this.#heap);
      if (next.run === undefined) continue;
      this.#nowMs = next.atMs;
      this.eventCount++;
      next.run();
      await settled();
    }
    return true;
  }

  /** Runs events for `durationMs` of virtual time. */
  async advance(durationMs: number): Promise<void> {
    await this.runUntil(this.#nowMs + durationMs);
  }
}

/** Resolves when every promise job has run: Node turns to its next immediate only then. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function before(a: ScheduledEvent, b: ScheduledEvent): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  return a.tieBreak !== b.tieBreak ? a.tieBreak < b.tieBreak : a.sequence < b.sequence;
}

function push(heap: ScheduledEvent[], event: ScheduledEvent): void {
  let index = heap.length;
  heap.push(event);
  while (index > 0) {
    const parent = (index - 1) >>> 1;
    if (!before(event, heap[parent] as ScheduledEvent)) break;
    heap[index] = heap[parent] as ScheduledEvent;
    index = parent;
  }
  heap[index] = event;
}

function pop(heap: ScheduledEvent[]): void {
  const last = heap.pop() as ScheduledEvent;
  if (heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1] as ScheduledEvent, heap[child] as ScheduledEvent)) child++;
    if (!before(heap[child] as ScheduledEvent, last)) break;
    heap[index] = heap[child] as ScheduledEvent;
    index = child;
  }
  heap[index] = last;
}
