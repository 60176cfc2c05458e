// Buffers for publish requests, used again: a fresh one of 2 MiB for every run costs page faults and, since it counts as
// external memory, garbage collections.

/** Large enough for a full run and all that is around it. */
const AROUND_BYTES = 4 << 10;
const FREE_MAX = 16;

export class FramePool {
  readonly #slabBytes: number;
  readonly #free: ArrayBuffer[] = [];

  constructor(runBytesMax: number) {
    this.#slabBytes = runBytesMax + AROUND_BYTES;
  }

  /** A buffer of that size, with anything in it. Small and very large ones are their own. */
  take(bytes: number): Buffer {
    if (bytes > this.#slabBytes || bytes < this.#slabBytes / 4) return Buffer.allocUnsafeSlow(bytes);
    return Buffer.from(this.#free.pop() ?? new ArrayBuffer(this.#slabBytes), 0, bytes);
  }

  /** Takes a buffer back that nobody looks at any more. */
  giveBack(frame: Buffer): void {
    if (frame.buffer.byteLength === this.#slabBytes && this.#free.length < FREE_MAX)
      this.#free.push(frame.buffer as ArrayBuffer);
  }
}
