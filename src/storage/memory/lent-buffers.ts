// What reads gave, each a copy: one that is reclaimed is scribbled over, so that whoever looks at it still sees no batch.

const SCRIBBLE = 0xdb;

export class LentBuffers {
  readonly #lent = new WeakSet<ArrayBufferLike>();

  lend(bytes: Uint8Array): Uint8Array {
    const copy = Uint8Array.prototype.slice.call(bytes);
    this.#lent.add(copy.buffer);
    return copy;
  }

  reclaim(buffers: readonly Uint8Array[]): void {
    for (const buffer of buffers) if (this.#lent.delete(buffer.buffer)) new Uint8Array(buffer.buffer).fill(SCRIBBLE);
  }
}
