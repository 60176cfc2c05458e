// How soon other nodes serve what a dead one owned: partitions and groups, few and many, in the cluster's own time. What
// a busy machine adds is taken from partitions and groups of the nodes that live, which were asked beside the others.

import { expect } from 'chai';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';
import { batchOf, Conversation, type GroupMember } from './conversation.ts';
import { Pulses } from './pulses.ts';

const setUpTimeoutMs = 360_000;
const testTimeoutMs = 150_000;
const topic = 'pulses';

/** Beside detection: what the election of the next owners, their opening of the shards and a retry may take. */
const electionMs = 1_000;

let cluster: ClusterProcesses;

function useCluster(config: Readonly<Record<string, string>>): void {
  before(async function () {
    this.timeout(setUpTimeoutMs);
    cluster = await startCluster({ config: { 'group.initial.rebalance.delay.ms': '0', ...config } });
  });
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    for (const node of cluster.nodes) console.error(`a node printed:\n${node.output().slice(-6000)}`);
  });
  after(async function () {
    this.timeout(setUpTimeoutMs);
    await cluster?.close();
  });
}

async function withConversation<T>(nodeIndex: number, work: (conversation: Conversation) => Promise<T>): Promise<T> {
  const conversation = await Conversation.begin(cluster.nodes[nodeIndex]!.bootstrap);
  try {
    return await work(conversation);
  } finally {
    conversation.end();
  }
}

/** Names, of `count` tried, by the id of the node that coordinates the groups of these names. */
async function groupsByCoordinator(conversation: Conversation, prefix: string, count: number) {
  const coordinators = await conversation.coordinators(Array.from({ length: count }, (_, at) => `${prefix}-${at}`));
  const groups = new Map<number, string[]>();
  for (const [groupId, nodeId] of coordinators) groups.set(nodeId, [...(groups.get(nodeId) ?? []), groupId]);
  return groups;
}

describe('a cluster of which a node dies', () => {
  const detectionMs = 2_000;
  const partitions = 12;
  useCluster({ 'failure.detection.ms': String(detectionMs), 'offsets.topic.num.partitions': '12' });

  it('serves its partitions and its groups again within the detection time and a second', async function () {
    this.timeout(testTimeoutMs);
    await withConversation(0, async (conversation) => {
      expect(await conversation.createTopics([topic], partitions)).to.deep.equal([0]);
      await conversation.join('first', topic);
    });
    for (const victim of [0, 1, 2]) {
      const survivor = (victim + 1) % 3;
      const { leaders, groups } = await withConversation(survivor, async (conversation) => ({
        leaders: await conversation.leaders(topic),
        groups: await groupsByCoordinator(conversation, `round-${victim}`, 40),
      }));
      const chosen = [...groups.values()].flatMap((groupIds) => groupIds.slice(0, 4));
      const own = new Set([
        ...[...leaders].filter(([, nodeId]) => nodeId === victim + 1).map(([partition]) => `partition ${partition}`),
        ...groups.get(victim + 1)!.map((groupId) => `group ${groupId}`),
      ]);
      const pulses = await Pulses.begin({
        bootstraps: [cluster.nodes[survivor]!.bootstrap],
        topic,
        partitions: [...leaders.keys()],
        groupIds: chosen,
      });
      try {
        await pulses.beating();
        pulses.reset();
        await cluster.nodes[victim]!.kill();
        await pulses.beating();
        await pulses.beating();
      } finally {
        expect(await pulses.end()).to.deep.equal([]);
      }
      const gaps = [...pulses.gapsMs()];
      const longest = (kind: string, ofVictim: boolean) =>
        Math.max(...gaps.filter(([name]) => name.startsWith(kind) && own.has(name) === ofVictim).map(([, ms]) => ms));
      const busyMs = Math.max(longest('partition', false), longest('group', false));
      const [partitionMs, groupMs] = [longest('partition', true), longest('group', true)];
      console.log(
        `      node ${victim + 1}: partitions ${Math.round(partitionMs)}, groups ${Math.round(groupMs)}, of the living ${Math.round(busyMs)} ms`,
      );
      for (const gapMs of [partitionMs, groupMs]) {
        expect(gapMs).to.be.within(detectionMs * 0.8, detectionMs + electionMs + busyMs);
      }
      await cluster.nodes[victim]!.restart();
    }
  });
});

describe('a cluster of which a node dies that owned a shard with much in it', () => {
  const victim = 0;
  const survivor = 2;
  const partitions = 96;
  const records = 1_000_000;
  const batchRecords = 100;
  const groupCount = 1_000;
  const clients = 16;
  /** From the view without the dead node until the last partition and the last group have been served. */
  const takeoverMs = 2_000;
  useCluster({ 'failure.detection.ms': '1000', shards: '3' });

  it('opens it, with a million records and a thousand groups, in less than two seconds', async function () {
    this.timeout(testTimeoutMs);
    const { own, others, groupIds } = await withConversation(victim, async (conversation) => {
      expect(await conversation.createTopics([topic], partitions)).to.deep.equal([0]);
      await conversation.join('first', topic);
      const leaders = [...(await conversation.leaders(topic))];
      const groups = await groupsByCoordinator(conversation, 'many', groupCount * 5);
      return {
        own: leaders.filter(([, nodeId]) => nodeId === victim + 1).map(([partition]) => partition),
        others: leaders.filter(([, nodeId]) => nodeId !== victim + 1).map(([partition]) => partition),
        groupIds: groups.get(victim + 1)!.slice(0, groupCount),
      };
    });
    expect(own).to.have.length(partitions / 3);
    expect(groupIds).to.have.length(groupCount);
    const batch = batchOf(Array.from({ length: batchRecords }, (_, at) => `value ${at}`));
    await inTurns(clients, records / batchRecords, async (conversation, at) => {
      expect(await conversation.produceBatch(topic, own[at % own.length]!, batch)).to.equal(0);
    });
    const members = new Map<string, GroupMember>();
    await inTurns(clients, groupCount, async (conversation, at) => {
      const groupId = groupIds[at]!;
      const member = await conversation.join(groupId, topic);
      members.set(groupId, member);
      await conversation.commit(groupId, member, topic, [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]);
    });

    const pulses = await Pulses.begin({
      bootstraps: [cluster.nodes[survivor]!.bootstrap],
      topic,
      partitions: others.slice(0, 4),
      groupIds: [],
    });
    await pulses.beating();
    pulses.reset();
    const printed = cluster.nodes.map((node) => node.output().length);
    await cluster.nodes[victim]!.kill();
    let partitionsMs = 0;
    let groupsMs = 0;
    await Promise.all([
      inTurns(clients, own.length, async (conversation, at) => {
        while ((await conversation.produceBatch(topic, own[at]!, batch)) !== 0);
        partitionsMs = Date.now();
      }),
      inTurns(clients, groupCount, async (conversation, at) => {
        while ((await conversation.heartbeat(groupIds[at]!, members.get(groupIds[at]!)!)) !== 0);
        groupsMs = Date.now();
      }),
    ]);
    await pulses.end();
    const changedMs = Math.min(
      ...[1, 2].flatMap((index) => {
        const view = /^(\S+) INFO view epoch=\d+ members=\[2,3\]/m.exec(
          cluster.nodes[index]!.output().slice(printed[index]),
        );
        return view === null ? [] : [Date.parse(view[1]!)];
      }),
    );
    const busyMs = Math.max(...pulses.gapsMs().values());
    const took = [partitionsMs - changedMs, groupsMs - changedMs];
    console.log(`      partitions in ${took[0]}, groups in ${took[1]} ms; of the living ${Math.round(busyMs)} ms`);
    expect(Math.max(...took)).to.be.within(1, takeoverMs + busyMs);
    await withConversation(survivor, async (conversation) => {
      let ends = 0n;
      for (const partition of own) ends += await conversation.endOffset(topic, partition);
      expect(ends).to.equal(BigInt(records + own.length * batchRecords));
    });
  });

  /** Does `work` for 0 to `count` - 1, each of several connections its share one by one. */
  async function inTurns(
    connections: number,
    count: number,
    work: (conversation: Conversation, at: number) => Promise<void>,
  ): Promise<void> {
    await Promise.all(
      Array.from({ length: connections }, (_, first) =>
        withConversation(survivor, async (conversation) => {
          for (let at = first; at < count; at += connections) await work(conversation, at);
        }),
      ),
    );
  }
});
