// One node: all its actors wired together from ports. The composition root makes one from real parts, the simulator from
// its own; both run exactly this.
//
//   connections.accept ─▶ Connection ─▶ dispatch ─▶ handler ─▶ directory ─▶ partition / group actors ─▶ shard ─▶ storage

import type { BrokerConfig } from '../config.ts';
import { type Events, type HealthReport, noEvents, noTracer, type Tracer } from '../events.ts';
import { BrokerConfigs } from './admin/broker-configs.ts';
import { TopicCatalog } from './admin/catalog.ts';
import { CONSUMER_OFFSETS } from './admin/internal-topics.ts';
import { removeOrphanLogs } from './admin/orphan-logs.ts';
import { ProducerIds } from './admin/producer-ids.ts';
import { parseTopicConfigs, topicConfigValues } from './admin/topic-configs.ts';
import { TopicAdmin } from './admin/topics.ts';
import { Connections } from './connection/connections.ts';
import { FetchSessions } from './connection/fetch-sessions.ts';
import { createGroups, type GroupCoordinator, type GroupKind } from './group/coordinator.ts';
import { NodeInspection } from './inspection.ts';
import { ClusterOverview } from './overview/cluster-overview.ts';
import { type NodeStatus, nodeStatus } from './overview/node-status.ts';
import { PartitionCoordinatorLog } from './partition/coordinator-log.ts';
import { createPartitions, type Partitions } from './partition/partitions.ts';
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
import { Residents } from './residents.ts';
import { createDispatch } from './router/dispatch.ts';
import type { Services } from './router/services.ts';
import { ActorFault } from './runtime/errors.ts';
import { PeriodicWork } from './runtime/periodic-work.ts';
import type { Clock, Logger, Random } from './runtime/ports.ts';
import { type NewCluster, readView } from './shard/membership.ts';
import type { MetadataStore, PartitionKey, ShardStorage } from './shard/ports.ts';
import { partitionKey, StorageFault } from './shard/ports.ts';
import { ShardEpochs } from './shard/shard-epochs.ts';
import { Shards } from './shard/shards.ts';
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
  readonly connections: Connections;
  readonly #ports: NodePorts;
  readonly #partitions: Partitions;
  readonly #groups: GroupKind;
  readonly #coordinator: GroupCoordinator;
  readonly #standing: Standing;
  readonly #residents: Residents;
  readonly #periodic: PeriodicWork;
  #stopWatchingNodes: () => void = () => {};

  private constructor(services: Services, ports: NodePorts, parts: Parts) {
    const { clock, logger, events, storage } = services;
    this.services = services;
    this.#ports = ports;
    this.#partitions = parts.partitions;
    this.#groups = parts.groups;
    this.#coordinator = parts.coordinator;
    this.#standing = parts.standing;
    this.#residents = parts.residents;
    this.inspection = new NodeInspection({ ...services, ...parts });
    this.overview = new ClusterOverview({ ...services, ...parts, status: () => this.#status() });
    this.connections = new Connections({
      clock,
      logger,
      events,
      get config() {
        return services.config;
      },
      dispatch: createDispatch(services),
      reclaim: (chunks) => storage.reclaim?.(chunks),
    });
    this.#periodic = new PeriodicWork(clock, logger);
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
      epochs,
      onOpened: (shard) => {
        if (node !== undefined) node.#shardOpened(shard);
      },
      onClosed: (shard, error) => {
        if (node !== undefined) node.#shardClosed(shard, error);
      },
    });

    const cache = new TailCache(initialConfig.tailCacheBytes);
    const ahead = new ReadAhead(initialConfig.readAheadBytes);
    const refusedBatches = new RefusedBatches();
    const partitions = createPartitions({
      ...{ clock, random, logger, events, tracer, shards, catalog, cache, refusedBatches },
      config: initialConfig,
    });
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
    const residents = new Residents({ view, shards, catalog, partitions, coordinator, cache, ahead, logger });
    node = new Node(services, ports, { standing, partitions, groups, coordinator, cache, residents });
    // Before the view names this node: from then on others send it requests, and listen for it.
    const { overview } = node;
    const status = () => overview.ownStatus();
    mailbox?.serve(createRemoteHandler({ partitions, groups, coordinator, reader, shards, status }));
    node.#watchNodes();
    await standing.enter();
    node.#run();
    return node;
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
    this.connections.drain();
    void this.#partitions.askAll('wakeAll', {});
  }

  /** Saves what shortens the next start and lets the shards go. Requests under way have had their chance before. */
  async stop(): Promise<void> {
    this.#periodic.stop();
    this.#standing.stop();
    this.#stopWatchingNodes();
    const { shards, catalog, brokerConfigs } = this.services;
    this.connections.closeAll('the node stops');
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

  #shardOpened(shard: number): void {
    this.services.owners.changed();
    this.#residents.shardOpened(shard);
  }

  #shardClosed(shard: number, error: unknown): void {
    if (error instanceof StorageFault && error.code === 'fenced') this.#standing.look();
    this.#residents.shardClosed(shard, error);
  }

  #run(): void {
    const { config, logger } = this.services;
    const periodic = this.#periodic;
    this.#residents.start();
    this.#coordinator.start();
    periodic.every(SWEEP_MS, () => {
      this.connections.closeIdle();
      this.#partitions.passivate();
      this.#groups.passivate();
    });
    periodic.every(config.logRetentionCheckIntervalMs, () => applyRetention(this.services));
    // Soon for what was deleted while this node was away, then as often as retention for removals that failed.
    periodic.every(
      SWEEP_MS,
      () => removeOrphanLogs(this.services).then(() => undefined),
      config.logRetentionCheckIntervalMs,
    );
    periodic.every(config.producerIdExpirationCheckIntervalMs, () =>
      this.#partitions.askAll('checkpoint', { producerIdleMs: this.services.config.producerIdExpirationMs }),
    );
    logger.log('debug', 'node runs', { nodeId: this.services.view.nodeId, epoch: this.services.view.epoch });
  }
}

interface Parts {
  readonly standing: Standing;
  readonly groups: GroupKind;
  readonly coordinator: GroupCoordinator;
  readonly partitions: Partitions;
  readonly cache: TailCache;
  readonly residents: Residents;
}

function newCluster(config: BrokerConfig): NewCluster {
  return {
    clusterId: config.clusterId ?? null,
    shardCount: config.shards,
    sharedAddress: config.advertise === 'single',
  };
}
