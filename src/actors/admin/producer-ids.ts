// Producer ids (KIP-98): numbers that are never given out twice, in the whole cluster and for ever. A node takes them in
// blocks by compare-and-set, as Kafka's brokers do (KIP-730); what it has not used of a block when it stops is lost.

import type { MetadataStore } from '../shard/ports.ts';
import { StorageFault } from '../shard/ports.ts';

/** JSON {version, next}; `next` is decimal text, since an id may be beyond 2^53. */
const key = 'ids/producer';
const recordVersion = 1;
/** ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE */
const blockSize = 1000n;
const idMax = 2n ** 63n - 1n;
/** Compare-and-set attempts before giving way to the nodes that keep winning. */
const attemptsMax = 32;

export class ProducerIds {
  readonly #store: MetadataStore;
  #next = 0n;
  #end = 0n;
  #taking: Promise<void> | undefined;

  constructor(store: MetadataStore) {
    this.#store = store;
  }

  /** An id that nobody has had. @throws StorageFault */
  async next(): Promise<bigint> {
    while (this.#next === this.#end) {
      this.#taking ??= this.#takeBlock().finally(() => {
        this.#taking = undefined;
      });
      await this.#taking;
    }
    return this.#next++;
  }

  async #takeBlock(): Promise<void> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const value = await this.#store.get(key);
      const first = value === undefined ? 0n : decode(value.value);
      const end = first + blockSize;
      if (end > idMax) throw new StorageFault('full', 'all producer ids are used up');
      // Should the outcome be unknown, the next attempt reads what was stored and takes the block after it.
      if ((await this.#store.put(key, encode(end), value?.revision ?? 0)) === undefined) continue;
      this.#next = first;
      this.#end = end;
      return;
    }
    throw new StorageFault('unavailable', `${key} was changed by others ${attemptsMax} times in a row`);
  }
}

function encode(next: bigint): Uint8Array {
  return Buffer.from(JSON.stringify({ version: recordVersion, next: String(next) }));
}

function decode(bytes: Uint8Array): bigint {
  try {
    const { version, next } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { version?: unknown; next?: unknown };
    if (version === recordVersion && typeof next === 'string' && /^[0-9]+$/.test(next)) return BigInt(next);
  } catch {
    // Falls through to the same answer as any other text that is no record.
  }
  throw new StorageFault('corrupt', `${key} is not understood`);
}
