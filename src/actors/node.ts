// One node: all its actors wired together from ports. The composition root makes one from real parts, the simulator from
// its own; both run exactly this.
//
//   accept ─▶ Connection ─▶ dispatch ─▶ handler ─▶ directory ─▶ partition / group actors ─▶ shard ─▶ storage

import type { BrokerConfig } from '../config.ts';
import { type Events, type HealthReport, noEvents, noTracer, type Tracer } from '../events.ts';
import { BrokerConfigs } from './admin/broker-configs.ts';
import { type Topic, TopicCatalog } from './admin/catalog.ts';
import { CONSUMER_OFFSETS } from './admin/internal-topics.ts';
import { removeOrphanLogs } from './admin/orphan-logs.ts';
import { ProducerIds } from './admin/producer-ids.ts';
import { parseTopicConfigs, topicConfigValues } from './admin/topic-configs.ts';
import { TopicAdmin } from './admin/topics.ts';
import { Connection, type ConnectionPort, RequestMemory } from './connection/connection.ts';
import { FetchSessions } from './connection/fetch-sessions.ts';
import { createGroups, type GroupCoordinator, type GroupKind } from './group/coordinator.ts';
import { NodeInspection } from './inspection.ts';
import { ClusterOverview } from './overview/cluster-overview.ts';
import { type NodeStatus, nodeStatus } from './overview/node-status.ts';
import { bindPartition } from './partition/binding.ts';
import { PartitionCoordinatorLog } from './partition/coordinator-log.ts';
import { definePartition } from './partition/partition.ts';
import { ReadAhead } from './partition/read-ahead.ts';
import { LogReader } from './partition/reader.ts';
import { RefusedBatches } from './partition/refused-batches.ts';
import { applyRetention } from './partition/retention.ts';
import { TailCache } from './partition/tail-cache.ts';
import { createDirectory } from './remote/directory.ts';
import type { Mailbox } from './remote/mailbox.ts';
import { observedMailbox } from './remote/observed-mailbox.ts';
import { Owners } from './remote/owners.ts';
import { OwnedReader } from './remote/reader.ts';
import { createRemoteHandler } from './remote/serve.ts';
import { createDispatch } from './router/dispatch.ts';
import type { Services } from './router/services.ts';
import { ActorFault } from './runtime/errors.ts';
import type { Clock, Logger, Random, TimerHandle } from './runtime/ports.ts';
import { ActorKind } from './runtime/system.ts';
import { type NewCluster, readView } from './shard/membership.ts';
import type { MetadataStore, PartitionKey, ShardStorage } from './shard/ports.ts';
import { partitionKey, StorageFault } from './shard/ports.ts';
import { ShardEpochs } from './shard/shard-epochs.ts';
import { parsePartitionKey, Shards } from './shard/shards.ts';
import { Standing } from './shard/standing.ts';
import { type Endpoint, type Member, View, type ViewValue } from './shard/view.ts';

export interface NodePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly storage: ShardStorage;
  readonly metadataStore: MetadataStore;
  /** Told of what happens; absent: nobody is. */
  readonly events?: Events;
  readonly tracer?: Tracer;
  /** How the parts of this node fare; absent: nothing is told of them. */
  readonly health?: () => Promise<HealthReport>;
  /** The way to the other nodes; absent: this node is alone. */
  readonly mailbox?: Mailbox;
  /** Starts to listen for the other nodes; absent: none is ever found to be silent. */
  readonly watchNodes?: (observer: NodeObserver) => { stop(): void };
}

/** Who is told which nodes are silent (cluster/failure-detector.ts). */
export interface NodeObserver {
  members(): Iterable<number>;
  onSuspect(nodeId: number): void;
  onSelfIsolated(): void;
  onSelfReconnected(): void;
}

/** How often idle connections and actors are looked for, ms. */
const SWEEP_MS = 5_000;
/** How long after a shard has failed with an unknown outcome it is opened again, ms. */
const SHARD_REOPEN_DELAY_MS = 100;
/** How long a message waits while its shard changes hands, ms; after that the client looks for the leader itself. */
const HANDOVER_WAIT_MS = 1_000;
/** Before this node has seen any view. */
const NO_VIEW: ViewValue = { epoch: 0, clusterId: '', shardCount: 1, members: [] };

export class Node {
  readonly services: Services;
  readonly inspection: NodeInspection;
  /** What this node can tell of the whole cluster. */
  readonly overview: ClusterOverview;
  readonly #ports: NodePorts;
  readonly #partitions: ReturnType<typeof partitionsOf>;
  readonly #groups: GroupKind;
  readonly #coordinator: GroupCoordinator;
  readonly #cache: TailCache;
  readonly #ahead: ReadAhead;
  readonly #connections = new Map<number, Connection>();
  readonly #memory: RequestMemory;
  readonly #dispatch;
  readonly #timers = new Set<TimerHandle>();
  readonly #standing: Standing;
  #stopWatchingNodes: () => void = () => {};
  #lastConnectionId = 0;
  #stopping = false;

  private constructor(services: Services, ports: NodePorts, parts: Parts) {
    this.services = services;
    this.#ports = ports;
    this.#partitions = parts.partitions;
    this.#groups = parts.groups;
    this.#coordinator = parts.coordinator;
    this.#cache = parts.cache;
    this.#ahead = parts.ahead;
    this.#standing = parts.standing;
    this.inspection = new NodeInspection({ ...services, ...parts });
    this.overview = new ClusterOverview({ ...services, ...parts, status: () => this.#status() });
    this.#memory = new RequestMemory(services.config.queuedMaxRequestBytes);
    this.#dispatch = createDispatch(services);
  }

  /**
   * Joins the cluster, takes this node's shards and is ready for connections when it resolves.
   * @param endpoints advertised address by listener name
   * @throws StorageFault
   */
  static async start(
    initialConfig: BrokerConfig,
    endpoints: Readonly<Record<string, Endpoint>>,
    ports: NodePorts,
  ): Promise<Node> {
    const { clock, random, logger, storage, metadataStore, events = noEvents, tracer = noTracer } = ports;
    const mailbox = ports.mailbox && observedMailbox(ports.mailbox, { clock, events, tracer });
    const configs = new BrokerConfigs(initialConfig, metadataStore, logger);
    await configs.start();
    const self: Member = { nodeId: initialConfig.nodeId, endpoints, rack: initialConfig.brokerRack ?? null };
    const view = new View(self.nodeId, (await readView(metadataStore))?.value ?? NO_VIEW);
    const catalog = new TopicCatalog(
      metadataStore,
      (overrides) => topicConfigValues(overrides, configs.current),
      logger,
    );
    await catalog.start();
    configs.onChange(() => catalog.refreshValues());

    let node: Node | undefined;
    const owners = new Owners({ clock, view, mailbox, handoverWaitMs: HANDOVER_WAIT_MS });
    const epochs =
      ports.mailbox === undefined ? undefined : new ShardEpochs(metadataStore, logger, () => owners.changed());
    await epochs?.start();
    const shards = new Shards({
      storage,
      view,
      clock,
      logger,
      events,
      tracer,
      limits: { appendBytesMax: initialConfig.shardAppendBytesMax, reopenDelayMs: SHARD_REOPEN_DELAY_MS },
      onClosed: (shard, error) => {
        if (node !== undefined) node.#shardClosed(shard, error);
      },
      epochs,
      onOpened: (shard) => {
        if (node !== undefined) node.#shardOpened(shard);
      },
    });

    const cache = new TailCache(initialConfig.tailCacheBytes);
    const ahead = new ReadAhead(initialConfig.readAheadBytes);
    const refusedBatches = new RefusedBatches();
    const partitions = partitionsOf(initialConfig, ports, shards, catalog, cache, refusedBatches);
    const reader = new LogReader(shards, cache, ahead, events);
    // A coordinator's log is in the shard that makes this node the coordinator: it never looks for it elsewhere.
    const ownPartitions = { partition: (key: PartitionKey) => partitions.ref(key) };
    const { groups, coordinator } = createGroups({
      clock,
      random,
      logger,
      events,
      tracer,
      config: initialConfig,
      partitionCount: () => catalog.byName(CONSUMER_OFFSETS)?.partitionCount ?? 0,
      log: (index) => {
        const topic = catalog.byName(CONSUMER_OFFSETS);
        if (topic === undefined) throw new StorageFault('fenced', `${CONSUMER_OFFSETS} does not exist`);
        return new PartitionCoordinatorLog(partitionKey(topic.id, index), ownPartitions, reader);
      },
      topicId: (name) => catalog.byName(name)?.id,
    });
    const topics = new TopicAdmin({
      store: metadataStore,
      catalog,
      clock,
      random,
      memberCount: () => view.members.length,
      config: () => configs.current,
      configsProblem: (overrides) => {
        const parsed = parseTopicConfigs(overrides, configs.current);
        return 'invalid' in parsed ? parsed.invalid.message : undefined;
      },
      valuesOf: (overrides) => topicConfigValues(overrides, configs.current),
    });
    const services: Services = {
      get config() {
        return configs.current;
      },
      brokerConfigs: configs,
      clock,
      random,
      logger,
      events,
      tracer,
      view,
      shards,
      catalog,
      topics,
      producerIds: new ProducerIds(metadataStore),
      directory: createDirectory({ view, catalog, owners, partitions, groups }),
      owners,
      groupCoordinator: coordinator,
      reader: new OwnedReader(reader, owners, view, ahead),
      refusedBatches,
      fetchSessions: new FetchSessions(initialConfig.maxIncrementalFetchSessionCacheSlots, clock, random),
      metadataStore,
      storage,
    };
    const cluster = newCluster(initialConfig);
    const standing = new Standing({
      ...{ self, cluster, view, shards, metadataStore, epochs, clock, random, logger },
      onChange: () => owners.changed(),
    });
    node = new Node(services, ports, { standing, partitions, groups, coordinator, cache, ahead });
    // Before the view names this node: from then on others send it requests, and listen for it.
    const { overview } = node;
    const status = () => overview.ownStatus();
    mailbox?.serve(createRemoteHandler({ partitions, groups, coordinator, reader, shards, status }));
    node.#watchNodes();
    await standing.enter();
    node.#run();
    return node;
  }

  /** Takes a new client connection. @param clientHost as Kafka prints it: `/127.0.0.1` */
  accept(port: ConnectionPort, listener: string, clientHost: string): Connection {
    const { config, clock, logger, events } = this.services;
    const connection = new Connection(++this.#lastConnectionId, listener, clientHost, port, {
      clock,
      logger,
      events,
      dispatch: this.#dispatch,
      memory: this.#memory,
      reclaim: (chunks) => this.#ports.storage.reclaim?.(chunks),
      limits: {
        requestsInFlightMax: config.connectionRequestsInFlightMax,
        idleMs: config.connectionsMaxIdleMs < 0 ? Number.POSITIVE_INFINITY : config.connectionsMaxIdleMs,
        slowReaderMs: config.clientUnreadTimeoutMs,
      },
      onClosed: (closed) => this.#connections.delete(closed.id),
    });
    this.#connections.set(connection.id, connection);
    return connection;
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** The same by listener. */
  get connectionsByListener(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { listener } of this.#connections.values()) counts.set(listener, (counts.get(listener) ?? 0) + 1);
    return counts;
  }

  /** Bytes of requests that wait or run. */
  get requestMemoryBytes(): number {
    return this.#memory.bytes;
  }

  /** Requests that wait or run on all connections. */
  get requestCount(): number {
    let count = 0;
    for (const connection of this.#connections.values()) count += connection.requests;
    return count;
  }

  /**
   * Hands the shards over to the other nodes, and goes on serving clients through them. The last node keeps its shards.
   * @throws StorageFault
   */
  async leave(timeoutMs: number): Promise<void> {
    if (this.services.view.members.length > 1) await this.#checkpointAll();
    await this.#standing.leave(timeoutMs);
  }

  /** Takes no further requests; long polls are answered with what there is. */
  drain(): void {
    for (const connection of [...this.#connections.values()]) connection.drain();
    void this.#partitions.askAll('wakeAll', {});
  }

  /** Saves what shortens the next start and lets the shards go. Requests under way have had their chance before. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#standing.stop();
    this.#stopWatchingNodes();
    const { clock, shards, catalog, brokerConfigs } = this.services;
    for (const timer of this.#timers) clock.clearTimer(timer);
    for (const connection of [...this.#connections.values()]) connection.close('the node stops');
    const stopped = new ActorFault('actor-stopped', 'the node stops');
    this.#coordinator.stop();
    this.#groups.stopAll(stopped);
    await this.#checkpointAll();
    this.#partitions.stopAll(stopped);
    catalog.stop();
    brokerConfigs.stop();
    await shards.close();
  }

  /** Bounds what the next owners of the partitions have to replay. */
  #checkpointAll(): Promise<unknown> {
    return this.#partitions.askAll('checkpoint', { producerIdleMs: Number.MAX_SAFE_INTEGER });
  }

  #status(): Promise<NodeStatus> {
    return nodeStatus(this.inspection, this.#ports.health);
  }

  #watchNodes(): void {
    const { view } = this.services;
    const watching = this.#ports.watchNodes?.({
      members: () => view.members.map(({ nodeId }) => nodeId),
      onSuspect: (nodeId) => this.#standing.suspect(nodeId),
      onSelfIsolated: () => this.#standing.isolated(),
      onSelfReconnected: () => this.#standing.reconnected(),
    });
    if (watching !== undefined) this.#stopWatchingNodes = () => watching.stop();
  }

  /** A shard is not this node's any more, or must be taken anew. */
  #shardClosed(shard: number, error: unknown): void {
    if (error instanceof StorageFault && error.code === 'fenced') this.#standing.look();
    const inShard = (key: string): boolean => this.#shardOf(key as PartitionKey) === shard;
    this.#partitions.stopAll(error, inShard);
    this.#cache.dropAll(inShard);
    this.#ahead.dropAll(inShard);
    for (const index of this.#coordinatorPartitions((key) => this.#shardOf(key) === shard)) {
      this.#coordinator.unloadPartition(index);
    }
  }

  #shardOpened(shard: number): void {
    this.services.owners.changed();
    this.#loadCoordinators((key) => this.#shardOf(key) === shard);
  }

  #shardOf(key: PartitionKey): number {
    const { topicId, index } = parsePartitionKey(key);
    return this.services.view.shardOf(topicId, index);
  }

  /** Partitions of `__consumer_offsets` whose key passes `matches`. */
  #coordinatorPartitions(matches: (key: PartitionKey) => boolean): number[] {
    const topic = this.services.catalog.byName(CONSUMER_OFFSETS);
    if (topic === undefined) return [];
    return [...Array(topic.partitionCount).keys()].filter((index) => matches(partitionKey(topic.id, index)));
  }

  /** Loads the coordinators of the partitions that this node owns; groups' asks wait for it. */
  #loadCoordinators(matches: (key: PartitionKey) => boolean = () => true): void {
    const { shards, logger } = this.services;
    const owned = (key: PartitionKey): boolean => shards.of(key) !== undefined && matches(key);
    for (const index of this.#coordinatorPartitions(owned)) {
      this.#coordinator.loadPartition(index).catch((error) => {
        logger.log('error', 'group coordinator does not load', { partition: index, error });
      });
    }
  }

  #run(): void {
    const { catalog, config, logger } = this.services;
    catalog.onChange((topic, before) => {
      if (topic === undefined && before !== undefined) this.#topicDeleted(before);
      else if (topic?.name === CONSUMER_OFFSETS) this.#loadCoordinators();
    });
    this.#loadCoordinators();
    this.#coordinator.start();
    this.#every(SWEEP_MS, () => {
      for (const connection of [...this.#connections.values()]) connection.closeIfIdle();
      this.#partitions.passivate();
      this.#groups.passivate();
    });
    this.#every(config.logRetentionCheckIntervalMs, () => applyRetention(this.services));
    // Soon for what was deleted while this node was away, then as often as retention for removals that failed.
    this.#every(
      SWEEP_MS,
      () => removeOrphanLogs(this.services).then(() => undefined),
      config.logRetentionCheckIntervalMs,
    );
    this.#every(config.producerIdExpirationCheckIntervalMs, () =>
      this.#partitions.askAll('checkpoint', { producerIdleMs: this.services.config.producerIdExpirationMs }),
    );
    logger.log('debug', 'node runs', { nodeId: this.services.view.nodeId, epoch: this.services.view.epoch });
  }

  /** Runs `work` after `delayMs` and then again and again, `periodMs` after the former run has ended. */
  #every(delayMs: number, work: () => void | Promise<void>, periodMs = delayMs): void {
    const { clock, logger } = this.#ports;
    const timer = clock.setTimer(delayMs, async () => {
      this.#timers.delete(timer);
      try {
        await work();
      } catch (error) {
        logger.log('error', 'periodic work failed', { error });
      }
      if (!this.#stopping) this.#every(periodMs, work);
    });
    this.#timers.add(timer);
  }

  /** Ends the writers of a deleted topic and removes the logs that this node owns. */
  #topicDeleted(topic: Topic): void {
    const { shards, logger } = this.services;
    if (topic.name === CONSUMER_OFFSETS) {
      for (const index of this.#coordinator.partitions) this.#coordinator.unloadPartition(index);
    }
    this.#coordinator.topicDeleted(topic.name, topic.id).catch((error) => {
      logger.log('error', 'offsets of a deleted topic stay', { topic: topic.name, error });
    });
    for (let index = 0; index < topic.partitionCount; index++) {
      const key = partitionKey(topic.id, index);
      this.#partitions.stop(key, new StorageFault('fenced', `topic ${topic.name} is deleted`));
      this.#cache.drop(key);
      if (shards.of(key) === undefined) continue;
      shards.commit(key, [{ kind: 'removal', partition: key }]).catch((error) => {
        logger.log('error', 'log of a deleted topic stays', { topic: topic.name, partition: index, error });
      });
    }
  }
}

interface Parts {
  readonly standing: Standing;
  readonly groups: GroupKind;
  readonly coordinator: GroupCoordinator;
  readonly partitions: ReturnType<typeof partitionsOf>;
  readonly cache: TailCache;
  readonly ahead: ReadAhead;
}

function newCluster(config: BrokerConfig): NewCluster {
  return {
    clusterId: config.clusterId ?? null,
    shardCount: config.shards,
    sharedAddress: config.advertise === 'single',
  };
}

function partitionsOf(
  config: BrokerConfig,
  { clock, random, logger, events = noEvents, tracer }: NodePorts,
  shards: Shards,
  catalog: TopicCatalog,
  cache: TailCache,
  refusedBatches: RefusedBatches,
) {
  const definition = definePartition(
    {
      mailboxMessagesMax: config.mailboxMessagesMax,
      passivateAfterMs: config.actorPassivateAfterMs,
      checkpointBatches: config.partitionCheckpointBatches,
    },
    {
      onCommitted(key, baseOffset, nextOffset, bytes) {
        cache.add(key, baseOffset, nextOffset, bytes);
        const topic = catalog.byId(key.slice(0, 22));
        if (topic !== undefined) events.produced(topic.name, Number(nextOffset - baseOffset), bytes.length);
      },
    },
    refusedBatches,
  );
  const exists = (key: PartitionKey): boolean => {
    const { topicId, index } = parsePartitionKey(key);
    return index < (catalog.byId(topicId)?.partitionCount ?? 0);
  };
  return new ActorKind(definition, (key) => bindPartition(key as PartitionKey, shards, exists), {
    clock,
    random,
    logger,
    events,
    tracer,
  });
}
