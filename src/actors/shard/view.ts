// The view: which nodes make up the cluster and how many shards it has; one value in the metadata store, changed only
// by compare-and-set. Who owns a shard is a pure function of it, so every node answers the same from the same view.

import { placementHash, placeShards } from './placement.ts';

export { placementHash } from './placement.ts';

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
  /** Node id by shard, as of the last change of members (placement.ts); absent in a view that has none yet. */
  readonly owners?: readonly number[];
}

/** The shard of partition `index` of the topic: neighbours lie in neighbouring shards, so a topic spreads evenly. */
export function shardOf(topicId: string, index: number, shardCount: number): number {
  return ((placementHash(topicId) % shardCount) + index) % shardCount;
}

/** The view as this node knows it now. */
export class View {
  readonly nodeId: number;
  #value: ViewValue;
  #owners: number[];

  constructor(nodeId: number, value: ViewValue) {
    this.nodeId = nodeId;
    this.#value = value;
    this.#owners = placeShards(value.members, value.shardCount, value.owners);
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
    this.#owners = placeShards(value.members, value.shardCount, value.owners);
    return true;
  }
}
