// A bounded number of bytes under way: who comes when it is used up waits in line. The bound may adapt to how long the
// bytes take: what a slow server has queued delays the answers to everything behind it, pings included.

export class Budget {
  readonly #bytesMax: number;
  /** The bound now, at most `#bytesMax`. */
  #bound: number;
  #bytes = 0;
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#bound = bytesMax;
  }

  /** Bytes under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many wait in line. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Runs `work` when there is room for its bytes; more than the whole budget goes when nothing else is under way. */
  async run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      await new Promise<void>((resolve) => this.#waiting.push({ bytes, enter: resolve }));
    } else this.#bytes += bytes;
    try {
      return await work();
    } finally {
      this.#bytes -= bytes;
      this.#admit();
    }
  }

  /** The bound now. */
  get bound(): number {
    return this.#bound;
  }

  /** Some work took so long: the bound falls by a part when that is too long, and rises slowly when it is not. */
  took(durationMs: number): void {
    if (durationMs > SLOW_MS) this.#bound = Math.max(this.#bound * FALL, Math.min(BOUND_MIN, this.#bytesMax));
    else if (durationMs < SLOW_MS / 2) this.#bound = Math.min(this.#bound + RISE_BYTES, this.#bytesMax);
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bound;
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!.bytes)) {
      const next = this.#waiting.shift()!;
      // Counted here, so that nobody comes in between this and the one who was woken.
      this.#bytes += next.bytes;
      next.enter();
    }
  }
}

const SLOW_MS = 500;
const FALL = 0.9;
const RISE_BYTES = 256 << 10;
const BOUND_MIN = 2 << 20;
