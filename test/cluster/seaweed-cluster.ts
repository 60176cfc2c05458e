// What tests of a cluster with SeaweedMQ behind its journal ask of it: how far the move is, by the nodes' own metrics, and
// what lies in the filer.

import { expect } from 'chai';
import { eventually } from '../clients/waiting.ts';
import { ColdWorld } from '../storage/seaweed-world.ts';
import type { BrokerProcess } from '../support/broker-process.ts';
import { type ClusterOptions, type ClusterProcesses, startCluster } from '../support/cluster-process.ts';
import { AdminClient, adminBase } from './admin-client.ts';

/** Of `seaweed.namespace`. */
const namespace = 'sargasso';
/** What stays of 48 shards when all is moved: each one's last messages, and the groups. */
const journalRestBytes = 6 << 20;

/** Starts nodes that move soon and keep next to nothing in memory for readers. */
export function startSeaweedCluster(options: ClusterOptions = {}): Promise<ClusterProcesses> {
  return startCluster({
    ...options,
    weed: { flushIntervalSeconds: 1, ...options.weed },
    config: {
      'admin.listeners': 'http://127.0.0.1:0',
      'failure.detection.ms': '2000',
      'group.initial.rebalance.delay.ms': '100',
      'group.min.session.timeout.ms': '1000',
      'offsets.topic.num.partitions': '6',
      'tail.cache.bytes': '1000000',
      'seaweed.move.delay.ms': '500',
      // Records of these tests are of any time.
      'log.retention.ms': '-1',
      ...options.config,
    },
  });
}

export class SeaweedView {
  readonly #nodes: () => readonly BrokerProcess[];
  readonly files: ColdWorld;

  /** @param nodes that run at the time of the call */
  constructor(cluster: ClusterProcesses, nodes: () => readonly BrokerProcess[] = () => cluster.nodes) {
    this.#nodes = nodes;
    this.files = new ColdWorld(cluster.weed!, namespace);
  }

  /** A figure of all running nodes together. */
  async sum(metric: string): Promise<number> {
    const scrapes = await Promise.all(this.#nodes().map((node) => new AdminClient(adminBase(node)).scrape()));
    return scrapes.reduce((sum, scrape) => sum + scrape.value(metric), 0);
  }

  async readiness(node: BrokerProcess): Promise<{ status: number; part: { ready: boolean; reason: string } }> {
    const { status, json } = await new AdminClient(adminBase(node)).get('/readyz');
    return { status, part: json.parts.seaweedmq };
  }

  /**
   * Waits until everything is moved, proven, noted, and gone from the journal; and no part says that something is wrong.
   * @param restBytes what may stay in the journal: groups that commit a lot have a lot there until their next snapshot
   */
  async settled(timeoutMs: number, restBytes = journalRestBytes): Promise<void> {
    await eventually('all moved, proven and trimmed', timeoutMs, async () => {
      for (const metric of ['shards_not_open', 'unmoved_bytes', 'backlog_runs', 'backlog_bytes']) {
        expect(await this.sum(`sargasso_seaweedmq_${metric}`), metric).to.equal(0);
      }
      expect(await this.sum('sargasso_journal_stored_bytes'), 'bytes in the journal').to.be.below(restBytes);
      for (const node of this.#nodes()) {
        const { status, part } = await this.readiness(node);
        expect(part).to.deep.include({ ready: true, reason: 'open' });
        expect(status).to.equal(200);
      }
    });
  }
}
