// A shard's way to the cold store, which may be away: it is opened beside the journal's own work and tried again until it
// is there. Without it the shard takes records and serves what is in the journal; what is only in the cold store is
// answered with `unavailable`.

import type { Logger } from '../../actors/runtime/ports.ts';
import { type PartitionKey, StorageFault } from '../../actors/shard/ports.ts';
import type { ColdShard, ColdStore } from '../seaweed/cold-store.ts';
import type { ColdOpenings } from './cold-openings.ts';
import type { Item } from './message-format.ts';
import type { ShardState } from './shard-state.ts';

export interface ColdLinkOptions {
  readonly cold: ColdStore;
  readonly openings: ColdOpenings;
  readonly shard: number;
  readonly epoch: number;
  readonly state: ShardState;
  readonly retryMs: number;
  readonly logger: Logger;
  readonly onOpen: (cold: ColdShard) => void;
}

export class ColdLink {
  readonly #options: ColdLinkOptions;
  #shard: ColdShard | undefined;
  #opening: Promise<void> | undefined;
  #withdraw: () => void = () => {};
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #closing: Promise<void> | undefined;
  /** Why it is not open. */
  #reason = 'it is being opened';
  /** The present absence has been told. */
  #toldAway = false;

  constructor(options: ColdLinkOptions) {
    this.#options = options;
  }

  /** Opens it, when it is its turn and it is there. */
  open(): void {
    this.#withdraw = this.#options.openings.add(() => {
      this.#opening = this.#open();
      return this.#opening;
    });
  }

  /** The cold shard, if it is open. */
  get current(): ColdShard | undefined {
    return this.#shard;
  }

  /** @throws StorageFault `unavailable` while it is not open */
  require(): ColdShard {
    if (this.#shard !== undefined) return this.#shard;
    throw new StorageFault('unavailable', `shard ${this.#options.shard}: no cold store: ${this.#reason}`);
  }

  /** Tells it of a committed message. What it has of a removed log comes from messages before this one. */
  applied(items: readonly Item[], sequence: number): void {
    if (this.#shard === undefined) return;
    for (const item of items) {
      if (item.kind === 'logStart') this.#shard.setLogStart(item.partition, item.offset);
      else if (item.kind === 'removal') this.#shard.remove(item.partition, BigInt(sequence) - 1n);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#withdraw();
    await this.#opening;
    const opened = this.#shard;
    this.#shard = undefined;
    this.#reason = 'the shard was closed';
    await opened?.close();
  }

  async #open(): Promise<void> {
    const { cold, shard, epoch, retryMs, logger, onOpen } = this.#options;
    try {
      const opened = await cold.openShard(shard, epoch);
      if (this.#closed) {
        await opened.close();
        return;
      }
      this.#adopt(opened);
      this.#shard = opened;
      onOpen(opened);
    } catch (error) {
      this.#reason = error instanceof Error ? error.message : String(error);
      logger.log(this.#toldAway ? 'debug' : 'warn', 'journal.cold-store-away', { shard, reason: this.#reason });
      this.#toldAway = true;
      if (this.#closed) return;
      this.#retry = setTimeout(() => this.open(), retryMs);
    }
  }

  /** Logs and their starts as they are now; an earlier log of a key that lives again is gone up to where the new one began. */
  #adopt(opened: ColdShard): void {
    const live = new Map<PartitionKey, bigint>();
    for (const { key, logStartOffset } of this.#options.state.partitions.values()) live.set(key, logStartOffset);
    for (const { key, incarnation } of this.#options.state.partitions.values()) {
      opened.remove(key, BigInt(incarnation) - 1n);
    }
    opened.adopt(live);
  }
}
