// A message of this node's own, as it was appended: its batches are the caller's buffers, which nobody changes.

import type { BatchItem, MessageHead } from './message-format.ts';
import type { MessageBytes } from './message-reader.ts';
import type { AppliedMessage } from './shard-state.ts';

export class OwnMessage implements AppliedMessage, MessageBytes {
  readonly head: MessageHead;
  readonly headBytes: Uint8Array;
  readonly sequence: number;
  readonly bytes: number;
  readonly #bodies: readonly Uint8Array[];
  readonly #batches: readonly BatchItem[];

  constructor(
    head: MessageHead,
    headBytes: Uint8Array,
    bodies: readonly Uint8Array[],
    sequence: number,
    bytes: number,
  ) {
    this.head = head;
    this.headBytes = headBytes;
    this.sequence = sequence;
    this.bytes = bytes;
    this.#bodies = bodies;
    this.#batches = head.items.filter((item) => item.kind === 'batch');
  }

  headerOf(item: BatchItem): Uint8Array {
    return this.#bodies[this.#firstFrom(item.position)]!;
  }

  slices(position: number, length: number): Uint8Array[] {
    const found: Uint8Array[] = [];
    for (let index = this.#firstFrom(position); index < this.#batches.length; index++) {
      const batch = this.#batches[index]!;
      if (batch.position >= position + length) break;
      const from = Math.max(position, batch.position);
      const end = Math.min(position + length, batch.position + batch.length);
      found.push(this.#bodies[index]!.subarray(from - batch.position, end - batch.position));
    }
    return found;
  }

  /** Index of the first batch that ends behind `position`. */
  #firstFrom(position: number): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const batch = this.#batches[middle]!;
      if (batch.position + batch.length <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
