// Stories of what two nodes tell of each other: traces that cross them, lag of partitions that lie elsewhere, readiness.

import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { eventually } from '../clients/waiting.ts';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';
import { AdminClient, adminBase } from './admin-client.ts';
import { Conversation } from './conversation.ts';
import { TraceCollector } from './trace-collector.ts';

const partitionCount = 8;
const startTimeoutMs = 180_000;
const readyTimeoutMs = 10_000;

describe('two nodes', function () {
  this.timeout(60_000);
  let collector: TraceCollector;
  let cluster: ClusterProcesses;
  let admins: AdminClient[];
  let client: Conversation;
  before(async function () {
    this.timeout(startTimeoutMs);
    collector = await TraceCollector.start();
    cluster = await startCluster({
      nodes: 2,
      config: {
        'admin.listeners': 'http://127.0.0.1:0',
        'group.initial.rebalance.delay.ms': '0',
        'offsets.topic.num.partitions': '2',
        'tracing.endpoint': collector.endpoint,
        'tracing.sample.ratio': '1',
      },
    });
    admins = cluster.nodes.map((node) => new AdminClient(adminBase(node)));
    // A message for a shard that its owner has yet to open is sent again, which a trace shows as it was.
    for (const admin of admins) while ((await admin.get('/readyz')).status !== 200) await delay(50);
    client = await Conversation.begin(cluster.nodes[0]!.bootstrap);
    expect(await client.createTopics(['t'], partitionCount)).to.deep.equal([0]);
    // The other node looks a topic up that it is asked to create: from then on it knows the partitions that it owns.
    const other = await Conversation.begin(cluster.nodes[1]!.bootstrap);
    expect(await other.createTopics(['t'], partitionCount)).to.deep.equal([36]);
    other.end();
  });
  after(async function () {
    this.timeout(startTimeoutMs);
    client?.end();
    await cluster?.close();
    collector.stop();
  });

  it('show one Produce as one trace, wherever its partition lies', async () => {
    const produceEverywhere = async () => {
      for (let partition = 0; partition < partitionCount; partition++) {
        expect((await client.produce('t', partition, ['x'])).errorCode).to.equal(0);
      }
    };
    // The first to a partition finds its actor not loaded, at times its shard still opening, and is sent again for that.
    await produceEverywhere();
    const fromNs = BigInt(Date.now()) * 1_000_000n;
    const errorsBefore = (await admins[0]!.scrape()).value('sargasso_remote_request_errors_total');
    await produceEverywhere();
    const here = await collector.trace('a Produce that stayed', 3, ({ name, traceId, startNs }) => {
      const others = collector.spans.filter((span) => span.traceId === traceId);
      return startNs >= fromNs && name === 'Produce' && !others.some((span) => span.name.startsWith('mailbox'));
    });
    expect(here.shape).to.equal('Produce(partition append(journal append))');
    const across = await collector.trace(
      'a Produce that crossed',
      5,
      ({ name, startNs }) => name === 'mailbox partition append' && startNs >= fromNs,
    );
    expect(across.shape).to.equal(
      'Produce(mailbox partition append(serve partition append(partition append(journal append))))',
    );
    const nodeOf = (name: string) => across.span(name).resource['service.instance.id'];
    expect(['Produce', 'mailbox partition append'].map(nodeOf)).to.deep.equal(['1', '1']);
    expect(['serve partition append', 'partition append', 'journal append'].map(nodeOf)).to.deep.equal(['2', '2', '2']);
    expect(across.span('mailbox partition append').attributes).to.deep.include({ 'sargasso.node.id': 2 });
    expect(across.span('mailbox partition append').kind).to.equal(3);
    const [asked, served] = await Promise.all(admins.map((admin) => admin.scrape()));
    expect(asked!.value('sargasso_remote_request_duration_seconds_count', { service: 'partition' })).to.be.at.least(1);
    expect(asked!.value('sargasso_remote_request_errors_total')).to.equal(errorsBefore);
    expect(served!.value('sargasso_remote_served_total', { service: 'partition' })).to.be.at.least(1);
  });

  it("show the lag of a group once, on its coordinator, the other node's partitions included", async () => {
    const member = await client.join('readers', 't');
    await client.commit('readers', member, 't', Array(partitionCount).fill(1n));
    const scrapes = await Promise.all(admins.map((admin) => admin.scrape()));
    const series = scrapes.map((scrape) => scrape.metrics.get('sargasso_consumer_lag_records')?.samples ?? []);
    expect(series.map(({ length }) => length).sort()).to.deep.equal([0, partitionCount]);
    const lags = series.flat().map(({ labels, value }) => [labels.partition, value]);
    const records = Array.from({ length: partitionCount }, (_, partition) => [String(partition), 1]);
    expect(lags.sort()).to.deep.equal(records);
    expect(scrapes.map((scrape) => scrape.value('sargasso_consumer_lag_omitted'))).to.deep.equal([0, 0]);
  });

  it('are ready with all their parts, and share the shards', async () => {
    // A node that opened a shard late, when it was the other's already, has that one open it again.
    await eventually('both ready', readyTimeoutMs, async () => {
      let open = 0;
      for (const admin of admins) {
        const { status, json } = await admin.get('/readyz');
        expect(status, JSON.stringify(json)).to.equal(200);
        expect(Object.keys(json.parts)).to.include.members(['journal', 'mailbox', 'view', 'shards', 'groups']);
        expect(json.parts.view).to.deep.include({ ready: true, reason: 'member of a cluster of 2' });
        open += json.parts.shards.details.open;
      }
      expect(open).to.equal(48);
    });
  });
});
