// This node's standing in the cluster: it follows the view, enters it when the node can serve, comes back when it was voted
// out while it lived, votes out nodes that are silent, and leaves in good order.
//
//   outside ──enter──▶ member ──cut off──▶ isolated (no shard open) ──heard again──▶ member
//                        │  ▲                                             │
//                        │  └──────────voted out meanwhile: joins again───┘
//                        └──leave: others open the shards──▶ left

import type { Clock, Logger, Random } from '../runtime/ports.ts';
import { joinView, leaveView, type NewCluster, readView, VIEW_KEY } from './membership.ts';
import type { MetadataStore } from './ports.ts';
import type { ShardEpochs } from './shard-epochs.ts';
import type { Shards } from './shards.ts';
import type { Member, View } from './view.ts';

export interface StandingEnvironment {
  readonly self: Member;
  /** Of a cluster that is made now. */
  readonly cluster: NewCluster;
  readonly view: View;
  readonly shards: Shards;
  readonly metadataStore: MetadataStore;
  /** Absent when this node is alone. */
  readonly epochs: ShardEpochs | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The view has changed, and the shards follow it. */
  readonly onChange: () => void;
}

/** After a fault, the view is looked at again this much later, ms. */
const RETRY_DELAY_MS = 200;
/** How often it is looked whether the others have taken over what a leaving node had, ms. */
const HANDED_OVER_CHECK_MS = 10;

export class Standing {
  readonly #environment: StandingEnvironment;
  /** Changes of the view are followed one by one. */
  #work: Promise<void> = Promise.resolve();
  #stopWatch: () => void = () => {};
  #state: 'outside' | 'member' | 'left' | 'stopped' = 'outside';

  constructor(environment: StandingEnvironment) {
    this.#environment = environment;
  }

  /**
   * Becomes a member and opens this node's shards. Other nodes send requests from the moment it is in the view: it must be
   * able to take them.
   * @throws StorageFault
   */
  async enter(): Promise<void> {
    const { metadataStore, self, cluster, random, view, shards } = this.#environment;
    this.#stopWatch = metadataStore.watch(VIEW_KEY, () => this.look());
    const entered = await joinView(metadataStore, self, cluster, random);
    this.#state = 'member';
    if (view.update(entered)) this.#told();
    this.#warnOfSameAddress();
    await shards.openOwned();
  }

  /** Looks whether the stored view is a newer one, and follows it. */
  look(): void {
    this.#enqueue('view not followed', () => this.#follow());
  }

  /** A node is silent: it is voted out, unless the view has changed since. */
  suspect(nodeId: number): void {
    const { metadataStore, view, logger } = this.#environment;
    if (this.#state !== 'member') return;
    const { epoch } = view;
    this.#enqueue('silent node not voted out', async () => {
      if (this.#state !== 'member' || view.epoch !== epoch) return;
      const without = await leaveView(metadataStore, nodeId, epoch);
      if (without === undefined) return;
      logger.log('warn', 'node voted out', { nodeId, epoch: without.epoch });
      if (view.update(without)) this.#changed();
    });
  }

  /** This node hears nobody: others take its shards, so it serves none until it is back. */
  isolated(): void {
    if (this.#state !== 'member') return;
    this.#environment.shards.suspend();
    this.#environment.onChange();
  }

  /** It hears the others again. */
  reconnected(): void {
    this.#enqueue('not back yet', async () => {
      await this.#follow();
      this.#environment.shards.resume();
      this.#changed();
    });
  }

  /**
   * Leaves the view, and resolves when other nodes have opened every shard that this one had, or after `timeoutMs`. The last
   * member does not leave: nobody is there to take over.
   * @throws StorageFault
   */
  async leave(timeoutMs: number): Promise<void> {
    const { metadataStore, view, epochs, clock, logger, self } = this.#environment;
    if (this.#state !== 'member') return;
    this.#state = 'left';
    if (!view.members.some(({ nodeId }) => nodeId !== self.nodeId)) return;
    const had = this.#owned();
    const without = await leaveView(metadataStore, self.nodeId);
    if (without !== undefined && view.update(without)) this.#changed();
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    // Those that others leave at the same time, until nobody is left, have no next owner.
    const waiting = (): number[] =>
      had.filter((shard) => view.ownerOf(shard) !== -1 && (epochs?.of(shard)?.nodeId ?? self.nodeId) === self.nodeId);
    while (waiting().length > 0 && clock.monotonicMs() < deadlineMs) await this.#pause(HANDED_OVER_CHECK_MS);
    const shards = waiting().length;
    if (shards > 0) logger.log('warn', 'shards not taken over in time', { shards, timeoutMs });
    else logger.log('info', 'shards handed over', { shards: had.length, epoch: view.epoch });
  }

  /** Follows the view no longer. */
  stop(): void {
    this.#state = 'stopped';
    this.#stopWatch();
  }

  async #follow(): Promise<void> {
    const { view, metadataStore, self, cluster, random } = this.#environment;
    const stored = await readView(metadataStore);
    // Voted out, it lets its shards go before it joins again: others have taken them, though it may be given the same again.
    if (stored !== undefined && view.update(stored.value)) this.#changed();
    if (this.#state === 'member' && view.member(self.nodeId) === undefined) {
      if (view.update(await joinView(metadataStore, self, cluster, random))) this.#changed();
    }
  }

  #changed(): void {
    this.#told();
    this.#environment.shards.reconcile();
    this.#environment.onChange();
  }

  #told(): void {
    const { logger, view } = this.#environment;
    logger.log('info', 'view', { epoch: view.epoch, members: view.members.map(({ nodeId }) => nodeId) });
  }

  #owned(): number[] {
    const { view, self } = this.#environment;
    return [...Array(view.shardCount).keys()].filter((shard) => view.ownerOf(shard) === self.nodeId);
  }

  #warnOfSameAddress(): void {
    const { view, self, logger, cluster } = this.#environment;
    if (cluster.sharedAddress) return;
    const address = JSON.stringify(self.endpoints);
    const twin = view.members.find(
      ({ nodeId, endpoints }) => nodeId !== self.nodeId && JSON.stringify(endpoints) === address,
    );
    if (twin === undefined) return;
    logger.log('warn', 'another node advertises the same address: set advertised.listeners, or advertise=single', {
      nodeId: twin.nodeId,
      address,
    });
  }

  /** Runs `work` after what is under way; a fault is logged and it is tried again, until this node stops. */
  #enqueue(failure: string, work: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      while (this.#state !== 'stopped') {
        try {
          return await work();
        } catch (error) {
          this.#environment.logger.log('error', failure, { error });
        }
        await this.#pause(RETRY_DELAY_MS);
      }
    });
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#environment.clock.setTimer(delayMs, resolve);
    });
  }
}
