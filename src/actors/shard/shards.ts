// The shards that this node has open. It opens those that the view gives to it, which fences their former owners, and lets
// the others go; an append that fails as fenced means that another node has taken the shard; one whose outcome is unknown
// means that it must be opened anew before use.
//
//   closed ──view: mine──▶ opening ──▶ open ──view: not mine, fenced──▶ closed
//                             ▲          │
//                             └──delay───┴── outcome unknown (next epoch)

import type { Events, Tracer } from '../../events.ts';
import type { Clock, Logger } from '../runtime/ports.ts';
import { Committer, type CommitterLimits } from './committer.ts';
import type { LogEntry, PartitionKey, ShardLog, ShardStorage } from './ports.ts';
import { StorageFault } from './ports.ts';
import type { ShardEpochs } from './shard-epochs.ts';
import type { View } from './view.ts';
import { watchedLog } from './watched-log.ts';

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
  readonly events: Events;
  readonly tracer: Tracer;
  readonly limits: CommitterLimits & { readonly reopenDelayMs: number };
  /** Openings of every node; absent when there can be only one. */
  readonly epochs: ShardEpochs | undefined;
  /** A shard is no longer open under its epoch: its actors must stop (and come back only if it is opened again). */
  readonly onClosed: (shard: number, error: unknown) => void;
  /** A shard is open, for the first time or again. */
  readonly onOpened: (shard: number) => void;
}

export class Shards {
  readonly #environment: ShardsEnvironment;
  readonly #open = new Map<number, OwnedShard>();
  readonly #opening = new Set<number>();
  #stopping = false;
  #suspended = false;

  constructor(environment: ShardsEnvironment) {
    this.#environment = environment;
  }

  /** Opens every shard that the view gives to this node. @throws StorageFault */
  async openOwned(): Promise<void> {
    await Promise.all(this.#missing().map((shard) => this.#openShard(shard)));
  }

  /** Follows a view that has changed: lets go what is another's, opens what has become this node's. */
  reconcile(): void {
    if (this.#stopping) return;
    for (const shard of [...this.#open.keys()]) {
      if (!this.#isMine(shard)) this.#letGo(shard, `it has moved to node ${this.#environment.view.ownerOf(shard)}`);
    }
    for (const shard of this.#missing()) this.#openUntilDone(shard);
  }

  /** Closes every shard, and opens none until `resume`: others are about to take them. */
  suspend(): void {
    this.#suspended = true;
    for (const shard of [...this.#open.keys()]) this.#letGo(shard, 'the node is cut off from the cluster');
  }

  /** What the view gives to this node is opened again. */
  resume(): void {
    this.#suspended = false;
    this.reconcile();
  }

  /** The open shard of a partition; undefined when this node does not own it (now). */
  of(key: PartitionKey): OwnedShard | undefined {
    return this.#open.get(this.#shardOf(key));
  }

  /** Epoch of the shard's opening, which is Kafka's leader epoch of its partitions; -1 when none has been heard of. */
  leaderEpoch(key: PartitionKey): number {
    const shard = this.#shardOf(key);
    const open = this.#open.get(shard);
    if (open !== undefined) return open.log.epoch;
    const { epochs, view } = this.#environment;
    const opening = epochs?.of(shard);
    return opening?.nodeId === view.ownerOf(shard) ? opening.epoch : -1;
  }

  /** Shards that the view gives to this node, open or not. */
  get ownedCount(): number {
    const { view } = this.#environment;
    let count = 0;
    for (let shard = 0; shard < view.shardCount; shard++) if (this.#isMine(shard)) count++;
    return count;
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

  #shardOf(key: PartitionKey): number {
    const { topicId, index } = parsePartitionKey(key);
    return this.#environment.view.shardOf(topicId, index);
  }

  #isMine(shard: number): boolean {
    const { view } = this.#environment;
    return view.ownerOf(shard) === view.nodeId;
  }

  /** Shards that this node owns by the view and has not open. */
  #missing(): number[] {
    const shards: number[] = [];
    if (this.#suspended) return shards;
    for (let shard = 0; shard < this.#environment.view.shardCount; shard++) {
      if (this.#isMine(shard) && !this.#open.has(shard) && !this.#opening.has(shard)) shards.push(shard);
    }
    return shards;
  }

  async #openShard(shard: number): Promise<void> {
    const { storage, view, limits, epochs, onOpened, clock, events, tracer } = this.#environment;
    this.#opening.add(shard);
    let log: ShardLog;
    try {
      log = await storage.openShard(shard, view.nodeId);
    } finally {
      this.#opening.delete(shard);
    }
    if (this.#stopping || this.#suspended || !this.#isMine(shard)) {
      // The view has moved on meanwhile; the next owner opens it anyway.
      await log.close();
      return;
    }
    const owned: OwnedShard = {
      log: watchedLog(log, (error) => this.#lost(shard, owned, error)),
      committer: new Committer(log, limits, (error) => this.#appendFailed(shard, owned, error), {
        clock,
        events,
        tracer,
      }),
    };
    this.#open.set(shard, owned);
    void epochs?.publish(shard, { epoch: log.epoch, nodeId: view.nodeId });
    onOpened(shard);
  }

  #openUntilDone(shard: number): void {
    const { clock, logger, limits } = this.#environment;
    this.#openShard(shard).catch((error) => {
      logger.log('error', 'shard does not open', { shard, error });
      clock.setTimer(limits.reopenDelayMs, () => {
        if (!this.#stopping && this.#missing().includes(shard)) this.#openUntilDone(shard);
      });
    });
  }

  /** Gives up a shard that the view has given to another node; appends in flight tell their own outcome. */
  #letGo(shard: number, why: string): void {
    const { logger } = this.#environment;
    const owned = this.#open.get(shard) as OwnedShard;
    this.#closeWith(shard, owned, new StorageFault('fenced', `shard ${shard} is not owned by this node: ${why}`));
    owned.log.close().catch((error) => logger.log('warn', 'shard does not close', { shard, error }));
  }

  #closeWith(shard: number, owned: OwnedShard, error: unknown): void {
    this.#open.delete(shard);
    owned.committer.close(error);
    this.#environment.onClosed(shard, error);
  }

  #appendFailed(shard: number, owned: OwnedShard, error: unknown): void {
    const code = error instanceof StorageFault ? error.code : 'outcome-unknown';
    this.#environment.logger.log('error', 'shard append failed', { shard, code, error });
    // Nothing was committed: the actors concerned restart by themselves, the shard stays open.
    if (code !== 'full' && code !== 'unavailable') this.#lost(shard, owned, error);
  }

  /** The shard is not open under its epoch any more, or nobody can tell. */
  #lost(shard: number, owned: OwnedShard, error: unknown): void {
    const { clock, limits } = this.#environment;
    if (this.#open.get(shard) !== owned) return;
    this.#closeWith(shard, owned, error);
    // A fenced shard comes back only by the view, save that this node's view may be the newer one.
    clock.setTimer(limits.reopenDelayMs, () => {
      if (!this.#stopping && this.#missing().includes(shard)) this.#openUntilDone(shard);
    });
  }
}
