// When shards are opened in the cold store: after the shards of the journal, which clients wait for, and a few at a time.
// A takeover opens many shards at once, and what each has to learn from the filer is more work than the opening itself.

import type { JournalLimits } from './limits.ts';

export class ColdOpenings {
  readonly #limits: Pick<JournalLimits, 'coldOpeningsMax' | 'coldQuietMs' | 'coldWaitMaxMs'>;
  /** In order of their coming. */
  readonly #waiting = new Set<{ readonly sinceMs: number; readonly begin: () => void }>();
  #underWay = 0;
  /** Shards of the journal that are being opened, and when the last of them was done. */
  #journalOpenings = 0;
  #openedMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: Pick<JournalLimits, 'coldOpeningsMax' | 'coldQuietMs' | 'coldWaitMaxMs'>) {
    this.#limits = limits;
  }

  /** Runs the opening of a shard of the journal, for which the others wait. */
  async after<T>(opening: () => Promise<T>): Promise<T> {
    this.#journalOpenings++;
    try {
      return await opening();
    } finally {
      this.#journalOpenings--;
      this.#openedMs = performance.now();
      this.#next();
    }
  }

  /**
   * Begins `work`, which does not throw, when it is its turn.
   * @returns withdraws it, unless it has begun
   */
  add(work: () => Promise<void>): () => void {
    const entry = {
      sinceMs: performance.now(),
      begin: () => {
        this.#underWay++;
        void work().finally(() => {
          this.#underWay--;
          this.#next();
        });
      },
    };
    this.#waiting.add(entry);
    this.#next();
    return () => this.#waiting.delete(entry);
  }

  #next(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const entry of this.#waiting) {
      if (this.#underWay >= this.#limits.coldOpeningsMax) return;
      const dueMs = this.#dueMs(entry.sinceMs);
      if (dueMs > nowMs) {
        this.#timer = setTimeout(() => this.#next(), dueMs - nowMs);
        return;
      }
      this.#waiting.delete(entry);
      entry.begin();
    }
  }

  /** When one that came then may begin: once the journal's shards are open and used, but not for ever after it came. */
  #dueMs(sinceMs: number): number {
    const latestMs = sinceMs + this.#limits.coldWaitMaxMs;
    return this.#journalOpenings > 0 ? latestMs : Math.min(latestMs, this.#openedMs + this.#limits.coldQuietMs);
  }
}
