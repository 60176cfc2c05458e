// Stories of the admin port of a real broker process: what Prometheus and probes see while clients work.

import { createServer } from 'node:net';
import { expect } from 'chai';
import { metrics } from '../../src/events.ts';
import { type BrokerProcess, startBroker } from '../support/broker-process.ts';
import { type AdminClient, startAdministered } from './admin-client.ts';
import { Conversation } from './conversation.ts';

describe('the admin port', () => {
  let broker: BrokerProcess;
  let admin: AdminClient;
  let client: Conversation;
  before(async () => {
    const config = {
      'group.initial.rebalance.delay.ms': '0',
      'offsets.topic.num.partitions': '5',
      'metrics.topics.max': '3',
      'metrics.consumer.lag.partitions.max': '4',
    };
    ({ broker, admin } = await startAdministered({ config }));
    client = await Conversation.begin(broker.bootstrap);
    expect(await client.createTopics(['orders'], 3)).to.deep.equal([0]);
  });
  after(async () => {
    client.end();
    await broker.remove();
  });

  it('says that the process is alive and that every part of the node is ready', async () => {
    expect(await admin.get('/healthz')).to.deep.include({ status: 200 });
    const { status, json } = await admin.get('/readyz');
    expect(status).to.equal(200);
    expect(json.ready).to.equal(true);
    expect(Object.keys(json.parts)).to.include.members(['node', 'listeners', 'metadata', 'view', 'shards', 'groups']);
    expect(json.parts.shards).to.deep.include({ ready: true, reason: '48 of 48 shards are open' });
    expect(json.parts.listeners.reason).to.contain(broker.bootstrap);
  });

  it('gives a page in the strict form of Prometheus, each metric as its table has it', async () => {
    const { metrics: scraped } = await admin.scrape();
    for (const [name, { type, help, samples }] of scraped) {
      if (!name.startsWith('sargasso_')) continue;
      const definition = metrics[name as keyof typeof metrics];
      expect(definition, name).to.deep.include({ type, help });
      for (const { labels } of samples) {
        const { le: _, ...others } = labels;
        expect(Object.keys(others), name).to.have.members([...definition.labels]);
      }
    }
    expect([...scraped.keys()]).to.include.members([
      'process_resident_memory_bytes',
      'nodejs_heap_size_used_bytes',
      'sargasso_event_loop_delay_seconds',
      'sargasso_build_info',
    ]);
  });

  it('counts requests by API and version, with their latencies and sizes', async () => {
    const before = await admin.scrape();
    const { bytes } = await client.produce('orders', 0, ['one', 'two']);
    await client.produce('orders', 1, ['three']);
    const now = await admin.scrape();
    const moved = (name: string, labels: Record<string, string> = {}) =>
      now.value(name, labels) - before.value(name, labels);
    const produce = { api: 'Produce', version: '9' };
    expect(moved('sargasso_request_duration_seconds_count', produce)).to.equal(2);
    expect(moved('sargasso_request_duration_seconds_sum', produce)).to.be.within(1e-6, 20);
    expect(moved('sargasso_request_bytes_total', { api: 'Produce' })).to.be.above(bytes);
    expect(moved('sargasso_response_bytes_total', { api: 'Produce' })).to.be.within(80, 400);
    expect(moved('sargasso_request_errors_total')).to.equal(0);
    expect(now.value('sargasso_connections', { listener: 'PLAINTEXT' })).to.equal(1);
    expect(now.value('sargasso_requests_in_progress')).to.equal(0);
  });

  it('counts error codes by their names, each time one occurs', async () => {
    const before = await admin.scrape();
    expect((await client.produce('missing', 0, ['x'])).errorCode).to.equal(3);
    expect(await client.createTopics(['orders', 'not/a/name'])).to.deep.equal([36, 17]);
    const now = await admin.scrape();
    for (const [api, error] of [
      ['Produce', 'UNKNOWN_TOPIC_OR_PARTITION'],
      ['CreateTopics', 'TOPIC_ALREADY_EXISTS'],
      ['CreateTopics', 'INVALID_TOPIC_EXCEPTION'],
    ] as const) {
      const labels = { api, error };
      const counted = now.value('sargasso_request_errors_total', labels);
      expect(counted - before.value('sargasso_request_errors_total', labels), error).to.equal(1);
    }
  });

  it('counts records and bytes in and out by topic, and the journal and cache behind them', async () => {
    const before = await admin.scrape();
    const { bytes } = await client.produce('orders', 2, ['a', 'b', 'c']);
    const { bytes: moreBytes } = await client.produce('orders', 2, ['d'], { compression: 'gzip' });
    expect(await client.fetch('orders', 2, 0n)).to.equal(bytes + moreBytes);
    expect(await client.fetch('orders', 2, 0n)).to.equal(bytes + moreBytes);
    const now = await admin.scrape();
    const moved = (name: string, labels: Record<string, string> = {}) =>
      now.value(name, labels) - before.value(name, labels);
    const topic = { topic: 'orders' };
    expect(moved('sargasso_topic_produced_records_total', topic)).to.equal(4);
    expect(moved('sargasso_topic_produced_bytes_total', topic)).to.equal(bytes + moreBytes);
    expect(moved('sargasso_topic_fetched_records_total', topic)).to.equal(8);
    expect(moved('sargasso_topic_fetched_bytes_total', topic)).to.equal(2 * (bytes + moreBytes));
    expect(moved('sargasso_tail_cache_hits_total')).to.equal(2);
    expect(moved('sargasso_tail_cache_misses_total')).to.equal(0);
    expect(now.value('sargasso_tail_cache_bytes')).to.be.at.least(bytes + moreBytes);
    expect(moved('sargasso_journal_append_duration_seconds_count')).to.equal(2);
    expect(moved('sargasso_journal_submissions_total')).to.equal(2);
    expect(moved('sargasso_journal_appended_bytes_total')).to.equal(bytes + moreBytes);
    expect(now.value('sargasso_journal_queue_submissions')).to.equal(0);
    expect(moved('sargasso_actor_messages_total', { kind: 'partition', message: 'append' })).to.equal(2);
    expect(now.value('sargasso_actors', { kind: 'partition' })).to.be.at.least(1);
    expect(now.value('sargasso_mailbox_messages', { kind: 'partition' })).to.equal(0);
  });

  it('shows groups by state, their members, and how far each partition lags behind', async () => {
    for (let partition = 0; partition < 3; partition++) await client.produce('orders', partition, ['1', '2', '3']);
    const before = await admin.scrape();
    expect(before.value('sargasso_consumer_lag_records')).to.equal(0);
    const member = await client.join('readers', 'orders');
    await client.commit('readers', member, 'orders', [1n, 2n, 1_000_000n]);
    const now = await admin.scrape();
    expect(now.value('sargasso_groups', { state: 'Stable' })).to.equal(1);
    expect(now.value('sargasso_group_members', { state: 'Stable' })).to.equal(1);
    expect(now.value('sargasso_group_partitions', { state: 'loaded' })).to.equal(5);
    const produced = now.value('sargasso_topic_produced_records_total', { topic: 'orders' });
    expect(produced).to.be.at.least(9);
    const lagOf = (partition: string) =>
      now.value('sargasso_consumer_lag_records', { group: 'readers', topic: 'orders', partition });
    const end = async (partition: number) => Number(await client.endOffset('orders', partition));
    expect([lagOf('0'), lagOf('1')]).to.deep.equal([(await end(0)) - 1, (await end(1)) - 2]);
    // Committed beyond the end: no lag, and never a negative one.
    expect(lagOf('2')).to.equal(0);
    const committed = { group: 'readers', topic: 'orders', partition: '1' };
    expect(now.value('sargasso_consumer_committed_offset', committed)).to.equal(2);
    expect(now.value('sargasso_consumer_lag_omitted')).to.equal(0);
  });

  it('keeps the number of series bounded: further topics and partitions are told together', async () => {
    const names = ['t1', 't2', 't3', 't4'];
    await client.createTopics(names, 2);
    for (const name of names) await client.produce(name, 0, ['x']);
    const member = await client.join('others', 't1');
    await client.commit('others', member, 't1', [0n, 0n]);
    const now = await admin.scrape();
    const topics = now.metrics.get('sargasso_topic_produced_records_total')!.samples.map(({ labels }) => labels.topic);
    expect(topics).to.have.length(4);
    expect(topics).to.include('');
    expect(now.metrics.get('sargasso_consumer_lag_records')!.samples).to.have.length(4);
    expect(now.value('sargasso_consumer_lag_omitted')).to.equal(1);
  });

  it('tells connections taken and ended, with the reason', async () => {
    const before = await admin.scrape();
    const other = await Conversation.begin(broker.bootstrap);
    await other.fetch('orders', 0, 0n);
    expect((await admin.scrape()).value('sargasso_connections')).to.equal(2);
    other.end();
    for (let attempt = 0; ; attempt++) {
      const now = await admin.scrape();
      const closed = (scrape: typeof now) =>
        scrape.value('sargasso_connections_closed_total', { reason: 'peer closed' });
      if (closed(now) === closed(before) + 1) {
        expect(now.value('sargasso_connections')).to.equal(1);
        expect(
          now.value('sargasso_connections_opened_total') - before.value('sargasso_connections_opened_total'),
        ).to.equal(1);
        return;
      }
      expect(attempt, 'scrapes until the end of a connection shows').to.be.below(200);
    }
  });
});

describe('an admin port that cannot be had', () => {
  it('stops the start with one line when it was asked for', async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) => {
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port));
    });
    try {
      const outcome = await startBroker({ config: { 'admin.listeners': `http://127.0.0.1:${port}` } }).then(
        async (broker) => {
          await broker.remove();
          return 'it started';
        },
        (error: Error) => error.message,
      );
      const lines = outcome.split('\n').filter((line) => line.startsWith('sargasso: '));
      expect(lines, outcome).to.deep.equal([
        `sargasso: cannot listen on http://127.0.0.1:${port}: the port is in use by another process`,
      ]);
    } finally {
      taken.close();
    }
  });

  it('is told at once when its form is wrong', async () => {
    const outcome = await startBroker({ config: { 'admin.listeners': 'https://127.0.0.1:9644' } }).then(
      () => 'it started',
      (error: Error) => error.message,
    );
    expect(outcome).to.contain("admin.listeners = 'https://127.0.0.1:9644' (flag --admin.listeners) is refused");
  });
});

describe('a broker without an admin port', () => {
  it('says nothing of one', async () => {
    const broker = await startBroker();
    try {
      expect(broker.output()).not.to.contain('http');
    } finally {
      await broker.remove();
    }
  });
});
