// Large buffers used again: a fresh one of a megabyte costs page faults and, since it counts as external memory, garbage
// collections. One that is never given back is left to the garbage collector.

export class SlabPool {
  readonly #slabBytes: number;
  readonly #freeMax: number;
  readonly #free: ArrayBuffer[] = [];
  /** Slabs that are in use: only those come back, and once. */
  readonly #lent = new WeakSet<ArrayBufferLike>();

  /** @param freeMax slabs kept while nobody uses them */
  constructor(slabBytes: number, freeMax: number) {
    this.#slabBytes = slabBytes;
    this.#freeMax = freeMax;
  }

  /** A buffer of that size, with anything in it. Small ones, and those larger than a slab, are their own. */
  take(bytes: number): Buffer {
    if (bytes > this.#slabBytes || bytes < this.#slabBytes / 4) return Buffer.allocUnsafeSlow(bytes);
    const slab = this.#free.pop() ?? new ArrayBuffer(this.#slabBytes);
    this.#lent.add(slab);
    return Buffer.from(slab, 0, bytes);
  }

  /** Takes back the slab below a buffer that nobody looks at any more; passes over what is none of this pool's. */
  giveBack(buffer: Uint8Array): void {
    if (this.#lent.delete(buffer.buffer) && this.#free.length < this.#freeMax) {
      this.#free.push(buffer.buffer as ArrayBuffer);
    }
  }
}
