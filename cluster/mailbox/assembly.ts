// Parts put together into frames. The parts of one sender's frame come one after the other, so that at most one frame a
// sender is incomplete; a part that does not continue it belongs to a frame that was lost or is sent again, and is left out.

import { frameBytes } from './frame.ts';
import type { PartAddress } from './subjects.ts';

interface Incomplete {
  readonly frame: number;
  readonly parts: number;
  readonly bytes: Buffer;
  filled: number;
  nextPart: number;
  lastPartMs: number;
}

export type Assembled =
  | { readonly frame: Buffer }
  /** The frame goes on with a later part, or the part belongs to none. */
  | 'more'
  /** The frame is larger than may be. */
  | 'too-large';

export class Assembly {
  readonly #bytesMax: number;
  #incomplete: Incomplete | undefined;

  /** @param bytesMax the largest frame */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes held for an incomplete frame. */
  get bytes(): number {
    return this.#incomplete?.bytes.length ?? 0;
  }

  add(payload: Buffer, { frame, part, parts }: PartAddress, nowMs: number): Assembled {
    if (parts === 1) return { frame: payload };
    if (part === 0) {
      this.#incomplete = undefined;
      const length = frameBytes(payload);
      // Not to be read anyhow: it is refused by what its first part says.
      if (length === undefined) return { frame: payload };
      if (length > this.#bytesMax) return 'too-large';
      if (length < payload.length) return { frame: payload };
      const bytes = Buffer.allocUnsafe(length);
      this.#incomplete = { frame, parts, bytes, filled: payload.copy(bytes), nextPart: 1, lastPartMs: nowMs };
      return 'more';
    }
    const incomplete = this.#incomplete;
    if (incomplete === undefined || incomplete.frame !== frame || incomplete.nextPart !== part) return 'more';
    const { bytes, filled } = incomplete;
    if (filled + payload.length > bytes.length) {
      this.#incomplete = undefined;
      return 'more';
    }
    payload.copy(bytes, filled);
    incomplete.filled += payload.length;
    incomplete.nextPart++;
    incomplete.lastPartMs = nowMs;
    if (incomplete.nextPart < parts) return 'more';
    this.#incomplete = undefined;
    return incomplete.filled === bytes.length ? { frame: bytes } : 'more';
  }

  /** Drops a frame whose next part has not come since `sinceMs`. */
  expire(sinceMs: number): void {
    if (this.#incomplete !== undefined && this.#incomplete.lastPartMs < sinceMs) this.#incomplete = undefined;
  }
}
