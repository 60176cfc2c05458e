// What every simulated client has in common: a connection to each node, what Metadata says of topics, and API versions of
// its own choice, as clients of many ages have.

import { createTopics } from '../../../src/protocol/apis/create-topics.ts';
import { deleteRecords } from '../../../src/protocol/apis/delete-records.ts';
import { deleteTopics } from '../../../src/protocol/apis/delete-topics.ts';
import { fetch } from '../../../src/protocol/apis/fetch.ts';
import { findCoordinator } from '../../../src/protocol/apis/find-coordinator.ts';
import { heartbeat } from '../../../src/protocol/apis/heartbeat.ts';
import { initProducerId } from '../../../src/protocol/apis/init-producer-id.ts';
import { joinGroup } from '../../../src/protocol/apis/join-group.ts';
import { leaveGroup } from '../../../src/protocol/apis/leave-group.ts';
import { listOffsets } from '../../../src/protocol/apis/list-offsets.ts';
import { metadata } from '../../../src/protocol/apis/metadata.ts';
import { offsetCommit } from '../../../src/protocol/apis/offset-commit.ts';
import { offsetFetch } from '../../../src/protocol/apis/offset-fetch.ts';
import { produce } from '../../../src/protocol/apis/produce.ts';
import { syncGroup } from '../../../src/protocol/apis/sync-group.ts';
import type { Api, Decoded, DecodedResponseOf, Encodable, StructFields } from '../../../src/protocol/schema/define.ts';
import type { History, PartitionId } from '../history.ts';
import type { Network } from '../network.ts';
import type { SeededRandom } from '../random.ts';
import type { Scheduler } from '../scheduler.ts';
import { ClientFault, KafkaConnection } from './kafka-connection.ts';

/** A partition that a client works on. */
export interface TopicPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly index: number;
}

export function partitionId({ topicId, index }: TopicPartition): PartitionId {
  return `${topicId}/${index}`;
}

export interface ClientEnvironment {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly history: History;
  readonly random: SeededRandom;
  /** Node ids that a client may try first. */
  readonly bootstrap: readonly number[];
}

/** The versions of each API that simulated clients speak. */
const SPOKEN: readonly (readonly [api: { readonly key: number }, min: number, max: number])[] = [
  // Message sets of the older formats have their own tests.
  [produce, 3, 13],
  [fetch, 4, 18],
  [listOffsets, 1, 11],
  [metadata, 7, 13],
  [initProducerId, 0, 5],
  [findCoordinator, 0, 6],
  [joinGroup, 0, 9],
  [syncGroup, 0, 5],
  [heartbeat, 0, 4],
  [leaveGroup, 0, 5],
  [offsetCommit, 2, 10],
  [offsetFetch, 1, 10],
  [createTopics, 2, 7],
  [deleteTopics, 6, 6],
  [deleteRecords, 0, 2],
];

const REQUEST_TIMEOUT_MS = 5_000;
const RECONNECT_MS = 50;

export class ClusterClient {
  readonly name: string;
  readonly environment: ClientEnvironment;
  readonly #versions: ReadonlyMap<number, number>;
  readonly #connections = new Map<number, Promise<KafkaConnection>>();
  /** Leader and its epoch by `<topic id>/<partition>`, as Metadata last said. */
  readonly #leaders = new Map<PartitionId, { readonly nodeId: number; readonly epoch: number }>();
  readonly #stale = new Set<string>();

  /** @param newest speak the newest version of everything: static members, topics by id */
  constructor(name: string, environment: ClientEnvironment, { newest = false } = {}) {
    this.name = name;
    this.environment = environment;
    const { random } = environment;
    const age = random.pick(['newest', 'oldest', 'mixed', 'mixed'] as const);
    this.#versions = new Map(
      SPOKEN.map(([api, min, max]) => {
        return [api.key, newest || age === 'newest' ? max : age === 'oldest' ? min : random.int(min, max)];
      }),
    );
  }

  versionOf(api: { readonly key: number }): number {
    return this.#versions.get(api.key) as number;
  }

  anomaly(what: string): void {
    this.environment.history.add(this.name, { kind: 'anomaly', what });
  }

  /** Sends a request to a node. @throws ClientFault */
  async request<Request extends StructFields, Response extends StructFields>(
    nodeId: number,
    api: Api<Request, Response>,
    message: Encodable<Request>,
    { timeoutMs = REQUEST_TIMEOUT_MS, version = this.versionOf(api) } = {},
  ): Promise<Decoded<Response>> {
    const connection = await this.connection(nodeId);
    return connection.request(api, version, message, timeoutMs);
  }

  /** The connection to a node, made if need be. @throws ClientFault `unreachable` */
  connection(nodeId: number): Promise<KafkaConnection> {
    const { scheduler, network } = this.environment;
    const known = this.#connections.get(nodeId);
    if (known !== undefined)
      return known.then((connection) => (connection.closed ? this.#renew(nodeId, known) : connection));
    const opening = KafkaConnection.open(
      { scheduler, network, clientId: this.name, anomaly: (what) => this.anomaly(what) },
      nodeId,
    );
    this.#connections.set(nodeId, opening);
    opening.catch(() => scheduler.after(RECONNECT_MS, () => this.#forget(nodeId, opening)));
    return opening;
  }

  /** Ends all connections, as a client does that is killed or closed. */
  disconnect(): void {
    for (const [nodeId, opening] of [...this.#connections]) {
      this.#connections.delete(nodeId);
      opening.then(
        (connection) => connection.close(),
        () => {},
      );
    }
  }

  /** Leaves what a node answers unread for a while. */
  async stall(nodeId: number, durationMs: number): Promise<void> {
    await this.#connections.get(nodeId)?.then(
      (connection) => connection.stall(durationMs),
      () => {},
    );
  }

  /** Some node to ask about the cluster. */
  anyNode(): number {
    return this.environment.random.pick(this.environment.bootstrap);
  }

  /** Leader of a partition and its epoch. @throws ClientFault; undefined when there is none (known) */
  async leaderOf(partition: TopicPartition): Promise<{ nodeId: number; epoch: number } | undefined> {
    const known = this.#leaders.get(partitionId(partition));
    if (known !== undefined && !this.#stale.has(partition.topic)) return known;
    await this.refresh(partition.topic);
    return this.#leaders.get(partitionId(partition));
  }

  /** What is known of the topic's leaders is not right any more. */
  leaderMoved(topic: string): void {
    this.#stale.add(topic);
  }

  /** Asks for a topic's metadata. @throws ClientFault */
  async refresh(topic: string): Promise<DecodedResponseOf<typeof metadata>['topics'][number] | undefined> {
    const answer = await this.request(this.anyNode(), metadata, {
      topics: [{ name: topic }],
      allowAutoTopicCreation: false,
    });
    const [described] = answer.topics;
    if (described === undefined || described.errorCode !== 0) return undefined;
    const id = this.topicIdOf(topic, described.topicId);
    for (const { partitionIndex, leaderId, leaderEpoch, errorCode } of described.partitions) {
      const key = `${id}/${partitionIndex}`;
      if (errorCode === 0 && leaderId >= 0) this.#leaders.set(key, { nodeId: leaderId, epoch: leaderEpoch });
      else this.#leaders.delete(key);
    }
    this.#stale.delete(topic);
    return described;
  }

  /** Ids of topics whose metadata this client asks in a version without ids. */
  readonly knownTopicIds = new Map<string, string>();

  private topicIdOf(topic: string, told: string): string {
    return this.versionOf(metadata) >= 10 ? told : (this.knownTopicIds.get(topic) ?? told);
  }

  #renew(nodeId: number, known: Promise<KafkaConnection>): Promise<KafkaConnection> {
    this.#forget(nodeId, known);
    return this.connection(nodeId);
  }

  #forget(nodeId: number, connection: Promise<KafkaConnection>): void {
    if (this.#connections.get(nodeId) === connection) this.#connections.delete(nodeId);
  }
}

/** Runs `work` again and again until it gives something or time is over. A client fault is a reason to try again. */
export async function retrying<T>(
  client: ClusterClient,
  deadlineMs: number,
  work: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const { scheduler, random } = client.environment;
  while (scheduler.nowMs < deadlineMs) {
    try {
      const result = await work();
      if (result !== undefined) return result;
    } catch (fault) {
      if (!(fault instanceof ClientFault)) throw fault;
    }
    await scheduler.sleep(50 + random.float() * 100);
  }
  return undefined;
}
