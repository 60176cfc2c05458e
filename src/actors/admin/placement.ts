// Where clients find a partition. Its leader is the owner of its shard. Its replicas, as clients are shown them, are the
// owner and the nodes after it in the order of their ids, as many as the topic's replication factor: every node can take
// over any shard, because the records lie in the journal and not on the node, so all of them are in sync.

import { ErrorCode } from '../../protocol/errors.ts';
import { partitionKey } from '../shard/ports.ts';
import type { Shards } from '../shard/shards.ts';
import type { View } from '../shard/view.ts';
import type { Topic } from './catalog.ts';

/** One partition as Metadata and DescribeTopicPartitions tell of it. */
export interface PartitionPlace {
  /** NONE, or why there is no leader to go to: LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND. */
  readonly errorCode: number;
  readonly partitionIndex: number;
  /** -1 when there is none. */
  readonly leaderId: number;
  /** -1 when this node does not know it. */
  readonly leaderEpoch: number;
  readonly replicaNodes: readonly number[];
  readonly isrNodes: readonly number[];
  readonly offlineReplicas: readonly number[];
}

/** A node as clients of one listener reach it. */
export interface Broker {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** The nodes that have this listener, in the order of their ids. */
export function brokersOf(view: View, listener: string): Broker[] {
  return view.members
    .flatMap(({ nodeId, endpoints, rack }) => {
      const endpoint = endpoints[listener];
      return endpoint === undefined ? [] : [{ nodeId, host: endpoint.host, port: endpoint.port, rack }];
    })
    .sort((left, right) => left.nodeId - right.nodeId);
}

/** Places partitions by the view as it is now; make one for a request. */
export class Placement {
  readonly #view: View;
  readonly #shards: Shards;
  readonly #nodeIds: readonly number[];
  readonly #reachable: ReadonlySet<number>;

  constructor(view: View, shards: Shards, listener: string) {
    this.#view = view;
    this.#shards = shards;
    this.#nodeIds = view.members.map(({ nodeId }) => nodeId).sort((left, right) => left - right);
    this.#reachable = new Set(brokersOf(view, listener).map(({ nodeId }) => nodeId));
  }

  partition(topic: Topic, index: number): PartitionPlace {
    const owner = this.#view.ownerOfPartition(topic.id, index);
    const nodes = this.#replicas(owner, topic.replicationFactor);
    const key = partitionKey(topic.id, index);
    const leaderEpoch = this.#shards.leaderEpoch(key);
    // This node knows of itself whether it has the shard open; of another node only that it should.
    const closed = owner === -1 || (owner === this.#view.nodeId && this.#shards.of(key) === undefined);
    const errorCode = closed
      ? ErrorCode.LEADER_NOT_AVAILABLE
      : this.#reachable.has(owner)
        ? ErrorCode.NONE
        : ErrorCode.LISTENER_NOT_FOUND;
    return {
      errorCode,
      partitionIndex: index,
      leaderId: errorCode === ErrorCode.NONE ? owner : -1,
      leaderEpoch,
      replicaNodes: nodes,
      isrNodes: nodes,
      offlineReplicas: [],
    };
  }

  #replicas(owner: number, count: number): readonly number[] {
    const from = this.#nodeIds.indexOf(owner);
    if (from === -1) return [];
    const nodes: number[] = [];
    for (let step = 0; step < Math.min(count, this.#nodeIds.length); step++) {
      nodes.push(this.#nodeIds[(from + step) % this.#nodeIds.length]!);
    }
    return nodes;
  }
}
