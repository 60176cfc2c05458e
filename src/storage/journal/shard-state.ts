// Everything a shard's committed messages add up to: its partitions and the ledger of its messages. The owner changes it
// as its appends are acknowledged; an opener gets it from the index and the messages behind it, by the same `apply`.

import { InvariantBroken } from '../../actors/runtime/errors.ts';
import type { PartitionKey } from '../../actors/shard/ports.ts';
import { Ledger } from './ledger.ts';
import type { BatchItem, JournalEntry, MessageHead } from './message-format.ts';
import { PartitionState } from './partition-state.ts';

/** A committed message, or what the index tells of it. */
export interface AppliedMessage {
  readonly sequence: number;
  /** Size of the message. */
  readonly bytes: number;
  readonly head: MessageHead;
  /** The head as it was written: it goes into the index verbatim, items of kinds unknown here included. */
  readonly headBytes: Uint8Array;
  /** The first 61 bytes of an item's batch. */
  headerOf(item: BatchItem): Uint8Array;
}

export class ShardState {
  readonly partitions = new Map<PartitionKey, PartitionState>();
  ledger = new Ledger();
  /** Messages with items of kinds unknown here, and their heads: they stay. */
  readonly foreign = new Map<number, Uint8Array>();
  readonly #headersKeptMax: number;

  constructor(headersKeptMax: number) {
    this.#headersKeptMax = headersKeptMax;
  }

  /** Notes a message that has no effect: an opening, a marker, a part of a group that never was completed. */
  note(sequence: number, bytes: number): void {
    this.ledger.add(sequence, bytes);
  }

  /** Applies a committed message. Its sequence lies above all applied before. */
  apply(message: AppliedMessage): void {
    const { sequence, head } = message;
    this.ledger.add(sequence, message.bytes);
    for (const item of head.items) {
      switch (item.kind) {
        case 'batch': {
          const partition = this.#partition(item.partition, sequence);
          partition.append(item, sequence, message.headerOf(item), this.#headersKeptMax);
          this.ledger.hold(sequence);
          break;
        }
        case 'checkpoint':
          this.#partition(item.partition, sequence).keepCheckpoint(item.offset, item.bytes);
          break;
        case 'logStart':
          this.#partition(item.partition, sequence).moveLogStart(item.offset, this.#release);
          break;
        case 'moved':
          this.#partition(item.partition, sequence).moved(item.offset, this.#release);
          break;
        case 'removal':
          this.partitions.get(item.partition)?.rows.dropBelow(1n << 63n, this.#release);
          this.partitions.delete(item.partition);
          break;
        case 'foreign':
          this.keepForeign(sequence, message.headBytes);
          break;
        case 'opened':
          break;
      }
    }
  }

  /** Keeps a message for a version that knows its items. */
  keepForeign(sequence: number, headBytes: Uint8Array): void {
    if (this.foreign.has(sequence)) return;
    this.foreign.set(sequence, Buffer.from(headBytes));
    this.ledger.hold(sequence);
  }

  /** Checks that the entries may follow what is committed. @throws InvariantBroken when batches overlap */
  validate(entries: readonly JournalEntry[]): void {
    const next = new Map<PartitionKey, bigint>();
    for (const entry of entries) {
      if (entry.kind === 'checkpoint' || entry.kind === 'opened') continue;
      const { partition } = entry;
      const before = next.get(partition) ?? this.partitions.get(partition)?.nextOffset ?? 0n;
      if (entry.kind === 'removal') next.set(partition, 0n);
      else if (entry.kind !== 'batch') next.set(partition, entry.offset > before ? entry.offset : before);
      else if (entry.baseOffset < before || entry.lastOffset < entry.baseOffset) {
        const range = `${entry.baseOffset}..${entry.lastOffset}`;
        throw new InvariantBroken(`${partition}: batch ${range} does not follow offset ${before}`);
      } else next.set(partition, entry.lastOffset + 1n);
    }
  }

  readonly #release = (sequence: number): void => this.ledger.release(sequence);

  #partition(key: PartitionKey, sequence: number): PartitionState {
    let partition = this.partitions.get(key);
    if (partition === undefined) {
      partition = new PartitionState(key, sequence);
      this.partitions.set(key, partition);
    }
    return partition;
  }
}
