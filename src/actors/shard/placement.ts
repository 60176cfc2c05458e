// Who owns which shard. A pure function of the view's members and of the owners that the view says there were before, so
// that every node gets the same: balanced to within one shard, moving no more shards than that takes.

import { invariant } from '../runtime/errors.ts';
import type { Member } from './view.ts';

/** 32-bit FNV-1a with a final avalanche: spreads short strings evenly; stable for ever, since placement rests on it. */
export function placementHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * Who owns which shard.
 *
 * Owners from before keep what they have, up to their share; what has no owner, or is beyond its owner's share, goes to
 * members below theirs. So no more shards move than must. Which of them move is chosen such that neighbouring shards, which
 * hold neighbouring partitions of a topic, lie at different members.
 * @param before node id by shard; absent, or of another number of shards: nobody has owned any
 * @returns node id by shard; empty when there are no members
 */
export function placeShards(
  members: readonly Pick<Member, 'nodeId'>[],
  shardCount: number,
  before: readonly number[] = [],
): number[] {
  if (members.length === 0) return [];
  const nodeIds = members.map(({ nodeId }) => nodeId).sort((a, b) => a - b);
  const table = new Table(nodeIds, shardCount, before);
  const shares = sharesOf(nodeIds, shardCount, table);
  for (const nodeId of nodeIds) table.release(nodeId, shares.get(nodeId) as number);
  for (const shard of table.free()) {
    table.give(
      shard,
      nodeIds.filter((nodeId) => table.held(nodeId) < (shares.get(nodeId) as number)),
    );
  }
  return table.owners as number[];
}

/** How many shards each member gets. One more than the others get those that hold most, so that little moves. */
function sharesOf(nodeIds: readonly number[], shardCount: number, table: Table): Map<number, number> {
  const shareMin = Math.floor(shardCount / nodeIds.length);
  const ranked = nodeIds
    .map((nodeId) => ({ nodeId, kept: Math.min(table.held(nodeId), shareMin + 1), rank: placementHash(`${nodeId}`) }))
    .sort((a, b) => b.kept - a.kept || b.rank - a.rank || a.nodeId - b.nodeId);
  const larger = shardCount % nodeIds.length;
  return new Map(ranked.map(({ nodeId }, index) => [nodeId, index < larger ? shareMin + 1 : shareMin]));
}

/** The ring of shards while it is being shared out. */
class Table {
  readonly owners: (number | undefined)[];
  readonly #held: Map<number, number>;
  /** How far neighbours reach. */
  readonly #reach: number;

  constructor(nodeIds: readonly number[], shardCount: number, before: readonly number[]) {
    this.#held = new Map(nodeIds.map((nodeId) => [nodeId, 0]));
    this.#reach = Math.min(nodeIds.length - 1, Math.floor((shardCount - 1) / 2));
    this.owners = Array.from({ length: shardCount }, (_, shard) => {
      const owner = before.length === shardCount ? before[shard] : undefined;
      return owner !== undefined && this.#held.has(owner) ? owner : undefined;
    });
    for (const owner of this.owners) if (owner !== undefined) this.#held.set(owner, this.held(owner) + 1);
  }

  held(nodeId: number): number {
    return this.#held.get(nodeId) as number;
  }

  /** Shards without an owner. */
  free(): number[] {
    return this.owners.flatMap((owner, shard) => (owner === undefined ? [shard] : []));
  }

  /** Takes shards from the member until it holds `share`: each time the one whose neighbourhood holds most of its others. */
  release(nodeId: number, share: number): void {
    if (this.held(nodeId) <= share) return;
    const own = this.owners.flatMap((owner, shard) => (owner === nodeId ? [shard] : []));
    // Of equals the one goes first that the member is worse for.
    own.sort((a, b) => weight(nodeId, a) - weight(nodeId, b) || a - b);
    const crowds = Int32Array.from(this.owners, () => -1);
    for (const shard of own) crowds[shard] = this.#neighbourhood(shard).get(nodeId) ?? 0;
    for (let held = own.length; held > share; held--) {
      let released = own[0] as number;
      for (const shard of own) if ((crowds[shard] as number) > (crowds[released] as number)) released = shard;
      crowds[released] = -1;
      this.owners[released] = undefined;
      this.#visit(released, (neighbour, nearness) => {
        if ((crowds[neighbour] as number) >= 0) (crowds[neighbour] as number) -= nearness;
      });
    }
    this.#held.set(nodeId, share);
  }

  /** Gives the shard to the candidate that holds least of its neighbourhood. */
  give(shard: number, candidates: readonly number[]): void {
    const crowds = this.#neighbourhood(shard);
    const [taker] = candidates
      .map((nodeId) => ({ nodeId, crowd: crowds.get(nodeId) ?? 0, weight: weight(nodeId, shard) }))
      .sort((a, b) => a.crowd - b.crowd || b.weight - a.weight || a.nodeId - b.nodeId);
    invariant(taker !== undefined, `nobody has room for shard ${shard}`);
    this.owners[shard] = taker.nodeId;
    this.#held.set(taker.nodeId, this.held(taker.nodeId) + 1);
  }

  /** How much of the neighbourhood of a shard is whose; the nearer, the more it counts. */
  #neighbourhood(shard: number): Map<number | undefined, number> {
    const crowds = new Map<number | undefined, number>();
    this.#visit(shard, (neighbour, nearness) => {
      const owner = this.owners[neighbour];
      crowds.set(owner, (crowds.get(owner) ?? 0) + nearness);
    });
    return crowds;
  }

  #visit(shard: number, see: (neighbour: number, nearness: number) => void): void {
    const count = this.owners.length;
    for (let distance = 1; distance <= this.#reach; distance++) {
      const nearness = this.#reach + 1 - distance;
      see((shard + distance) % count, nearness);
      see((shard - distance + count) % count, nearness);
    }
  }
}

function weight(nodeId: number, shard: number): number {
  return placementHash(`${nodeId}/${shard}`);
}
