// The view: which nodes make up the cluster and how many shards it has; one value in the metadata store, changed only
// by compare-and-set. Who owns a shard is a pure function of it, so every node answers the same from the same view.

/** Where clients of one listener reach a node. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Member {
  readonly nodeId: number;
  /** Advertised address by listener name. */
  readonly endpoints: Readonly<Record<string, Endpoint>>;
  readonly rack: string | null;
}

/** The stored value. */
export interface ViewValue {
  readonly epoch: number;
  /** Kafka's cluster id: 22 characters base64url. */
  readonly clusterId: string;
  /** Fixed when the cluster is created. */
  readonly shardCount: number;
  readonly members: readonly Member[];
}

/** 32-bit FNV-1a with a final avalanche: spreads short strings evenly; stable for ever, since placement rests on it. */
export function placementHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The shard of partition `index` of the topic: neighbours lie in neighbouring shards, so a topic spreads evenly. */
export function shardOf(topicId: string, index: number, shardCount: number): number {
  return ((placementHash(topicId) % shardCount) + index) % shardCount;
}

/**
 * Who owns which shard: rendezvous hashing with every member's share bounded to the even one rounded up, so that shares
 * differ by little and a join or leave moves few shards besides those it must.
 * @returns node id by shard; empty when there are no members.
 */
export function placeShards(members: readonly Member[], shardCount: number): number[] {
  if (members.length === 0) return [];
  const shareMin = Math.floor(shardCount / members.length);
  let extras = shardCount % members.length;
  const load = new Map(members.map((member) => [member.nodeId, 0]));
  const owners: number[] = [];
  for (let shard = 0; shard < shardCount; shard++) {
    const ranked = members
      .map((member) => ({ nodeId: member.nodeId, weight: placementHash(`${member.nodeId}/${shard}`) }))
      .sort((a, b) => b.weight - a.weight || a.nodeId - b.nodeId);
    const owner = ranked.find(({ nodeId }) => {
      const held = load.get(nodeId) as number;
      return held < shareMin || (held === shareMin && extras > 0);
    }) as { nodeId: number };
    const held = (load.get(owner.nodeId) as number) + 1;
    if (held === shareMin + 1) extras--;
    load.set(owner.nodeId, held);
    owners[shard] = owner.nodeId;
  }
  return owners;
}

/** The view as this node knows it now. */
export class View {
  readonly nodeId: number;
  #value: ViewValue;
  #owners: number[];

  constructor(nodeId: number, value: ViewValue) {
    this.nodeId = nodeId;
    this.#value = value;
    this.#owners = placeShards(value.members, value.shardCount);
  }

  get epoch(): number {
    return this.#value.epoch;
  }
  get clusterId(): string {
    return this.#value.clusterId;
  }
  get shardCount(): number {
    return this.#value.shardCount;
  }
  get members(): readonly Member[] {
    return this.#value.members;
  }
  /** The node that Metadata names as controller: any node serves admin requests; the lowest id is a stable choice. */
  get controllerId(): number {
    return this.#value.members.reduce((lowest, { nodeId }) => Math.min(lowest, nodeId), Number.POSITIVE_INFINITY);
  }

  /** Node id of the shard's owner; -1 when the view has no members. */
  ownerOf(shard: number): number {
    return this.#owners[shard] ?? -1;
  }

  shardOf(topicId: string, index: number): number {
    return shardOf(topicId, index, this.#value.shardCount);
  }

  /** Node id of the owner of a partition. */
  ownerOfPartition(topicId: string, index: number): number {
    return this.ownerOf(this.shardOf(topicId, index));
  }

  member(nodeId: number): Member | undefined {
    return this.#value.members.find((member) => member.nodeId === nodeId);
  }

  /** Takes a newer value. @returns false when it is not newer. */
  update(value: ViewValue): boolean {
    if (value.epoch <= this.#value.epoch) return false;
    this.#value = value;
    this.#owners = placeShards(value.members, value.shardCount);
    return true;
  }
}
