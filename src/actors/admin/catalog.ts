// The catalog is what this node knows of the cluster's topics. It owns nothing: the truth are the values under `topics/`
// in the metadata store, which any node may change by compare-and-set, and the catalog follows them by list and watch.
// A change made through this node's own store is in the catalog before that store's call resolves.

import type { Logger } from '../runtime/ports.ts';
import type { MetadataStore, MetadataValue } from '../shard/ports.ts';
import { isInternalTopic } from './internal-topics.ts';
import type { TopicConfigValues } from './topic-configs.ts';
import { decodeTopicRecord, TOPICS_PREFIX, topicKey } from './topic-record.ts';

export interface Topic {
  readonly name: string;
  /** As Kafka prints it: 22 characters base64url. */
  readonly id: string;
  /** Never shrinks. */
  readonly partitionCount: number;
  /** How many nodes clients are shown as replicas of a partition, the owner first; see docs/configuration.md. */
  readonly replicationFactor: number;
  /** One of the coordinators' own topics. */
  readonly internal: boolean;
  /** What was set on the topic itself; everything else comes from the broker's configuration. */
  readonly configs: ReadonlyMap<string, string>;
  /** The effective configuration, broker defaults included. */
  readonly values: TopicConfigValues;
  /** ms since 1970. */
  readonly createdMs: number;
  /** Revision of the topic's value in the metadata store. */
  readonly revision: number;
}

/** Told of one change: `topic` is absent after a deletion, `before` at a creation. Both have the same id. */
export type TopicListener = (topic: Topic | undefined, before: Topic | undefined) => void;

export class TopicCatalog {
  readonly #store: MetadataStore;
  readonly #valuesOf: (configs: ReadonlyMap<string, string>) => TopicConfigValues;
  readonly #logger: Logger;
  readonly #byName = new Map<string, Topic>();
  readonly #byId = new Map<string, Topic>();
  readonly #listeners = new Set<TopicListener>();
  /** Names by what their '.' and '_' look like in a metric, of names that have such a character. */
  readonly #byMetricName = new Map<string, Set<string>>();
  #stopWatch: (() => void) | undefined;
  /**
   * Names whose topic came from a list or a get. The watch tells of a deletion without a revision, and one of an earlier
   * topic of that name may still be on its way, so it is looked up before a topic of these counts as deleted.
   */
  readonly #looked = new Set<string>();
  /** Lookups under way; a change that is told meanwhile makes the answer worthless. */
  readonly #lookups = new Set<{ readonly key: string; overtaken: boolean }>();

  /**
   * @param valuesOf the effective configuration under these overrides and the broker's present defaults; must not throw
   *   on values that an earlier or later release has stored.
   */
  constructor(
    store: MetadataStore,
    valuesOf: (configs: ReadonlyMap<string, string>) => TopicConfigValues,
    logger: Logger,
  ) {
    this.#store = store;
    this.#valuesOf = valuesOf;
    this.#logger = logger;
  }

  /** Reads all topics and follows them from then on. @throws StorageFault */
  async start(): Promise<void> {
    // Changes that come in while the list is read wait, since the list may be older or newer than they are.
    let meanwhile: Map<string, MetadataValue | undefined> | undefined = new Map();
    this.#stopWatch = this.#store.watch(TOPICS_PREFIX, (key, value) => {
      if (meanwhile === undefined) this.#follow(key, value);
      else meanwhile.set(key, value);
    });
    const listed = await this.#store.list(TOPICS_PREFIX);
    const changed = meanwhile;
    meanwhile = undefined;
    for (const value of listed) {
      const change = changed.get(value.key);
      // A deletion that the list does not show is younger than the list, or else what made the key again is told next.
      if (changed.has(value.key) && (change === undefined || change.revision >= value.revision)) continue;
      changed.delete(value.key);
      this.#look(value.key, value);
    }
    for (const [key, value] of changed) this.#follow(key, value);
  }

  /**
   * Asks the store for a topic that this node has not been told of yet, though another node says it exists.
   * @throws StorageFault
   */
  async lookUp(name: string): Promise<Topic | undefined> {
    const key = topicKey(name);
    for (;;) {
      const lookup = { key, overtaken: false };
      this.#lookups.add(lookup);
      let value: MetadataValue | undefined;
      try {
        value = await this.#store.get(key);
      } finally {
        this.#lookups.delete(lookup);
      }
      if (lookup.overtaken) continue;
      if (value !== undefined) this.#look(key, value);
      else {
        const before = this.#byName.get(name);
        if (before !== undefined) this.#remove(before);
      }
      return this.#byName.get(name);
    }
  }

  /** Takes the news that this node's own compare-and-set has deleted this topic. */
  deleted(id: string): void {
    const topic = this.#byId.get(id);
    if (topic !== undefined) this.#remove(topic);
  }

  /** Stops following. */
  stop(): void {
    this.#stopWatch?.();
    this.#stopWatch = undefined;
  }

  /** How many topics there are. */
  get size(): number {
    return this.#byName.size;
  }

  byName(name: string): Topic | undefined {
    return this.#byName.get(name);
  }

  byId(id: string): Topic | undefined {
    return this.#byId.get(id);
  }

  /** All topics, in no order that means anything. */
  all(): Iterable<Topic> {
    return this.#byName.values();
  }

  /** A topic whose metrics would bear the same name ('.' and '_' become the same), if there is one. */
  collidingWith(name: string): string | undefined {
    const names = this.#byMetricName.get(metricName(name));
    return names === undefined || !hasCollisionChars(name) ? undefined : names.values().next().value;
  }

  /** Calls `listener` for each change from now on, in order. @returns stops it. */
  onChange(listener: TopicListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Works out every topic's effective values again, after the broker's own configuration has changed. */
  refreshValues(): void {
    for (const before of [...this.#byName.values()]) {
      this.#set({ ...before, values: this.#valuesOf(before.configs) }, before);
    }
  }

  /** Takes a change from the watch. */
  #follow(key: string, value: MetadataValue | undefined): void {
    const name = key.slice(TOPICS_PREFIX.length);
    for (const lookup of this.#lookups) lookup.overtaken ||= lookup.key === key;
    if (value !== undefined) {
      this.#looked.delete(name);
      this.#take(name, value);
      return;
    }
    const before = this.#byName.get(name);
    if (before === undefined) return;
    if (!this.#looked.has(name)) {
      this.#remove(before);
      return;
    }
    this.lookUp(name).catch((error) => {
      // The topic stays until the next change of it, or the next start, says otherwise: no log is removed on a guess.
      this.#logger.log('error', 'deleted topic not looked up', { topic: name, error });
    });
  }

  /** Takes a value from a list or a get. */
  #look(key: string, value: MetadataValue): void {
    const name = key.slice(TOPICS_PREFIX.length);
    if (this.#take(name, value)) this.#looked.add(name);
  }

  /** @returns whether the value was news. */
  #take(name: string, value: MetadataValue): boolean {
    const before = this.#byName.get(name);
    if (before !== undefined && before.revision >= value.revision) return false;
    const topic = this.#decode(name, value);
    if (topic === undefined) return false;
    if (before !== undefined && before.id !== topic.id) {
      // Deleted and created again while nobody told us of the deletion: two changes, of two topics.
      this.#remove(before);
      this.#set(topic, undefined);
    } else this.#set(topic, before);
    return true;
  }

  #decode(name: string, value: MetadataValue): Topic | undefined {
    const record = decodeTopicRecord(value.value);
    if (typeof record === 'string') {
      // The topic stays as it was last understood; nothing is served from a value that may mean something else.
      this.#logger.log('error', 'topic record not understood', { key: topicKey(name), reason: record });
      return undefined;
    }
    return {
      name,
      id: record.id,
      partitionCount: record.partitionCount,
      replicationFactor: record.replicationFactor,
      internal: isInternalTopic(name),
      configs: record.configs,
      values: this.#valuesOf(record.configs),
      createdMs: record.createdMs,
      revision: value.revision,
    };
  }

  #set(topic: Topic, before: Topic | undefined): void {
    this.#byName.set(topic.name, topic);
    this.#byId.set(topic.id, topic);
    if (hasCollisionChars(topic.name)) {
      const metric = metricName(topic.name);
      const names = this.#byMetricName.get(metric);
      if (names === undefined) this.#byMetricName.set(metric, new Set([topic.name]));
      else names.add(topic.name);
    }
    this.#tell(topic, before);
  }

  #remove(before: Topic): void {
    this.#byName.delete(before.name);
    this.#byId.delete(before.id);
    this.#looked.delete(before.name);
    const metric = metricName(before.name);
    const names = this.#byMetricName.get(metric);
    if (names?.delete(before.name) && names.size === 0) this.#byMetricName.delete(metric);
    this.#tell(undefined, before);
  }

  #tell(topic: Topic | undefined, before: Topic | undefined): void {
    for (const listener of [...this.#listeners]) listener(topic, before);
  }
}

function metricName(name: string): string {
  return name.replaceAll('.', '_');
}

function hasCollisionChars(name: string): boolean {
  return name.includes('.') || name.includes('_');
}
