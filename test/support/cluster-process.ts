// Nodes of one cluster as processes of their own, over nats-servers that the test has started: killed, paused, stopped and
// started again one by one.

import { type BrokerProcess, startBroker } from './broker-process.ts';
import { type NatsOptions, type NatsProcesses, startNats, startNatsCluster } from './nats-process.ts';
import { startWeed, type WeedCluster, type WeedOptions } from './weed-process.ts';

export interface ClusterOptions {
  readonly nodes?: number;
  /** nats-servers, and copies of each write. */
  readonly natsServers?: 1 | 3;
  readonly nats?: NatsOptions;
  /** With SeaweedMQ behind the journal. */
  readonly weed?: WeedOptions;
  /** `host:port` of NATS as the node with this id is told it, where something stands between; else those of the servers. */
  readonly natsAddresses?: (nodeId: number, nats: NatsProcesses) => Promise<readonly string[]>;
  /** Properties of every node. */
  readonly config?: Readonly<Record<string, string>>;
  readonly compiled?: boolean;
  /** Of the first node, the others following; free ones unless given. */
  readonly firstPort?: number;
}

export interface ClusterProcesses {
  readonly nats: NatsProcesses;
  /** Absent without `weed`. */
  readonly weed: WeedCluster | undefined;
  /** By node id, less one. */
  readonly nodes: readonly BrokerProcess[];
  /** Addresses of all nodes. */
  readonly bootstrap: string;
  /** Ends all and deletes their data. */
  close(): Promise<void>;
}

let lastPrefix = 0;

/** Starts NATS and the nodes, and waits until every node serves. */
export async function startCluster(options: ClusterOptions = {}): Promise<ClusterProcesses> {
  const { nodes: count = 3, natsServers = 1, config = {}, compiled } = options;
  const nats = await (natsServers === 3 ? startNatsCluster(options.nats) : startNats(options.nats));
  const weed =
    options.weed &&
    (await startWeed(options.weed).catch(async (error: unknown) => {
      await nats.close();
      throw error;
    }));
  const store: Record<string, string> =
    weed === undefined
      ? { storage: 'journal' }
      : {
          storage: 'seaweed',
          'seaweed.brokers': weed.brokers.map(({ address }) => address).join(','),
          'seaweed.filers': weed.filer.http,
        };
  const prefix = `test-${process.pid}-${++lastPrefix}`;
  const nodes: BrokerProcess[] = [];
  try {
    const started = await Promise.allSettled(
      Array.from({ length: count }, async (_, index) =>
        startBroker({
          compiled,
          port: options.firstPort === undefined ? undefined : options.firstPort + index,
          config: {
            ...store,
            'node.id': String(index + 1),
            'nats.servers': ((await options.natsAddresses?.(index + 1, nats)) ?? nats.addresses).join(','),
            'nats.prefix': prefix,
            'journal.replicas': String(natsServers),
            'admin.listeners': '',
            ...config,
          },
        }),
      ),
    );
    for (const result of started) if (result.status === 'fulfilled') nodes.push(result.value);
    for (const result of started) if (result.status === 'rejected') throw result.reason;
  } catch (error) {
    await Promise.all(nodes.map((node) => node.remove()));
    await nats.close();
    await weed?.remove();
    throw error;
  }
  return {
    nats,
    weed,
    nodes,
    get bootstrap() {
      return nodes.map((node) => node.bootstrap).join(',');
    },
    async close() {
      await Promise.all(nodes.map((node) => node.remove()));
      await nats.close();
      await weed?.remove();
    },
  };
}
