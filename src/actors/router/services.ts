// What a request handler may reach: the node's actors by address, what the node knows of topics, and the world.
// Handlers never know whether an actor is local; the directory decides.

import type { BrokerConfig } from '../../config.ts';
import type { Events, Tracer } from '../../events.ts';
import type { BrokerConfigs } from '../admin/broker-configs.ts';
import type { TopicCatalog } from '../admin/catalog.ts';
import type { ProducerIds } from '../admin/producer-ids.ts';
import type { TopicAdmin } from '../admin/topics.ts';
import type { FetchSessions } from '../connection/fetch-sessions.ts';
import type { GroupCoordinator } from '../group/coordinator.ts';
import type { GroupProtocol } from '../group/protocol.ts';
import type { PartitionProtocol } from '../partition/protocol.ts';
import type { PartitionReader } from '../partition/reader.ts';
import type { RefusedBatches } from '../partition/refused-batches.ts';
import type { Owners } from '../remote/owners.ts';
import type { ActorRef } from '../runtime/define.ts';
import type { Clock, Logger, Random, TraceContext } from '../runtime/ports.ts';
import type { MetadataStore, PartitionKey, ShardStorage } from '../shard/ports.ts';
import type { Shards } from '../shard/shards.ts';
import type { View } from '../shard/view.ts';

/** One client request as its handler sees it, besides the message itself. */
export interface RequestContext {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  /** What the client calls itself; null when it says nothing. */
  readonly clientId: string | null;
  /** The client's address as DescribeGroups shows it, e.g. `/127.0.0.1`. */
  readonly clientHost: string;
  /** Unique among the node's living connections. */
  readonly connectionId: number;
  /** Name of the listener that the connection came in by: addresses are advertised per listener. */
  readonly listener: string;
  /** Whether the client has gone or is about to be told so, the node stopping: a wait on its behalf ends. */
  isClosing(): boolean;
  /** Of the request's own span; undefined: not sampled. */
  readonly trace: TraceContext | undefined;
}

/** Finds actors wherever they live. */
export interface Directory {
  partition(key: PartitionKey): ActorRef<PartitionProtocol>;
  /** The group's actor, in the shard of its partition of `__consumer_offsets` (which must exist). */
  group(groupId: string): ActorRef<GroupProtocol>;
}

export interface Services {
  /** `brokerConfigs.current`: take it anew for each request. */
  readonly config: BrokerConfig;
  readonly brokerConfigs: BrokerConfigs;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: Events;
  readonly tracer: Tracer;
  readonly view: View;
  readonly shards: Shards;
  readonly catalog: TopicCatalog;
  readonly topics: TopicAdmin;
  readonly producerIds: ProducerIds;
  readonly directory: Directory;
  readonly owners: Owners;
  readonly groupCoordinator: GroupCoordinator;
  readonly reader: PartitionReader;
  readonly refusedBatches: RefusedBatches;
  readonly fetchSessions: FetchSessions;
  readonly metadataStore: MetadataStore;
  readonly storage: ShardStorage;
}

/** Returned by a handler whose request gets no response at all (Produce with acks=0). */
export const NO_RESPONSE: unique symbol = Symbol('no response');

/** Serves one API, all its versions: the request in its latest shape to the response in its latest shape. */
export type RequestHandler<Request, Response> = (
  request: Request,
  context: RequestContext,
  services: Services,
) => Response | typeof NO_RESPONSE | Promise<Response | typeof NO_RESPONSE>;
