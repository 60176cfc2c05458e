// Which parts of a world reach each other, and how well: every message between nodes, and between a node and the journal,
// asks here. Two parts that are cut from each other are so in both directions; what was under way when it happened counts
// as lost when it would arrive.

import type { SeededRandom } from './random.ts';

/** A node by its id; the journal; the bus that all messages between nodes go through. */
export type Part = number | 'journal' | 'bus';

export class Links {
  readonly #random: SeededRandom;
  readonly #cuts = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();
  #lossChance = 0;
  #delayFactor = 1;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Cuts two parts from each other, until as many `join` as cuts. */
  cut(one: Part, other: Part): void {
    const link = nameOf(one, other);
    this.#cuts.set(link, (this.#cuts.get(link) ?? 0) + 1);
  }

  join(one: Part, other: Part): void {
    const link = nameOf(one, other);
    const left = (this.#cuts.get(link) ?? 0) - 1;
    if (left > 0) this.#cuts.set(link, left);
    else this.#end(link);
  }

  reaches(one: Part, other: Part): boolean {
    return !this.#cuts.has(nameOf(one, other));
  }

  /** Calls back when the two reach each other again. */
  whenJoined(one: Part, other: Part, run: () => void): void {
    const link = nameOf(one, other);
    const waiting = this.#waiting.get(link);
    if (waiting === undefined) this.#waiting.set(link, [run]);
    else waiting.push(run);
  }

  /** Each message between nodes is lost with this probability. */
  lose(chance: number): void {
    this.#lossChance = chance;
  }

  /** Messages between nodes take so many times as long. */
  slowDown(factor: number): void {
    this.#delayFactor = factor;
  }

  get delayFactor(): number {
    return this.#delayFactor;
  }

  /** Whether a message from one node arrives at another, or at itself. */
  delivers(from: number, to: number): boolean {
    const way = this.reaches(from, 'bus') && this.reaches(to, 'bus') && this.reaches(from, to);
    return way && !(this.#lossChance > 0 && this.#random.chance(this.#lossChance));
  }

  heal(): void {
    this.#lossChance = 0;
    this.#delayFactor = 1;
    for (const link of [...this.#cuts.keys()]) this.#end(link);
  }

  #end(link: string): void {
    this.#cuts.delete(link);
    const waiting = this.#waiting.get(link) ?? [];
    this.#waiting.delete(link);
    for (const run of waiting) run();
  }
}

function nameOf(one: Part, other: Part): string {
  return [String(one), String(other)].sort().join(' ');
}
