// Bytes of records that this node has asked other nodes for and not been sent yet: no more at a time than nats-server is
// ready to hold for it, whatever the number of nodes. Who does not fit waits for its turn.

export class ReplyBudget {
  readonly #bytesMax: number;
  readonly #waiting = new Set<() => void>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Takes `bytes`, or calls `retry` once when there may be room. One request always has room. @returns whether it has */
  take(bytes: number, retry: () => void): boolean {
    if (bytes > 0 && this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) {
      this.#waiting.add(retry);
      return false;
    }
    this.#bytes += bytes;
    return true;
  }

  release(bytes: number): void {
    if (bytes === 0) return;
    this.#bytes -= bytes;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const retry of waiting) retry();
  }
}
