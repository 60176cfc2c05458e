import { expect } from 'chai';
import { type Topic, TopicCatalog } from '../../../src/actors/admin/catalog.ts';
import { randomTopicId } from '../../../src/actors/admin/topic-ids.ts';
import { encodeTopicRecord, topicKey } from '../../../src/actors/admin/topic-record.ts';
import type { MetadataStore, MetadataValue } from '../../../src/actors/shard/ports.ts';
import { createMemoryStore, MemoryDisk } from '../../../src/storage/memory.ts';
import { create } from './requests.ts';
import { seededRandom, settle, startNode } from './world.ts';

describe('the catalog of topics', () => {
  it('knows after the start what other nodes have created before', async () => {
    const first = await startNode();
    await create(first, 'orders', { numPartitions: 3 });

    const second = await startNode({ disk: first.disk, nodeId: 2 });

    const topic = second.services.catalog.byName('orders');
    expect(topic).to.include({ name: 'orders', partitionCount: 3, internal: false });
    expect(second.services.catalog.byId(topic!.id)).to.equal(topic);
  });

  it('follows the creations, changes and deletions of another node', async () => {
    const first = await startNode();
    const second = await startNode({ disk: first.disk, nodeId: 2 });
    const told: string[] = [];
    second.services.catalog.onChange((topic, before) => {
      told.push(`${before?.partitionCount ?? 'none'} -> ${topic?.partitionCount ?? 'none'}`);
    });

    await create(first, 'orders');
    await first.services.topics.createPartitions('orders', 4);
    await first.services.topics.delete('orders');
    await settle();

    expect(told).to.deep.equal(['none -> 1', '1 -> 4', '4 -> none']);
    expect(second.services.catalog.byName('orders')).to.equal(undefined);
  });

  it("shows a node's own change before the change is answered", async () => {
    const { services } = await startNode();

    const created = await services.topics.create({ name: 'orders' });
    expect(services.catalog.byName('orders')).to.equal(created.topic);

    await services.topics.delete('orders');
    expect(services.catalog.byName('orders')).to.equal(undefined);
    expect(services.catalog.byId(created.topic!.id)).to.equal(undefined);
  });

  it('gives a topic that is created again a new id, and tells of two topics', async () => {
    const first = await startNode();
    const second = await startNode({ disk: first.disk, nodeId: 2 });
    const told: [string | undefined, string | undefined][] = [];
    second.services.catalog.onChange((topic, before) => told.push([before?.id, topic?.id]));

    const { topicId: oldId } = await create(first, 'orders');
    await first.services.topics.delete('orders');
    const { topicId: newId } = await create(first, 'orders');
    await settle();

    expect(newId).not.to.equal(oldId);
    expect(told).to.deep.equal([
      [undefined, oldId],
      [oldId, undefined],
      [undefined, newId],
    ]);
  });

  it('works the values of every topic out anew when a default of the broker changes', async () => {
    const { services } = await startNode();
    await services.topics.create({ name: 'default' });
    await services.topics.create({ name: 'own', configs: new Map([['retention.ms', '7']]) });

    await services.brokerConfigs.alter('', () => new Map([['log.retention.ms', '5000']]));

    expect(services.catalog.byName('default')!.values.retentionMs).to.equal(5000n);
    expect(services.catalog.byName('own')!.values.retentionMs).to.equal(7n);
  });

  it('keeps a topic as it was when its record is not understood, and says so', async () => {
    const world = await startNode();
    await create(world, 'orders', { numPartitions: 2 });
    const { revision } = world.services.catalog.byName('orders')!;

    for (const text of ['not json', '{"version":99}', '{"version":1,"id":"short"}']) {
      const stored = await world.store.metadata.get(topicKey('orders'));
      await world.store.metadata.put(topicKey('orders'), Buffer.from(text), stored!.revision);
    }

    expect(world.services.catalog.byName('orders')).to.include({ partitionCount: 2, revision });
    expect(world.log.filter(({ event }) => event === 'topic record not understood')).to.have.length(3);
  });

  // A deletion is told without a revision. One of an earlier topic of the same name that is still on its way must not take
  // down the topic that this node has found in the list: its logs would be removed.
  describe('whose watch lags behind its list', () => {
    const valuesOf = (): Topic['values'] => ({}) as Topic['values'];
    const record = (id: string, partitionCount = 1) =>
      encodeTopicRecord({ id, partitionCount, replicationFactor: 1, configs: new Map(), createdMs: 0 });
    const random = seededRandom(5);
    const oldId = randomTopicId(random);
    const newId = randomTopicId(random);

    it('does not take a late deletion of a former topic for one of the present topic', async () => {
      const { metadata } = createMemoryStore({ disk: new MemoryDisk() });
      const laggard = new LaggingStore(metadata);
      const revision = await metadata.put(topicKey('orders'), record(oldId), 0);
      const catalog = new TopicCatalog(laggard, valuesOf, { log: () => {} });
      const starting = catalog.start();
      await metadata.delete(topicKey('orders'), revision!);
      await metadata.put(topicKey('orders'), record(newId), 0);
      laggard.letListThrough();
      await starting;
      const deleted: string[] = [];
      catalog.onChange((topic, before) => topic === undefined && deleted.push(before!.id));
      expect(catalog.byName('orders')!.id).to.equal(newId);

      await laggard.tellAll();

      expect(deleted).to.deep.equal([]);
      expect(catalog.byName('orders')!.id).to.equal(newId);
    });

    it('believes a deletion once the store says the same', async () => {
      const { metadata } = createMemoryStore({ disk: new MemoryDisk() });
      const laggard = new LaggingStore(metadata);
      const revision = await metadata.put(topicKey('orders'), record(oldId), 0);
      const catalog = new TopicCatalog(laggard, valuesOf, { log: () => {} });
      laggard.letListThrough();
      await catalog.start();
      const deleted: string[] = [];
      catalog.onChange((topic, before) => topic === undefined && deleted.push(before!.id));

      await metadata.delete(topicKey('orders'), revision!);
      await laggard.tellAll();

      expect(deleted).to.deep.equal([oldId]);
    });

    it('does not bring back a topic that is deleted while it is looked up', async () => {
      const { metadata } = createMemoryStore({ disk: new MemoryDisk() });
      const laggard = new LaggingStore(metadata);
      const catalog = new TopicCatalog(laggard, valuesOf, { log: () => {} });
      laggard.letListThrough();
      await catalog.start();
      const revision = await metadata.put(topicKey('orders'), record(oldId), 0);

      const value = await metadata.get(topicKey('orders'));
      let answer: (value: MetadataValue | undefined) => void = () => {};
      laggard.nextGet = new Promise((resolve) => {
        answer = resolve;
      });
      const looking = catalog.lookUp('orders');
      await metadata.delete(topicKey('orders'), revision!);
      laggard.tellNow();
      answer(value);

      expect(await looking).to.equal(undefined);
      expect(catalog.byName('orders')).to.equal(undefined);
    });
  });
});

/** A store whose list waits until it is let through, and whose watch tells nothing until it is made to. */
class LaggingStore implements MetadataStore {
  readonly #store: MetadataStore;
  readonly #untold: (() => void)[] = [];
  readonly #listed: Promise<void>;
  letListThrough: () => void = () => {};
  nextGet: Promise<MetadataValue | undefined> | undefined;

  constructor(store: MetadataStore) {
    this.#store = store;
    this.#listed = new Promise((resolve) => {
      this.letListThrough = resolve;
    });
  }

  tellNow(): void {
    for (const tell of this.#untold.splice(0)) tell();
  }

  async tellAll(): Promise<void> {
    this.tellNow();
    await settle();
  }

  get(key: string): Promise<MetadataValue | undefined> {
    const next = this.nextGet ?? this.#store.get(key);
    this.nextGet = undefined;
    return next;
  }
  async list(prefix: string): Promise<MetadataValue[]> {
    await this.#listed;
    return this.#store.list(prefix);
  }
  put(key: string, value: Uint8Array, expectedRevision: number): Promise<number | undefined> {
    return this.#store.put(key, value, expectedRevision);
  }
  delete(key: string, expectedRevision: number): Promise<boolean> {
    return this.#store.delete(key, expectedRevision);
  }
  watch(prefix: string, onChange: (key: string, value: MetadataValue | undefined) => void): () => void {
    return this.#store.watch(prefix, (key, value) => this.#untold.push(() => onChange(key, value)));
  }
  close(): Promise<void> {
    return this.#store.close();
  }
}
