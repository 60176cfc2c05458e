// Reads ahead of consumers that read a log in order: while a client digests one answer, the store already fetches what
// it will ask for next. Bounded in bytes over all partitions; the oldest guess leaves first.

import type { PartitionKey } from '../shard/ports.ts';

interface Guess {
  readonly key: PartitionKey;
  /** Bytes asked of the store, which count until the guess is used or dropped. */
  readonly bytesMax: number;
  readonly chunks: Promise<Uint8Array[]>;
}

export class ReadAhead {
  readonly #bytesMax: number;
  /** By partition and offset, oldest first. */
  readonly #guesses = new Map<string, Guess>();
  #bytes = 0;

  /** @param bytesMax bytes that may be fetched or held for reads that have not come yet; 0: none */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * What was fetched for a read that starts at `fromOffset`; the guess is used up.
   * @param bytesMax the most that the reader takes; a guess made for more is of no use
   */
  take(key: PartitionKey, fromOffset: bigint, bytesMax: number): Promise<Uint8Array[]> | undefined {
    const name = nameOf(key, fromOffset);
    const guess = this.#guesses.get(name);
    if (guess === undefined) return undefined;
    this.#drop(name, guess);
    return guess.bytesMax <= bytesMax ? guess.chunks : undefined;
  }

  /** Begins to fetch what follows a read that ended below `fromOffset`. A failure shows when the guess is taken. */
  begin(key: PartitionKey, fromOffset: bigint, bytesMax: number, readNext: () => Promise<Uint8Array[]>): void {
    const name = nameOf(key, fromOffset);
    if (bytesMax > this.#bytesMax || this.#guesses.has(name)) return;
    for (const [oldName, guess] of this.#guesses) {
      if (this.#bytes + bytesMax <= this.#bytesMax) break;
      this.#drop(oldName, guess);
    }
    const chunks = readNext();
    // Whoever takes the guess meets the failure; one that nobody takes has failed nobody.
    chunks.catch(() => {});
    this.#guesses.set(name, { key, bytesMax, chunks });
    this.#bytes += bytesMax;
  }

  /** Forgets what was fetched of the partitions that pass `matches` (deleted, moved, opened again). */
  dropAll(matches: (key: PartitionKey) => boolean): void {
    for (const [name, guess] of this.#guesses) if (matches(guess.key)) this.#drop(name, guess);
  }

  #drop(name: string, guess: Guess): void {
    this.#guesses.delete(name);
    this.#bytes -= guess.bytesMax;
  }
}

function nameOf(key: PartitionKey, fromOffset: bigint): string {
  return `${key}@${fromOffset}`;
}
