// What a node stands on, by `storage`: its store, and in a cluster the mailbox to the other nodes. Each kind is loaded only
// when it is asked for, so that one node alone starts without the libraries of a cluster.

import { CoordinatorTopics } from '../src/actors/admin/coordinator-topics.ts';
import type { NodePorts } from '../src/actors/node.ts';
import type { Clock, Logger, Random } from '../src/actors/runtime/ports.ts';
import type { BrokerConfig } from '../src/config.ts';
import type { Tracer } from '../src/events.ts';
import type { SeaweedStore } from '../src/storage/seaweed/store.ts';

export interface BackendPorts {
  readonly tracer: Tracer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Another process has been started with this node's id. */
  readonly onSuperseded: () => void;
}

/** The ports of a node that stand on it; one node alone has neither mailbox nor watch. */
export interface Backend {
  readonly ports: Pick<NodePorts, 'storage' | 'metadataStore' | 'mailbox' | 'watchNodes'>;
  /** After the node has stopped. */
  close(): Promise<void>;
}

/** Opens the store that the configuration asks for. @throws StorageFault, NatsUnavailable saying why it cannot */
export function openBackend(config: BrokerConfig, ports: BackendPorts): Promise<Backend> {
  return config.storage === 'embedded' ? openEmbedded(config, ports) : openJournal(config, ports);
}

async function openEmbedded({ dataDir, durability }: BrokerConfig, { logger }: BackendPorts): Promise<Backend> {
  const { openEmbeddedStore } = await import('../src/storage/embedded/store.ts');
  const store = await openEmbeddedStore({ dataDir, durability, logger });
  return { ports: { storage: store.shards, metadataStore: store.metadata }, close: () => store.close() };
}

async function openJournal(config: BrokerConfig, ports: BackendPorts): Promise<Backend> {
  const [{ openJournalStore }, { openMailbox }, detector, { natsConnectionOptions }, nats] = await Promise.all([
    import('../src/storage/journal/store.ts'),
    import('./mailbox/mailbox.ts'),
    import('./failure-detector.ts'),
    import('./nats-connection.ts'),
    import('./nats-options.ts'),
  ]);
  const { clock, random, logger, onSuperseded } = ports;
  const access = nats.natsAccess(config);
  const pingIntervalMs = nats.natsPingIntervalMs(config);
  const connectTimeoutMs = config.natsConnectTimeoutMs;
  const { user, pass, token, authenticator, tls } = natsConnectionOptions({
    ...access,
    name: 'journal',
    pingIntervalMs,
    connectTimeoutMs,
    clock,
    logger,
  });
  const mailbox = await openMailbox({
    ...access,
    nodeId: config.nodeId,
    subjectPrefix: config.natsPrefix,
    limits: nats.mailboxLimits(config),
    pingIntervalMs,
    connectTimeoutMs,
    clock,
    random,
    logger,
    onSuperseded,
  });
  const cold = config.storage === 'seaweed' ? await openSeaweed(config, ports) : undefined;
  // Known before the first shard is opened.
  let coordinatorTopics: CoordinatorTopics | undefined;
  try {
    const journal = await openJournalStore({
      servers: access.servers,
      connection: { user, pass, token, authenticator, tls },
      streamPrefix: config.natsPrefix,
      replicas: config.journalReplicas === '3' ? 3 : 1,
      bytesMax: config.journalBytesMax,
      batchBytesMax: config.messageMaxBytes,
      streamCount: config.journalStreams,
      clientName: `sargasso-${config.nodeId}`,
      cold,
      // A coordinator reads its partitions in full before it serves: with SeaweedMQ away, too.
      staysInJournal: (partition) => coordinatorTopics?.has(partition) ?? false,
      limits: { moveDelayMs: config.seaweedMoveDelayMs },
      logger,
      tracer: ports.tracer,
    });
    coordinatorTopics = new CoordinatorTopics(journal.metadata, logger);
    await coordinatorTopics.start();
    return {
      ports: {
        storage: journal.shards,
        metadataStore: journal.metadata,
        mailbox,
        watchNodes: ({ members, onSuspect, onSelfIsolated, onSelfReconnected }) =>
          detector.createFailureDetector({
            nodeId: config.nodeId,
            incarnation: mailbox.incarnation,
            channel: detector.natsHeartbeats(mailbox.link, mailbox.broadcastSubject('heartbeat')),
            detectionMs: config.failureDetectionMs,
            ...{ clock, logger, members, onSuspect, onSelfIsolated, onSelfReconnected },
          }),
      },
      async close() {
        coordinatorTopics?.stop();
        await journal.close();
        await cold?.close();
        await mailbox.close();
      },
    };
  } catch (error) {
    await cold?.close();
    await mailbox.close();
    throw error;
  }
}

async function openSeaweed(config: BrokerConfig, { clock, logger }: BackendPorts): Promise<SeaweedStore> {
  const { SeaweedStore } = await import('../src/storage/seaweed/store.ts');
  return new SeaweedStore({
    brokers: config.seaweedBrokers,
    filers: config.seaweedFilers,
    namespace: config.seaweedNamespace,
    compress: config.seaweedCompress,
    clock,
    logger,
  });
}
