// Answers the questions about a shard's partitions: from the rows in memory where they tell, from messages of the log where
// bytes of batches are asked for, from the cold store what lies only there (below a partition's moved offset). Reads ahead
// of who reads a partition in a row.

import type { LogDescription, PartitionKey } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import type { ColdShard } from '../seaweed/cold-store.ts';
import { HEADER_BYTES } from './header-window.ts';
import type { JournalLimits } from './limits.ts';
import type { MessageReader } from './message-reader.ts';
import type { PartitionState } from './partition-state.ts';
import type { Row } from './rows.ts';
import type { ShardState } from './shard-state.ts';

/** A piece of a message: batches that lie in a row in it. */
interface Piece {
  readonly sequence: number;
  readonly position: number;
  length: number;
}

/** The part of a read that lies in the cold store only. */
interface ColdRead {
  readonly found: Uint8Array[];
  readonly bytes: number;
  /** It goes up to where the journal begins. */
  readonly complete: boolean;
  /** Where that was. */
  readonly movedOffset: bigint;
}

/** The shard in the cold store. */
export interface ColdPart {
  /** Undefined while it is not open. */
  readonly current: ColdShard | undefined;
  /** @throws StorageFault `unavailable` while it is not open */
  require(): ColdShard;
}

const EMPTY: LogDescription = { logStartOffset: 0n, nextOffset: 0n, bytes: 0 };
/** In a v2 batch (Kafka's DefaultRecordBatch): its length, which counts from behind it, and the last offset's delta. */
const BATCH_LENGTH_AT = 8;
const BATCH_LENGTH_END = 12;
const LAST_OFFSET_DELTA_AT = 23;
/** Fewer messages are fetched one by one, at the same time. */
const PREFETCH_MESSAGES_MIN = 4;
/** Batches whose headers are read at a time when they are not in memory. */
const HEADER_ROWS = 64;

export class LogReader {
  readonly #shard: number;
  readonly #state: ShardState;
  readonly #messages: MessageReader;
  readonly #limits: JournalLimits;
  /** Undefined: the journal is all there is. */
  readonly #cold: ColdPart | undefined;
  /** Where the last read of a partition ended: a read from there on is one in a row. */
  readonly #ends = new Map<PartitionKey, bigint>();

  constructor(
    shard: number,
    state: ShardState,
    messages: MessageReader,
    limits: JournalLimits,
    cold: ColdPart | undefined,
  ) {
    this.#shard = shard;
    this.#state = state;
    this.#messages = messages;
    this.#limits = limits;
    this.#cold = cold;
  }

  async describe(partition: PartitionKey): Promise<LogDescription> {
    const state = this.#partition(partition);
    return state === undefined ? EMPTY : state.describe(await this.#coldBytes(state));
  }

  /** As ShardLog.read. @throws StorageFault `unavailable` | `corrupt` */
  async read(
    partition: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]> {
    for (;;) {
      const state = this.#partition(partition);
      if (state === undefined) return [];
      const cold = await this.#readCold(state, fromOffset, endOffset, bytesMax, atLeastOne);
      if (cold !== undefined && !cold.complete) return cold.found;
      // The journal's part begins where the cold part ended only if nothing was moved meanwhile.
      if (cold !== undefined && this.#hasChanged(state, cold.movedOffset)) {
        if (cold.found.length > 0) return cold.found;
        continue;
      }
      const room = bytesMax - (cold?.bytes ?? 0);
      const owesOne = atLeastOne && (cold === undefined || cold.found.length === 0);
      const { pieces, end } = selectPieces(state, fromOffset, endOffset, room, owesOne);
      const logStart = state.logStartOffset;
      const { movedOffset } = state;
      try {
        this.#prefetch(pieces);
        const found = await Promise.all(pieces.map((piece) => this.#bytesOf(piece)));
        if (pieces.length > 0) this.#readAhead(state, fromOffset, end);
        return cold === undefined ? found.flat() : [...cold.found, ...found.flat()];
      } catch (error) {
        // The log start or what is in the cold store has moved meanwhile, and what lay below was trimmed: once more.
        const moved = this.#hasChanged(state, movedOffset) || state.logStartOffset !== logStart;
        if (!(error instanceof StorageFault && error.code === 'corrupt' && moved)) throw error;
      }
    }
  }

  /** As ShardLog.headers. @throws StorageFault `unavailable` | `corrupt` */
  async *headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array> {
    let next = fromOffset;
    for (;;) {
      const state = this.#partition(partition);
      if (state === undefined) return;
      if (next >= state.headers.fromOffset) {
        yield* state.headers.from(next);
        return;
      }
      const windowFrom = state.headers.fromOffset;
      if (state.hasCold && next < state.movedOffset) {
        const end = min(windowFrom, state.movedOffset);
        for await (const header of this.#cold!.require().headers(partition, max(next, state.logStartOffset))) {
          // One that reaches into the window is there.
          if (lastOffsetAt(header) >= end) break;
          yield header;
        }
        next = end;
        continue;
      }
      const rows: Row[] = [];
      for (const row of state.rows.from(next)) {
        if (row.lastOffset >= windowFrom || rows.length === HEADER_ROWS) break;
        rows.push(row);
      }
      const found = rows.map(({ sequence, position }) => this.#bytesOf({ sequence, position, length: HEADER_BYTES }));
      const headers = await Promise.all(found).catch((error: unknown) => {
        // Moved to the cold store and trimmed meanwhile: it is read from there.
        if (error instanceof StorageFault && error.code === 'corrupt' && next < state.movedOffset) return undefined;
        throw error;
      });
      if (headers === undefined) continue;
      next = rows.length === 0 ? windowFrom : rows.at(-1)!.lastOffset + 1n;
      yield* headers.flat();
    }
  }

  async firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): Promise<bigint | undefined> {
    const state = this.#partition(partition);
    if (state === undefined) return undefined;
    if (state.hasCold) {
      const { movedOffset } = state;
      const found = await this.#cold!.require().firstBatchAtOrAfter(partition, timestampMs);
      if (found !== undefined && found.baseOffset < state.movedOffset) return found.baseOffset;
      if (this.#hasChanged(state, movedOffset)) return this.firstBatchAtOrAfter(partition, timestampMs);
    }
    return state.rows.firstAtOrAfter(timestampMs);
  }

  async batchOfMaxTimestamp(partition: PartitionKey): Promise<bigint | undefined> {
    const state = this.#partition(partition);
    if (state === undefined) return undefined;
    const { movedOffset } = state;
    const cold = state.hasCold ? await this.#cold!.require().batchOfMaxTimestamp(partition) : undefined;
    if (this.#hasChanged(state, movedOffset)) return this.batchOfMaxTimestamp(partition);
    const own = state.rows.ofMaxTimestamp();
    if (cold === undefined || cold.maxTimestampMs < 0n) return own?.baseOffset;
    if (own === undefined || own.timestampMs <= cold.maxTimestampMs) return cold.baseOffset;
    return own.baseOffset;
  }

  async offsetToKeep(partition: PartitionKey, bytes: number): Promise<bigint> {
    const state = this.#partition(partition);
    if (state === undefined) return 0n;
    if (bytes <= 0) return state.nextOffset;
    const boundary = state.rows.boundaryToKeep(bytes);
    if (boundary !== undefined) return max(boundary, state.logStartOffset);
    if (!state.hasCold) return state.logStartOffset;
    return this.#coldBoundary(state, bytes - state.rows.bytes);
  }

  async sizes(): Promise<ReadonlyMap<PartitionKey, number>> {
    const sizes = new Map<PartitionKey, number>();
    for (const state of [...this.#state.partitions.values()]) {
      sizes.set(state.key, state.rows.bytes + (await this.#coldBytes(state)));
    }
    return sizes;
  }

  /** Bytes in the cold store; by the journal's own count while that is away. */
  async #coldBytes(state: PartitionState): Promise<number> {
    if (!state.hasCold) return 0;
    try {
      const cold = this.#cold?.current;
      if (cold === undefined) return state.coldBytes;
      return await cold.bytesBetween(state.key, state.logStartOffset, state.movedOffset);
    } catch (error) {
      if (error instanceof StorageFault && error.code === 'unavailable') return state.coldBytes;
      throw error;
    }
  }

  /** Undefined: the journal has all of what is read. */
  async #readCold(
    state: PartitionState,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<ColdRead | undefined> {
    const { key, movedOffset, logStartOffset } = state;
    if (!state.hasCold || fromOffset >= movedOffset || fromOffset >= endOffset) return undefined;
    const from = max(fromOffset, logStartOffset);
    const cold = this.#cold!.require();
    const read = () => cold.read(key, from, min(endOffset, movedOffset), bytesMax, atLeastOne);
    const isMissing = ([first]: readonly Uint8Array[]): boolean =>
      (first === undefined ? atLeastOne : baseOffsetAt(first) > from) &&
      !this.#hasChanged(state, movedOffset) &&
      state.logStartOffset === logStartOffset;
    let found = await read();
    if (isMissing(found)) {
      // It was proven to be there: the index may have missed what the filer holds.
      await cold.refresh();
      found = await read();
      if (isMissing(found))
        throw new StorageFault('corrupt', `${key}: offset ${from} was moved to the cold store, which does not have it`);
    }
    const bytes = found.reduce((sum, { length }) => sum + length, 0);
    const last = found.at(-1);
    // Nothing may also be a batch that is too large for the read.
    const complete = last === undefined ? atLeastOne : lastOffsetIn(last) + 1n >= movedOffset;
    return { found, bytes, complete, movedOffset };
  }

  /** Whether the log is another one now, or more of it was moved to the cold store than up to `movedOffset`. */
  #hasChanged(state: PartitionState, movedOffset: bigint): boolean {
    return this.#partition(state.key) !== state || state.movedOffset !== movedOffset;
  }

  /** The largest batch boundary such that at least `bytes` lie between it and the journal's own batches. */
  async #coldBoundary(state: PartitionState, bytes: number): Promise<bigint> {
    const cold = this.#cold!.require();
    const { key, movedOffset, logStartOffset } = state;
    // The bytes from an offset on fall as it rises: the last offset that has enough behind it is searched for.
    let enough = logStartOffset;
    if ((await cold.bytesBetween(key, enough, movedOffset)) < bytes) return logStartOffset;
    let tooFew = movedOffset;
    while (tooFew - enough > 1n) {
      const middle = (enough + tooFew) / 2n;
      if ((await cold.bytesBetween(key, middle, movedOffset)) >= bytes) enough = middle;
      else tooFew = middle;
    }
    for await (const header of cold.headers(key, enough)) return max(baseOffsetAt(header), logStartOffset);
    return logStartOffset;
  }

  #partition(partition: PartitionKey): PartitionState | undefined {
    return this.#state.partitions.get(partition);
  }

  /** The batches of these rows in pieces, ready to be kept: a small part of a message does not keep the whole of it. */
  async readRows(rows: readonly Row[]): Promise<Uint8Array[]> {
    const pieces: Piece[] = [];
    for (const { sequence, position, length } of rows) addRow(pieces, sequence, position, length);
    const found = await Promise.all(pieces.map((piece) => this.#bytesOf(piece)));
    return found.flat().map((bytes) => (bytes.length * 2 < bytes.buffer.byteLength ? Buffer.from(bytes) : bytes));
  }

  async #bytesOf({ sequence, position, length }: Piece): Promise<Uint8Array[]> {
    const message = await this.#messages.get(this.#shard, sequence, this.#state.ledger.sizeOf(sequence));
    const slices = message.slices(position, length);
    if (slices.reduce((sum, slice) => sum + slice.length, 0) !== length) {
      throw new StorageFault('corrupt', `shard ${this.#shard}: message ${sequence} is shorter than it was written`);
    }
    return slices;
  }

  /** Many messages that lie close together, with little of other partitions between them, are fetched in one go. */
  #prefetch(pieces: readonly Piece[]): void {
    const { ledger } = this.#state;
    const missing: number[] = [];
    for (const { sequence } of pieces) {
      if (sequence !== missing.at(-1) && !this.#messages.has(this.#shard, sequence)) missing.push(sequence);
    }
    if (missing.length < PREFETCH_MESSAGES_MIN) return;
    if (ledger.countBetween(missing[0]!, missing.at(-1)!) > missing.length * 2) return;
    this.#messages.prefetch(this.#shard, missing, (sequence) => ledger.sizeOf(sequence));
  }

  #readAhead(state: PartitionState, fromOffset: bigint, end: bigint): void {
    const inARow = this.#ends.get(state.key) === fromOffset;
    this.#ends.set(state.key, end);
    if (!inARow) return;
    const { pieces } = selectPieces(state, end, state.nextOffset, this.#limits.readAheadBytes, true);
    this.#prefetch(pieces);
    for (const { sequence } of pieces) {
      // Who reads it next asks for it again and hears of a fault then.
      this.#messages.get(this.#shard, sequence, this.#state.ledger.sizeOf(sequence)).catch(() => {});
    }
  }
}

/** The pieces that a read covers, and the offset behind them. */
function selectPieces(
  state: PartitionState,
  fromOffset: bigint,
  endOffset: bigint,
  bytesMax: number,
  atLeastOne: boolean,
): { readonly pieces: Piece[]; readonly end: bigint } {
  const pieces: Piece[] = [];
  let bytes = 0;
  let end = fromOffset;
  for (const row of state.rows.from(fromOffset)) {
    if (row.baseOffset >= endOffset) break;
    bytes += row.length;
    if (bytes > bytesMax && !(atLeastOne && pieces.length === 0)) break;
    addRow(pieces, row.sequence, row.position, row.length);
    end = row.lastOffset + 1n;
  }
  return { pieces, end };
}

function addRow(pieces: Piece[], sequence: number, position: number, length: number): void {
  const last = pieces.at(-1);
  if (last !== undefined && last.sequence === sequence && last.position + last.length === position) {
    last.length += length;
  } else pieces.push({ sequence, position, length });
}

function lastOffsetAt(header: Uint8Array): bigint {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.length);
  return bytes.readBigInt64BE(0) + BigInt(bytes.readInt32BE(LAST_OFFSET_DELTA_AT));
}

function baseOffsetAt(header: Uint8Array): bigint {
  return Buffer.from(header.buffer, header.byteOffset, header.length).readBigInt64BE(0);
}

/** Offset of the last record in a buffer of whole batches. */
function lastOffsetIn(batches: Uint8Array): bigint {
  const bytes = Buffer.from(batches.buffer, batches.byteOffset, batches.length);
  let at = 0;
  for (;;) {
    const next = at + BATCH_LENGTH_END + bytes.readInt32BE(at + BATCH_LENGTH_AT);
    if (next >= bytes.length) return lastOffsetAt(bytes.subarray(at));
    at = next;
  }
}

function min(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function max(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
