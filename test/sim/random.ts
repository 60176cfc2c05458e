// Chance in the simulator: one generator per part of the world, each derived from the seed and the part's name, so that a
// change in what one part draws leaves the others as they were.

import type { Random } from '../../src/actors/runtime/ports.ts';
import { placementHash } from '../../src/actors/shard/view.ts';

/** A seeded generator (sfc32, seeded through splitmix32). */
export class SeededRandom implements Random {
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    let state = this.#seed;
    const splitmix = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return (mixed ^ (mixed >>> 15)) | 0;
    };
    this.#a = splitmix();
    this.#b = splitmix();
    this.#c = splitmix();
  }

  /** The generator of the part of the world named `name`. */
  fork(name: string): SeededRandom {
    return new SeededRandom(placementHash(`${this.#seed}/${name}`));
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return sum >>> 0;
  }

  float(): number {
    return this.#next() / 2 ** 32;
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) bytes[i] = this.#next() & 0xff;
    return bytes;
  }

  /** An integer from `min` to `max`, both included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.float() * (max - min + 1));
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.int(0, choices.length - 1)] as T;
  }

  /** Exponentially distributed with the given mean, at most ten times the mean. */
  exponential(mean: number): number {
    return Math.min(10 * mean, -mean * Math.log(1 - this.float()));
  }
}
