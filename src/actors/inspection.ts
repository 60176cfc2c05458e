// What a node is made of at a moment: counted when somebody asks (/metrics, /readyz), from memory, without a message to any
// actor. So counting costs nothing in between, and a stuck actor does not hide the others.

import type { TopicCatalog } from './admin/catalog.ts';
import { CONSUMER_OFFSETS } from './admin/internal-topics.ts';
import { type ConsumerLag, consumerLag } from './consumer-lag.ts';
import type { GroupCoordinator, GroupKind } from './group/coordinator.ts';
import type { PartitionSoft } from './partition/partition.ts';
import type { TailCache } from './partition/tail-cache.ts';
import type { Owners } from './remote/owners.ts';
import type { ActorGlance } from './runtime/system.ts';
import { partitionKey } from './shard/ports.ts';
import type { Shards } from './shard/shards.ts';
import type { View } from './shard/view.ts';

export interface InspectionParts {
  readonly view: View;
  readonly catalog: TopicCatalog;
  readonly owners: Owners;
  readonly shards: Shards;
  readonly groups: GroupKind;
  readonly coordinator: GroupCoordinator;
  readonly partitions: {
    readonly definition: { readonly kind: string };
    readonly size: number;
    look(): Iterable<ActorGlance<unknown, unknown>>;
    lookAt(key: string): { readonly soft: Pick<PartitionSoft, 'highWatermark'> } | undefined;
  };
  readonly cache: TailCache;
}

/** The actors of one kind. */
export interface ActorFacts {
  readonly kind: string;
  readonly actors: number;
  /** Messages that wait, in all mailboxes and in the fullest. */
  readonly waiting: number;
  readonly deepest: number;
}

export interface ShardFacts {
  /** By the view. */
  readonly owned: number;
  readonly open: readonly { readonly shard: number; readonly epoch: number }[];
  /** What waits for the next group commits. */
  readonly queuedSubmissions: number;
  readonly queuedBytes: number;
}

export interface GroupFacts {
  /** By state, in Kafka's words. */
  readonly byState: ReadonlyMap<string, { readonly groups: number; readonly members: number }>;
  /** Partitions of `__consumer_offsets` in the open shards of this node, and how far they are. */
  readonly ownedPartitions: number;
  readonly loadedPartitions: number;
  readonly loadingPartitions: number;
}

export class NodeInspection {
  readonly #parts: InspectionParts;

  constructor(parts: InspectionParts) {
    this.#parts = parts;
  }

  get view(): View {
    return this.#parts.view;
  }

  get cacheBytes(): number {
    return this.#parts.cache.bytes;
  }

  /** Topics and partitions of the whole cluster. */
  topics(): { readonly topics: number; readonly partitions: number } {
    let topics = 0;
    let partitions = 0;
    for (const { partitionCount } of this.#parts.catalog.all()) {
      topics++;
      partitions += partitionCount;
    }
    return { topics, partitions };
  }

  actors(): readonly ActorFacts[] {
    return [this.#parts.partitions, this.#parts.groups].map((kind) => {
      let waiting = 0;
      let deepest = 0;
      for (const glance of kind.look()) {
        waiting += glance.waiting;
        if (glance.waiting > deepest) deepest = glance.waiting;
      }
      return { kind: kind.definition.kind, actors: kind.size, waiting, deepest };
    });
  }

  shards(): ShardFacts {
    const { shards } = this.#parts;
    const open: { shard: number; epoch: number }[] = [];
    let queuedSubmissions = 0;
    let queuedBytes = 0;
    for (const { log, committer } of shards.all()) {
      open.push({ shard: log.shard, epoch: log.epoch });
      queuedSubmissions += committer.queued.submissions;
      queuedBytes += committer.queued.bytes;
    }
    return { owned: shards.ownedCount, open, queuedSubmissions, queuedBytes };
  }

  groups(): GroupFacts {
    const { coordinator, groups } = this.#parts;
    const byState = new Map<string, { groups: number; members: number }>();
    let loadedPartitions = 0;
    let loadingPartitions = 0;
    for (const partition of coordinator.look()) {
      if (partition.isLoaded) loadedPartitions++;
      else loadingPartitions++;
      for (const [groupId, entry] of partition.groups) {
        const live = entry.lent ? groups.lookAt(groupId)?.soft.classic : undefined;
        const members = live?.members.size ?? entry.state.generation?.members.length ?? 0;
        // A group is one from its first record on, or its first member.
        if (!entry.state.exists && members === 0) continue;
        const state = live?.state ?? (members > 0 ? 'Stable' : 'Empty');
        const counted = byState.get(state);
        if (counted === undefined) byState.set(state, { groups: 1, members });
        else {
          counted.groups++;
          counted.members += members;
        }
      }
    }
    return { byState, ownedPartitions: this.#ownedGroupPartitions(), loadedPartitions, loadingPartitions };
  }

  /** @param partitionsMax committed partitions that are looked at, over all groups */
  consumerLag(partitionsMax: number): Promise<ConsumerLag> {
    return consumerLag(this.#parts, partitionsMax);
  }

  #ownedGroupPartitions(): number {
    const { catalog, shards } = this.#parts;
    const topic = catalog.byName(CONSUMER_OFFSETS);
    let owned = 0;
    for (let index = 0; index < (topic?.partitionCount ?? 0); index++) {
      if (shards.of(partitionKey(topic!.id, index)) !== undefined) owned++;
    }
    return owned;
  }
}
