// The shards that this node owns. Opening one fences its former owner; an append that fails as fenced means that
// another node has taken it; an append whose outcome is unknown means that it must be opened anew before use.
//
//   closed ──open──▶ open ──fenced──▶ closed
//                     └──outcome unknown──▶ reopening ──▶ open (next epoch)

import type { Clock, Logger } from '../runtime/ports.ts';
import { Committer, type CommitterLimits } from './committer.ts';
import type { LogEntry, PartitionKey, ShardLog, ShardStorage } from './ports.ts';
import { StorageFault } from './ports.ts';
import type { View } from './view.ts';

/** One opened shard: what actors in it read from and commit to. */
export interface OwnedShard {
  readonly log: ShardLog;
  readonly committer: Committer;
}

/** The topic id and partition index in a key. */
export function parsePartitionKey(key: PartitionKey): { topicId: string; index: number } {
  return { topicId: key.slice(0, 22), index: Number(key.slice(23)) };
}

export interface ShardsEnvironment {
  readonly storage: ShardStorage;
  readonly view: View;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: CommitterLimits & { readonly reopenDelayMs: number };
  /** A shard is no longer open under its epoch: its actors must stop (and come back only if it is opened again). */
  readonly onClosed: (shard: number, error: unknown) => void;
  /** A shard is open again after `onClosed`. */
  readonly onReopened: (shard: number) => void;
}

export class Shards {
  readonly #environment: ShardsEnvironment;
  readonly #open = new Map<number, OwnedShard>();
  #stopping = false;

  constructor(environment: ShardsEnvironment) {
    this.#environment = environment;
  }

  /** Opens every shard that the view gives to this node. @throws StorageFault */
  async openOwned(): Promise<void> {
    const { view } = this.#environment;
    const mine: number[] = [];
    for (let shard = 0; shard < view.shardCount; shard++) {
      if (view.ownerOf(shard) === view.nodeId && !this.#open.has(shard)) mine.push(shard);
    }
    await Promise.all(mine.map((shard) => this.#openShard(shard)));
  }

  /** The open shard of a partition; undefined when this node does not own it (now). */
  of(key: PartitionKey): OwnedShard | undefined {
    const { topicId, index } = parsePartitionKey(key);
    return this.#open.get(this.#environment.view.shardOf(topicId, index));
  }

  /** Epoch of the shard's opening, which is Kafka's leader epoch of its partitions; -1 when it is not open here. */
  leaderEpoch(key: PartitionKey): number {
    return this.of(key)?.log.epoch ?? -1;
  }

  /** Every open shard. */
  all(): IterableIterator<OwnedShard> {
    return this.#open.values();
  }

  /** Commits entries that belong to no actor (removal of a deleted topic's log). @throws StorageFault */
  commit(key: PartitionKey, entries: readonly LogEntry[]): Promise<void> {
    const shard = this.of(key);
    if (shard === undefined) return Promise.reject(new StorageFault('fenced', `${key} is not owned by this node`));
    return shard.committer.submit(key, shard.committer.generation(key), entries);
  }

  /** Lets all shards go, after the appends in flight. */
  async close(): Promise<void> {
    this.#stopping = true;
    const shards = [...this.#open.values()];
    this.#open.clear();
    for (const { committer } of shards) committer.close(new StorageFault('unavailable', 'the node is stopping'));
    await Promise.all(shards.map(({ log }) => log.close()));
  }

  async #openShard(shard: number): Promise<void> {
    const { storage, view, limits } = this.#environment;
    const log = await storage.openShard(shard, view.nodeId);
    const owned: OwnedShard = {
      log,
      committer: new Committer(log, limits, (error) => this.#appendFailed(shard, owned, error)),
    };
    this.#open.set(shard, owned);
  }

  #appendFailed(shard: number, owned: OwnedShard, error: unknown): void {
    const { logger, onClosed } = this.#environment;
    const code = error instanceof StorageFault ? error.code : 'outcome-unknown';
    logger.log('error', 'shard append failed', { shard, code, error });
    // Nothing was committed: the actors concerned restart by themselves, the shard stays open.
    if (code === 'full' || code === 'unavailable') return;
    if (this.#open.get(shard) !== owned) return;
    this.#open.delete(shard);
    owned.committer.close(error);
    onClosed(shard, error);
    if (code !== 'fenced') this.#reopen(shard);
  }

  #reopen(shard: number): void {
    const { clock, logger, limits, view, onReopened } = this.#environment;
    clock.setTimer(limits.reopenDelayMs, () => {
      if (this.#stopping || view.ownerOf(shard) !== view.nodeId) return;
      this.#openShard(shard).then(
        () => onReopened(shard),
        (error) => {
          logger.log('error', 'shard does not open', { shard, error });
          this.#reopen(shard);
        },
      );
    });
  }
}
