// Which epoch each shard was last opened under, and by whom, as every node knows it: Metadata tells leader epochs of
// partitions that other nodes own. A hint, not a truth: the truth is the shard's own log, which fences.

import type { Logger } from '../runtime/ports.ts';
import type { MetadataStore } from './ports.ts';

export const SHARD_EPOCHS_PREFIX = 'shard-epochs/';

export interface ShardOpening {
  readonly epoch: number;
  readonly nodeId: number;
}

/** Compare-and-set attempts before a later opening, or the next one of this node, is left to say it. */
const ATTEMPTS_MAX = 8;

export class ShardEpochs {
  readonly #store: MetadataStore;
  readonly #logger: Logger;
  readonly #openings = new Map<number, ShardOpening>();
  readonly #onChange: () => void;
  #stopWatch: (() => void) | undefined;

  /** @param onChange told after each opening that is heard of */
  constructor(store: MetadataStore, logger: Logger, onChange: () => void) {
    this.#store = store;
    this.#logger = logger;
    this.#onChange = onChange;
  }

  /** Reads all and follows them from then on. @throws StorageFault */
  async start(): Promise<void> {
    this.#stopWatch = this.#store.watch(SHARD_EPOCHS_PREFIX, (key, value) => {
      if (value !== undefined) this.#learn(shardOfKey(key), decode(value.value));
      this.#onChange();
    });
    for (const { key, value } of await this.#store.list(SHARD_EPOCHS_PREFIX))
      this.#learn(shardOfKey(key), decode(value));
  }

  stop(): void {
    this.#stopWatch?.();
  }

  /** The shard's last opening as far as this node has heard. */
  of(shard: number): ShardOpening | undefined {
    return this.#openings.get(shard);
  }

  /** Tells everybody of an opening. A failure is logged: clients then do without the epoch until the next one. */
  async publish(shard: number, opening: ShardOpening): Promise<void> {
    this.#learn(shard, opening);
    const key = `${SHARD_EPOCHS_PREFIX}${shard}`;
    try {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const stored = await this.#store.get(key);
        if (stored !== undefined && decode(stored.value).epoch >= opening.epoch) return;
        if ((await this.#store.put(key, encode(opening), stored?.revision ?? 0)) !== undefined) return;
      }
    } catch (error) {
      this.#logger.log('warn', 'shard epoch not told', { shard, epoch: opening.epoch, error });
    }
  }

  #learn(shard: number, opening: ShardOpening): void {
    const known = this.#openings.get(shard);
    if (known === undefined || opening.epoch > known.epoch) this.#openings.set(shard, opening);
  }
}

function shardOfKey(key: string): number {
  return Number(key.slice(SHARD_EPOCHS_PREFIX.length));
}

function encode(opening: ShardOpening): Buffer {
  return Buffer.from(JSON.stringify(opening));
}

function decode(bytes: Uint8Array): ShardOpening {
  return JSON.parse(Buffer.from(bytes).toString()) as ShardOpening;
}
