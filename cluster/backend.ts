// What a node stands on, by `storage`: its store, and in a cluster the mailbox to the other nodes. Each kind is loaded only
// when it is asked for, so that one node alone starts without the libraries of a cluster.

import type { Mailbox } from '../src/actors/remote/mailbox.ts';
import type { Clock, Logger, Random } from '../src/actors/runtime/ports.ts';
import type { MetadataStore, ShardStorage } from '../src/actors/shard/ports.ts';
import type { BrokerConfig } from '../src/config.ts';
import type { NatsMailbox } from './mailbox/mailbox.ts';

export interface BackendPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Another process has been started with this node's id. */
  readonly onSuperseded: () => void;
}

export interface Backend {
  readonly storage: ShardStorage;
  readonly metadataStore: MetadataStore;
  /** Absent for one node alone. */
  readonly mailbox?: Mailbox & Pick<NatsMailbox, 'link' | 'broadcastSubject' | 'incarnation' | 'status'>;
  /** After the node has stopped. */
  close(): Promise<void>;
}

/** Opens the store that the configuration asks for. @throws StorageFault, NatsUnavailable saying why it cannot */
export function openBackend(config: BrokerConfig, ports: BackendPorts): Promise<Backend> {
  return config.storage === 'journal' ? openJournal(config, ports) : openEmbedded(config, ports);
}

async function openEmbedded({ dataDir, durability }: BrokerConfig, { logger }: BackendPorts): Promise<Backend> {
  const { openEmbeddedStore } = await import('../src/storage/embedded/store.ts');
  const store = await openEmbeddedStore({ dataDir, durability, logger });
  return { storage: store.shards, metadataStore: store.metadata, close: () => store.close() };
}

async function openJournal(config: BrokerConfig, ports: BackendPorts): Promise<Backend> {
  const [{ openJournalStore }, { openMailbox }, { natsConnectionOptions }, nats] = await Promise.all([
    import('../src/storage/journal/store.ts'),
    import('./mailbox/mailbox.ts'),
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
      logger,
    });
    return {
      storage: journal.shards,
      metadataStore: journal.metadata,
      mailbox,
      async close() {
        await journal.close();
        await mailbox.close();
      },
    };
  } catch (error) {
    await mailbox.close();
    throw error;
  }
}
