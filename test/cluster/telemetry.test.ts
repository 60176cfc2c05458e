// Stories of traces: a real broker process that sends its spans to a collector, and what is in them.

import { expect } from 'chai';
import { splitBatches } from '../../src/protocol/records/batch.ts';
import { decodeRecords } from '../../src/protocol/records/record.ts';
import { type BrokerProcess, startBroker } from '../support/broker-process.ts';
import { type AdminClient, startAdministered } from './admin-client.ts';
import { Conversation } from './conversation.ts';
import { TraceCollector } from './trace-collector.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const clientSpanId = 'b7ad6b7169203331';

function traceHeaders(flags: string) {
  return [{ key: 'traceparent', value: Buffer.from(`00-${traceId}-${clientSpanId}-${flags}`) }];
}

const quick = { 'group.initial.rebalance.delay.ms': '0', 'offsets.topic.num.partitions': '1' };

describe('traces', function () {
  // Each story starts a broker of its own, with the SDK.
  this.timeout(60_000);
  let collector: TraceCollector;
  let broker: BrokerProcess;
  let client: Conversation;

  async function start(options: Record<string, string>): Promise<void> {
    collector = await TraceCollector.start();
    broker = await startBroker({ config: { ...quick, 'tracing.endpoint': collector.endpoint, ...options } });
    client = await Conversation.begin(broker.bootstrap);
    await client.createTopics(['t']);
  }

  afterEach(async () => {
    client.end();
    await broker.remove();
    collector.stop();
  });

  describe('of every request', () => {
    beforeEach(() => start({ 'tracing.sample.ratio': '1' }));

    it('show a Produce from its frame through the partition to the journal', async () => {
      const { bytes } = await client.produce('t', 0, ['x']);
      const trace = await collector.trace('a Produce', 3, ({ name }) => name === 'Produce');
      expect(trace.shape).to.equal('Produce(partition append(journal append))');
      const request = trace.span('Produce');
      expect(request).to.deep.include({ kind: 2, parentSpanId: '', failed: false });
      expect(request.attributes).to.deep.include({
        'messaging.system': 'kafka',
        'messaging.client.id': 'test',
        'network.peer.address': '127.0.0.1',
        'sargasso.api.version': 9,
      });
      expect(request.resource).to.deep.include({ 'service.name': 'sargasso', 'service.instance.id': '1' });
      const message = trace.span('partition append');
      expect(message.attributes).to.deep.include({ 'sargasso.actor.kind': 'partition' });
      expect(message.attributes['sargasso.actor.key']).to.match(/^[\w-]{22}-0$/);
      expect(message.events).to.deep.equal(['turn']);
      const append = trace.span('journal append');
      expect(append.attributes).to.deep.include({
        'sargasso.append.bytes': bytes,
        'sargasso.append.group.bytes': bytes,
        'sargasso.append.group.submissions': 1,
      });
      expect(append.events).to.deep.equal(['append']);
      // Each lies within the one above it, give or take the clocks' microseconds.
      const slackNs = 1_000_000n;
      for (const [inner, outer] of [
        [append, message],
        [message, request],
      ] as const) {
        expect(inner.startNs >= outer.startNs - slackNs, `${inner.name} starts within`).to.equal(true);
        expect(inner.endNs <= outer.endNs + slackNs, `${inner.name} ends within`).to.equal(true);
        expect(inner.endNs >= inner.startNs).to.equal(true);
      }
    });

    it('show JoinGroup and SyncGroup down to the record that the coordinator writes, which names its trace', async () => {
      await client.join('g', 't');
      const joined = await collector.trace(
        'the JoinGroup that got a place',
        2,
        ({ name, attributes }) => name === 'JoinGroup' && attributes['sargasso.response.errors'] === undefined,
      );
      expect(joined.shape).to.equal('JoinGroup(group join)');
      const synced = await collector.trace('the SyncGroup', 4, ({ name }) => name === 'SyncGroup');
      expect(synced.shape).to.equal('SyncGroup(group sync(partition appendRecords(journal append)))');
      expect(synced.span('group sync').attributes['sargasso.actor.key']).to.equal('g');
      const batches = splitBatches(await client.fetchRecords('__consumer_offsets', 0, 0n));
      const { key, value } = decodeRecords(batches.at(-1)!)[0]!.headers[0]!;
      const parent = synced.span('partition appendRecords');
      expect([key, String(value)]).to.deep.equal(['traceparent', `00-${parent.traceId}-${parent.spanId}-01`]);
    });

    it('show the error codes that a client was given, and a long poll with its wait', async () => {
      await client.produce('missing', 0, ['x']);
      const refused = await collector.trace('the refused Produce', 1, ({ name }) => name === 'Produce');
      expect(refused.span('Produce').attributes['sargasso.response.errors']).to.equal('UNKNOWN_TOPIC_OR_PARTITION');
      await client.fetch('t', 0, 0n);
      const fetched = await collector.trace('the Fetch', 4, ({ name }) => name === 'Fetch');
      expect(fetched.shape).to.equal('Fetch(partition awaitAdvance partition position partition position)');
    });

    it('leave a request alone whose client has decided against it', async () => {
      await client.produce('t', 0, ['x'], { headers: traceHeaders('00') });
      await client.produce('t', 0, ['y']);
      await collector.trace('the second Produce', 3, ({ name }) => name === 'Produce');
      expect(collector.spans.filter(({ name }) => name === 'Produce')).to.have.length(1);
      expect(collector.spans.filter((span) => span.traceId === traceId)).to.deep.equal([]);
    });

    it('that a collector does not take are counted and said once; clients do not notice', async () => {
      client.end();
      await broker.remove();
      collector.failure = 400;
      let admin: AdminClient;
      const config = { ...quick, 'tracing.endpoint': collector.endpoint, 'tracing.sample.ratio': '1' };
      ({ broker, admin } = await startAdministered({ config }));
      client = await Conversation.begin(broker.bootstrap);
      await client.createTopics(['t']);
      const dropped = async () => (await admin.scrape()).value('sargasso_spans_dropped_total');
      let before = 0;
      for (let round = 0; round < 2; round++) {
        expect((await client.produce('t', 0, ['x'])).errorCode).to.equal(0);
        for (let attempt = 0; (await dropped()) === before; attempt++) expect(attempt).to.be.below(400);
        before = await dropped();
      }
      expect(broker.output().match(/WARN trace collector does not take spans/g)).to.have.length(1);
      collector.failure = undefined;
      await client.produce('t', 0, ['x']);
      await collector.trace('a Produce after the trouble', 3, ({ name }) => name === 'Produce');
      expect((await admin.scrape()).value('sargasso_spans_exported_total')).to.be.at.least(3);
    });
  });

  describe('of none but those that clients began', () => {
    beforeEach(() => start({ 'tracing.sample.ratio': '0' }));

    it("go on in the client's trace, below its span", async () => {
      await client.produce('t', 0, ['none of it']);
      await client.produce('t', 0, ['x', 'y'], { headers: [{ key: 'other', value: null }, ...traceHeaders('01')] });
      const trace = await collector.trace('the Produce', 3, ({ name }) => name === 'Produce');
      expect(trace.shape).to.equal('Produce(partition append(journal append))');
      expect(trace.span('Produce')).to.deep.include({ traceId, parentSpanId: clientSpanId });
      expect(collector.spans).to.have.length(3);
    });

    it('do not look into compressed batches, nor trust a malformed header', async () => {
      await client.produce('t', 0, ['x'], { headers: traceHeaders('01'), compression: 'gzip' });
      const malformed = { key: 'traceparent', value: Buffer.from(`00-${'0'.repeat(32)}-${clientSpanId}-01`) };
      await client.produce('t', 0, ['x'], { headers: [malformed] });
      await client.produce('t', 0, ['x'], { headers: traceHeaders('01') });
      await collector.trace('the plain Produce', 3, ({ name }) => name === 'Produce');
      expect(collector.spans.filter(({ name }) => name === 'Produce')).to.have.length(1);
    });

    it('are sent before the broker ends', async () => {
      await client.produce('t', 0, ['x'], { headers: traceHeaders('01') });
      await broker.stop();
      expect(collector.spans.map(({ name }) => name)).to.include('Produce');
    });
  });

  describe('that nobody asked for', () => {
    it('are not made, whatever the environment names as a collector', async () => {
      collector = await TraceCollector.start();
      broker = await startBroker({ config: quick, env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint } });
      client = await Conversation.begin(broker.bootstrap);
      await client.createTopics(['t']);
      await client.produce('t', 0, ['x'], { headers: traceHeaders('01') });
      await broker.stop();
      expect(collector.requests).to.equal(0);
    });
  });
});
