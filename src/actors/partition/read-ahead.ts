// Reads ahead of consumers that read a log in order: while a client digests one answer, the store, or the node that owns
// the log, already fetches what it will ask for next. Bounded in bytes over all partitions; the oldest guess leaves first.

import { endOffsetOf } from '../../protocol/records/batch.ts';
import type { PartitionKey } from '../shard/ports.ts';

/** What a reader asks for, as ShardLog.read. */
export interface ReadRange {
  readonly fromOffset: bigint;
  readonly endOffset: bigint;
  readonly bytesMax: number;
  readonly atLeastOne: boolean;
}

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
   * Answers a read by what was fetched ahead, or by `load`, and begins to fetch what comes next.
   * @param isWorthwhile whether a read from this offset would have to be loaded
   * @throws as `load`
   */
  async read(
    key: PartitionKey,
    range: ReadRange,
    load: (range: ReadRange) => Promise<Uint8Array[]>,
    isWorthwhile: (offset: bigint) => boolean,
  ): Promise<Uint8Array[]> {
    const { fromOffset, endOffset, bytesMax } = range;
    // A guess that came to nothing (one large batch, a store that was away then) is made good by reading.
    const ahead = await this.#take(key, fromOffset, bytesMax)?.catch(() => []);
    const found = ahead !== undefined && ahead.length > 0;
    const chunks = found ? ahead : await load(range);
    const next = chunks.length === 0 ? endOffset : endOffsetOf(chunks.at(-1) as Uint8Array);
    if (next < endOffset && isWorthwhile(next)) {
      this.#begin(key, next, bytesMax, () => load({ fromOffset: next, endOffset, bytesMax, atLeastOne: false }));
    }
    return chunks;
  }

  /**
   * What was fetched for a read that starts at `fromOffset`; the guess is used up.
   * @param bytesMax the most that the reader takes; a guess made for more is of no use
   */
  #take(key: PartitionKey, fromOffset: bigint, bytesMax: number): Promise<Uint8Array[]> | undefined {
    const name = nameOf(key, fromOffset);
    const guess = this.#guesses.get(name);
    if (guess === undefined) return undefined;
    this.#drop(name, guess);
    return guess.bytesMax <= bytesMax ? guess.chunks : undefined;
  }

  /** Begins to fetch what follows a read that ended below `fromOffset`. A failure shows when the guess is taken. */
  #begin(key: PartitionKey, fromOffset: bigint, bytesMax: number, readNext: () => Promise<Uint8Array[]>): void {
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
