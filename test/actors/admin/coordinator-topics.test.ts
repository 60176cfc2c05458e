// Which partitions are the coordinators' own, as a store asks for it.

import { expect } from 'chai';
import { CoordinatorTopics } from '../../../src/actors/admin/coordinator-topics.ts';
import { encodeTopicRecord, topicKey } from '../../../src/actors/admin/topic-record.ts';
import { partitionKey } from '../../../src/actors/shard/ports.ts';
import { createMemoryStore } from '../../../src/storage/memory.ts';

const idOf = (letter: string): string => letter.repeat(22);

describe('the topics of the coordinators', () => {
  it('are known by their ids, those that are there and those that come', async () => {
    const { metadata } = createMemoryStore();
    const create = (name: string, id: string) =>
      metadata.put(
        topicKey(name),
        encodeTopicRecord({ id, partitionCount: 50, replicationFactor: 1, configs: new Map(), createdMs: 0 }),
        0,
      );
    await create('__consumer_offsets', idOf('A'));
    await create('orders', idOf('B'));
    await metadata.put(topicKey('__share_group_state'), Buffer.from('of a later release'), 0);
    const logged: string[] = [];
    const topics = new CoordinatorTopics(metadata, { log: (_, event) => logged.push(event) });
    await topics.start();
    await create('__transaction_state', idOf('C'));
    await create('payments', idOf('D'));
    const found = ['A', 'B', 'C', 'D'].filter((letter) => topics.has(partitionKey(idOf(letter), 7)));
    expect(found).to.deep.equal(['A', 'C']);
    expect(logged).to.deep.equal(['topic is unreadable']);
    topics.stop();
  });
});
