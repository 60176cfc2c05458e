// Which messages of a shard's log still hold something that is read: for each its size and how many rows point into it.
// A message without rows is dead; it goes when the index covers it (trimmer.ts). 16 bytes a message.

const GROWTH_MIN = 64;

/** A dead message, or the last of a run of them. */
export interface DeadMessage {
  readonly sequence: number;
  readonly bytes: number;
}

export class Ledger {
  #sequences = new Float64Array(GROWTH_MIN);
  #rows = new Uint32Array(GROWTH_MIN);
  #sizes = new Uint32Array(GROWTH_MIN);
  #start = 0;
  #end = 0;
  #bytes = 0;
  #deadBytes = 0;

  /** Messages known to be in the stream. */
  get count(): number {
    return this.#end - this.#start;
  }

  /** Bytes of them, and of those that are dead. */
  get bytes(): number {
    return this.#bytes;
  }

  get deadBytes(): number {
    return this.#deadBytes;
  }

  /** Bytes of the dead messages below the last one, whose sequence is given. */
  deadBytesBelow(last: number): number {
    const at = this.#search(last);
    const lastIsDead = at < this.#end && this.#sequences[at] === last && this.#rows[at] === 0;
    return this.#deadBytes - (lastIsDead ? this.#sizes[at]! : 0);
  }

  /** Adds the shard's next message; its rows are to follow by `hold`. */
  add(sequence: number, bytes: number): void {
    if (this.#end === this.#sequences.length) this.#makeRoom();
    this.#sequences[this.#end] = sequence;
    this.#rows[this.#end] = 0;
    this.#sizes[this.#end] = bytes;
    this.#end++;
    this.#bytes += bytes;
    this.#deadBytes += bytes;
  }

  /** A row points into the message. */
  hold(sequence: number): void {
    const at = this.#find(sequence);
    if (this.#rows[at]!++ === 0) this.#deadBytes -= this.#sizes[at]!;
  }

  /** A row that pointed into the message is gone. */
  release(sequence: number): void {
    const at = this.#find(sequence);
    if (--this.#rows[at]! === 0) this.#deadBytes += this.#sizes[at]!;
  }

  /** Size of the message; 0 when it is not known. */
  sizeOf(sequence: number): number {
    const at = this.#search(sequence);
    return at < this.#end && this.#sequences[at] === sequence ? this.#sizes[at]! : 0;
  }

  /** Messages from `first` up to and with `last`, those that are gone from between others included. */
  countBetween(first: number, last: number): number {
    return this.#search(last + 1) - this.#search(first);
  }

  /** The dead messages before the first live one, up to and with sequence `upTo`: their last, and the bytes of all. */
  deadFront(upTo: number): DeadMessage | undefined {
    let sequence: number | undefined;
    let bytes = 0;
    for (let at = this.#start; at < this.#end && this.#rows[at] === 0 && this.#sequences[at]! <= upTo; at++) {
      // The place of a message that is gone from the stream already is passed over.
      if (this.#sizes[at] === 0) continue;
      sequence = this.#sequences[at]!;
      bytes += this.#sizes[at]!;
    }
    return sequence === undefined ? undefined : { sequence, bytes };
  }

  /** Dead messages behind a live one, up to and with sequence `upTo`; at most `countMax`. */
  deadInterior(upTo: number, countMax: number): DeadMessage[] {
    const found: DeadMessage[] = [];
    let at = this.#start;
    while (at < this.#end && this.#rows[at] === 0) at++;
    for (; at < this.#end && this.#sequences[at]! <= upTo && found.length < countMax; at++) {
      if (this.#rows[at] === 0 && this.#sizes[at]! > 0) {
        found.push({ sequence: this.#sequences[at]!, bytes: this.#sizes[at]! });
      }
    }
    return found;
  }

  /** The stream has none of the dead messages up to `sequence` any more. */
  forgetFront(sequence: number): void {
    while (this.#start < this.#end && this.#sequences[this.#start]! <= sequence && this.#rows[this.#start] === 0) {
      this.#gone(this.#start);
      this.#start++;
    }
  }

  /** The stream does not have the dead message any more; its place stays until those before it are gone. */
  forget(sequence: number): void {
    const at = this.#search(sequence);
    if (at < this.#end && this.#sequences[at] === sequence && this.#rows[at] === 0) this.#gone(at);
  }

  get encodedBytes(): number {
    return 4 + this.count * 16;
  }

  /** Count of messages, then their sequences (f64), rows (u32) and sizes (u32). */
  encode(into: Buffer, start: number): number {
    let at = into.writeUInt32LE(this.count, start);
    for (const column of [this.#sequences, this.#rows, this.#sizes]) {
      const values = column.subarray(this.#start, this.#end);
      into.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
      at += values.byteLength;
    }
    return at;
  }

  /** @throws RangeError when what `encode` wrote is cut */
  static decode(from: Buffer, start: number): { readonly ledger: Ledger; readonly end: number } {
    const ledger = new Ledger();
    const count = from.readUInt32LE(start);
    let at = start + 4;
    if (at + count * 16 > from.length) throw new RangeError(`the ledger at ${start} is cut`);
    const capacity = Math.max(GROWTH_MIN, count);
    ledger.#sequences = new Float64Array(capacity);
    ledger.#rows = new Uint32Array(capacity);
    ledger.#sizes = new Uint32Array(capacity);
    for (const column of [ledger.#sequences, ledger.#rows, ledger.#sizes]) {
      const bytes = new Uint8Array(column.buffer, 0, count * column.BYTES_PER_ELEMENT);
      bytes.set(from.subarray(at, at + bytes.length));
      at += bytes.length;
    }
    ledger.#end = count;
    for (let index = 0; index < count; index++) {
      ledger.#bytes += ledger.#sizes[index]!;
      if (ledger.#rows[index] === 0) ledger.#deadBytes += ledger.#sizes[index]!;
    }
    return { ledger, end: at };
  }

  #gone(at: number): void {
    this.#bytes -= this.#sizes[at]!;
    this.#deadBytes -= this.#sizes[at]!;
    this.#sizes[at] = 0;
  }

  #makeRoom(): void {
    // Places of messages that are gone are given up first.
    let kept = 0;
    const needed = this.#end - this.#start;
    const capacity = needed > this.#sequences.length >> 1 ? this.#sequences.length * 2 : this.#sequences.length;
    const sequences = new Float64Array(capacity);
    const rows = new Uint32Array(capacity);
    const sizes = new Uint32Array(capacity);
    for (let at = this.#start; at < this.#end; at++) {
      if (this.#rows[at] === 0 && this.#sizes[at] === 0) continue;
      sequences[kept] = this.#sequences[at]!;
      rows[kept] = this.#rows[at]!;
      sizes[kept] = this.#sizes[at]!;
      kept++;
    }
    this.#sequences = sequences;
    this.#rows = rows;
    this.#sizes = sizes;
    this.#start = 0;
    this.#end = kept;
  }

  #find(sequence: number): number {
    const at = this.#search(sequence);
    if (this.#sequences[at] !== sequence || at >= this.#end) throw new RangeError(`message ${sequence} is not known`);
    return at;
  }

  /** Index of the first message at or above the sequence. The last one is what is asked for most. */
  #search(sequence: number): number {
    if (this.#end > this.#start && this.#sequences[this.#end - 1] === sequence) return this.#end - 1;
    let low = this.#start;
    let high = this.#end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sequences[middle]! < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
