// Answers the questions about a shard's partitions: from the rows in memory where they tell, from messages of the log where
// bytes of batches are asked for. Reads ahead of who reads a partition in a row.

import type { LogDescription, PartitionKey } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
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

const EMPTY: LogDescription = { logStartOffset: 0n, nextOffset: 0n, bytes: 0 };
/** Batches whose headers are read at a time when they are not in memory. */
const HEADER_ROWS = 64;

export class LogReader {
  readonly #shard: number;
  readonly #state: ShardState;
  readonly #messages: MessageReader;
  readonly #limits: JournalLimits;
  /** Where the last read of a partition ended: a read from there on is one in a row. */
  readonly #ends = new Map<PartitionKey, bigint>();

  constructor(shard: number, state: ShardState, messages: MessageReader, limits: JournalLimits) {
    this.#shard = shard;
    this.#state = state;
    this.#messages = messages;
    this.#limits = limits;
  }

  describe(partition: PartitionKey): LogDescription {
    return this.#partition(partition)?.describe(0) ?? EMPTY;
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
      const { pieces, end } = selectPieces(state, fromOffset, endOffset, bytesMax, atLeastOne);
      if (pieces.length === 0) return [];
      const logStart = state.logStartOffset;
      try {
        const found = await Promise.all(pieces.map((piece) => this.#bytesOf(piece)));
        this.#readAhead(state, fromOffset, end);
        return found;
      } catch (error) {
        // The log start has moved meanwhile, and what lay below it was trimmed: what is left is looked up again.
        const now = this.#partition(partition);
        const moved = now !== state || now.logStartOffset !== logStart;
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
      const rows: Row[] = [];
      for (const row of state.rows.from(next)) {
        if (row.baseOffset >= state.headers.fromOffset || rows.length === HEADER_ROWS) break;
        rows.push(row);
      }
      next = rows.length === 0 ? state.headers.fromOffset : rows.at(-1)!.lastOffset + 1n;
      const found = rows.map(({ sequence, position }) => this.#bytesOf({ sequence, position, length: HEADER_BYTES }));
      yield* await Promise.all(found);
    }
  }

  firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): bigint | undefined {
    return this.#partition(partition)?.rows.firstAtOrAfter(timestampMs);
  }

  batchOfMaxTimestamp(partition: PartitionKey): bigint | undefined {
    return this.#partition(partition)?.rows.ofMaxTimestamp()?.baseOffset;
  }

  offsetToKeep(partition: PartitionKey, bytes: number): bigint {
    const state = this.#partition(partition);
    if (state === undefined) return 0n;
    if (bytes <= 0) return state.nextOffset;
    const boundary = state.rows.boundaryToKeep(bytes);
    return boundary === undefined || boundary < state.logStartOffset ? state.logStartOffset : boundary;
  }

  sizes(): ReadonlyMap<PartitionKey, number> {
    return new Map([...this.#state.partitions.values()].map((state) => [state.key, state.rows.bytes]));
  }

  #partition(partition: PartitionKey): PartitionState | undefined {
    return this.#state.partitions.get(partition);
  }

  async #bytesOf({ sequence, position, length }: Piece): Promise<Uint8Array> {
    const message = await this.#messages.get(this.#shard, sequence, this.#state.ledger.sizeOf(sequence));
    if (position + length > message.length) {
      throw new StorageFault('corrupt', `shard ${this.#shard}: message ${sequence} is shorter than it was written`);
    }
    return message.subarray(position, position + length);
  }

  #readAhead(state: PartitionState, fromOffset: bigint, end: bigint): void {
    const inARow = this.#ends.get(state.key) === fromOffset;
    this.#ends.set(state.key, end);
    if (!inARow) return;
    const { pieces } = selectPieces(state, end, state.nextOffset, this.#limits.readAheadBytes, true);
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
    const last = pieces.at(-1);
    if (last !== undefined && last.sequence === row.sequence && last.position + last.length === row.position) {
      last.length += row.length;
    } else pieces.push({ sequence: row.sequence, position: row.position, length: row.length });
    end = row.lastOffset + 1n;
  }
  return { pieces, end };
}
