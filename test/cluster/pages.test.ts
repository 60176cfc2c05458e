// Stories of the pages of a cluster of two nodes: groups of all of it on every node, with names that want to break out.

import { expect } from 'chai';
import kafkajs from 'kafkajs';
import { eventually } from '../clients/waiting.ts';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';
import { adminBase } from './admin-client.ts';

const startTimeoutMs = 180_000;
const topic = 'orders';
const partitionCount = 4;
/** Groups enough for both nodes to coordinate some, and one whose name is a trap. */
const plainGroups = ['billing', 'mail', 'search', 'stock', 'audit', 'reports'];
const trap = `<script>alert("g")</script>/a&b'?#%2F`;
const trapClient = '"><img src=x onerror=alert(1)>';
const markup = /<script|<img|onerror=alert\(1\)>/i;

interface Shown {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

// biome-ignore lint/suspicious/noExplicitAny: any page's JSON
type Json = any;

describe('the pages of two nodes', function () {
  this.timeout(60_000);
  let cluster: ClusterProcesses;
  let bases: string[];
  const consumers: kafkajs.Consumer[] = [];

  before(async function () {
    this.timeout(startTimeoutMs);
    cluster = await startCluster({
      nodes: 2,
      config: {
        'admin.listeners': 'http://127.0.0.1:0',
        'group.initial.rebalance.delay.ms': '0',
        'offsets.topic.num.partitions': '8',
        // The node that dies is not to be voted out while it is looked for.
        'failure.detection.ms': '60000',
      },
    });
    bases = cluster.nodes.map((node) => adminBase(node));
    const admin = client('setup').admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: partitionCount }], waitForLeaders: true });
    await admin.disconnect();
    const producer = client('setup').producer();
    await producer.connect();
    await producer.send({ topic, messages: records(3) });
    await producer.disconnect();
    for (const groupId of [...plainGroups, trap]) await consumeAll(groupId);
  });
  after(async function () {
    this.timeout(startTimeoutMs);
    await Promise.allSettled(consumers.map((consumer) => consumer.disconnect()));
    await cluster?.close();
  });

  function client(clientId: string): kafkajs.Kafka {
    return new kafkajs.Kafka({ clientId, brokers: [cluster.nodes[0]!.bootstrap], logLevel: kafkajs.logLevel.NOTHING });
  }

  function records(each: number): kafkajs.Message[] {
    return Array.from({ length: each * partitionCount }, (_, at) => ({ partition: at % partitionCount, value: 'x' }));
  }

  /** Reads what there is, commits it, and stays in the group without reading on. */
  async function consumeAll(groupId: string): Promise<void> {
    const consumer = client(trapClient).consumer({ groupId, heartbeatInterval: 500 });
    consumers.push(consumer);
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    let read = 0;
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          autoCommit: false,
          eachMessage: async ({ partition, message }) => {
            await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
            if (++read === 3 * partitionCount) {
              consumer.pause([{ topic }]);
              resolve();
            }
          },
        })
        .catch(reject);
    });
  }

  async function get(node: number, path: string): Promise<Shown> {
    const response = await fetch(`${bases[node]}${path}`, { signal: AbortSignal.timeout(20_000) });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  async function json(node: number, path: string): Promise<Json> {
    return JSON.parse((await get(node, path)).text);
  }

  it('show every group of the cluster, the same on both', async () => {
    const [one, other] = await Promise.all([0, 1].map((node) => json(node, '/api/groups')));
    expect(one.groups.map(({ groupId }: Json) => groupId)).to.have.members([...plainGroups, trap]);
    expect(one.notAvailable).to.deep.equal([]);
    expect(other).to.deep.equal(one);
    const coordinators = new Set<number>(one.groups.map(({ coordinator }: Json) => coordinator));
    expect([...coordinators].sort(), 'both coordinate some').to.deep.equal([1, 2]);
    for (const group of one.groups) {
      expect(group).to.deep.include({ available: true, state: 'Stable', protocolType: 'consumer' });
      expect(group.members).to.have.length(1);
    }
    const pages = await Promise.all([0, 1].map((node) => get(node, '/groups')));
    for (const { status, text } of pages) {
      expect(status).to.equal(200);
      for (const groupId of plainGroups) expect(text).to.include(`<a href="/groups/${groupId}">`);
    }
  });

  it('tell the lag of each partition, wherever it lies', async () => {
    const producer = client('setup').producer();
    await producer.connect();
    await producer.send({ topic, messages: records(2) });
    await producer.send({ topic, messages: [{ partition: 1, value: 'x' }] });
    await producer.disconnect();
    const lags = [2, 3, 2, 2];
    for (const node of [0, 1]) {
      for (const groupId of plainGroups) {
        const { members, partitions, lagRecords } = await json(node, `/api/groups/${groupId}`);
        const rows = lags.map((lag, partition) => ({
          ...{ topic, partition, committedOffset: '3', logEndOffset: String(3 + lag), lagRecords: String(lag) },
          memberId: members[0].memberId,
        }));
        expect(partitions).to.deep.equal(rows);
        expect(lagRecords).to.equal('9');
        expect(members[0].assignment).to.deep.equal([{ topic, partitions: [0, 1, 2, 3] }]);
      }
    }
    const { text } = await get(1, `/groups/billing`);
    expect(text).to.match(
      /<th scope="row"><bdi>orders<\/bdi><\/th><td class="number">1<\/td><td class="number">3<\/td><td class="number">6<\/td><td class="number">3<\/td>/,
    );
  });

  it('show names of users as text', async () => {
    for (const node of [0, 1]) {
      const list = await get(node, `/groups?search=${encodeURIComponent('<script>')}`);
      const link = /<a href="(\/groups\/[^"]+)"><bdi>&lt;script&gt;/.exec(list.text)?.[1];
      expect(link, list.text).to.be.a('string');
      const path = link!.replaceAll('&#39;', "'");
      expect(list.text).to.include('value="&lt;script&gt;"').and.not.to.match(markup);
      const one = await get(node, path);
      expect(one.status).to.equal(200);
      expect(one.text).not.to.match(markup);
      expect(one.text).to.include('&quot;&gt;&lt;img src=x onerror=alert(1)&gt;');
      expect(one.headers.get('content-security-policy')).to.include("default-src 'none'");
      expect(one.headers.get('x-content-type-options')).to.equal('nosniff');
      expect((await json(node, `/api${path}`)).groupId).to.equal(trap);
      const nobody = await get(node, `/groups/${encodeURIComponent('<img src=x>')}`);
      expect(nobody.status).to.equal(404);
      expect(nobody.text).not.to.match(markup);
    }
  });

  it('stand alone: no scripts, nothing from elsewhere, and a switch for coming again', async () => {
    for (const path of ['/', '/groups', '/groups/billing']) {
      const { text, headers } = await get(0, path);
      expect(headers.get('content-type')).to.equal('text/html; charset=utf-8');
      expect(text).not.to.match(/<(script|link|iframe|img)|<[^>]*\ssrc=|url\(|@import/i);
      expect(text).to.include('<meta http-equiv="refresh"').and.to.include(`<a href="${path}?refresh=off">`);
      const still = await get(0, `${path}?refresh=off`);
      expect(still.text).not.to.include('http-equiv');
      expect(still.text).to.include(`<a href="${path}">Have it`);
    }
    const posted = await fetch(`${bases[0]}/groups/billing`, { method: 'DELETE' });
    expect(posted.status).to.equal(404);
  });

  it('show the nodes with their shards and parts, the same on both', async () => {
    const [one, other] = await Promise.all([0, 1].map((node) => json(node, '/api/cluster')));
    expect(one.nodes.map(({ nodeId }: Json) => nodeId)).to.deep.equal([1, 2]);
    const facts = ({ nodes }: Json) =>
      nodes.map(({ nodeId, endpoints, status }: Json) => [nodeId, endpoints, status.value.shards]);
    expect(facts(other)).to.deep.equal(facts(one));
    expect(one.nodes.map(({ status }: Json) => status.value.shards)).to.deep.equal([
      { owned: 24, open: 24 },
      { owned: 24, open: 24 },
    ]);
    const { text } = await get(1, '/');
    expect(text).to.include('<caption>Parts of node 1</caption>').and.to.include('<caption>Parts of node 2</caption>');
    expect(text).to.include('24 / 24').and.not.to.include('not available');
  });

  it('say whose groups are not available when a node is dead, and which group', async () => {
    const { groups } = await json(0, '/api/groups');
    const of = (nodeId: number): string[] =>
      groups.filter(({ coordinator }: Json) => coordinator === nodeId).map(({ groupId }: Json) => groupId);
    await cluster.nodes[1]!.kill();
    await eventually('the dead node is missed', 20_000, async () => {
      const left = await json(0, '/api/groups');
      expect(left.notAvailable.map(({ nodeId }: Json) => nodeId)).to.deep.equal([2]);
      expect(left.groups.map(({ groupId }: Json) => groupId)).to.have.members(of(1));
    });
    expect((await get(0, '/groups')).text).to.include('The groups that node 2 coordinates are not available: ');
    for (const groupId of of(2)) {
      const page = await get(0, `/groups/${encodeURIComponent(groupId)}`);
      expect(page.status).to.equal(503);
      expect(page.text).to.match(/is not available: node 2\b/);
      expect(await json(0, `/api/groups/${encodeURIComponent(groupId)}`)).to.deep.include({
        ...{ groupId, coordinator: 2, available: false },
      });
    }
    // A group of the living node is there; what it cannot tell of the dead one's partitions, it says.
    const [here] = of(1);
    const { partitions } = await json(0, `/api/groups/${encodeURIComponent(here as string)}`);
    expect(partitions).to.have.length(partitionCount);
    expect(partitions.map(({ committedOffset }: Json) => committedOffset)).to.deep.equal(['3', '3', '3', '3']);
    const untold = partitions.filter(({ logEndOffset }: Json) => logEndOffset === null);
    expect(untold).not.to.be.empty;
    expect((await get(0, '/')).text).to.match(/Node 2 is not available: /);
  });
});
