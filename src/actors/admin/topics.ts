// Changes of topics: creation, deletion, more partitions, other configs. Decides what is allowed, as Kafka's controller
// does (ReplicationControlManager, ConfigurationControlManager), and lets compare-and-set decide between nodes that
// change the same topic at once. The catalog shows a change before its promise resolves.

import type { BrokerConfig } from '../../config.ts';
import { ErrorCode } from '../../protocol/errors.ts';
import type { Clock, Random } from '../runtime/ports.ts';
import type { MetadataStore } from '../shard/ports.ts';
import { StorageFault } from '../shard/ports.ts';
import type { Topic, TopicCatalog } from './catalog.ts';
import { type InternalTopicName, internalTopicSettings } from './internal-topics.ts';
import { randomTopicId } from './topic-ids.ts';
import { topicNameProblem } from './topic-names.ts';
import { decodeTopicRecord, encodeTopicRecord, type TopicRecord, topicKey } from './topic-record.ts';

/** What came of a change, in Kafka's codes and words. */
export interface TopicOutcome {
  /** NONE when it was done (or would have been, with `validateOnly`). */
  readonly errorCode: number;
  readonly errorMessage?: string;
  /** The topic as it is now; with `validateOnly`, as it would be. */
  readonly topic?: Topic;
}

export interface TopicCreation {
  readonly name: string;
  /** -1 or left out: `num.partitions`. */
  readonly partitionCount?: number;
  /** -1 or left out: `default.replication.factor`. */
  readonly replicationFactor?: number;
  readonly configs?: ReadonlyMap<string, string>;
  /** Configs that the client sent without a value, which is refused. */
  readonly nullConfigs?: readonly string[];
  readonly validateOnly?: boolean;
}

export interface TopicAdminEnvironment {
  readonly store: MetadataStore;
  readonly catalog: TopicCatalog;
  readonly clock: Clock;
  readonly random: Random;
  /** Number of nodes in the view. */
  readonly memberCount: () => number;
  /** The broker's configuration as it is now; some of it changes at run time. */
  readonly config: () => BrokerConfig;
  /** What Kafka says against these overrides of a topic's configuration, if anything (INVALID_CONFIG). */
  readonly configsProblem: (configs: ReadonlyMap<string, string>) => string | undefined;
  /** The effective configuration under these overrides, for a topic that is only validated. */
  readonly valuesOf: (configs: ReadonlyMap<string, string>) => Topic['values'];
}

/** The next overrides of a topic, worked out from its present ones; or why they are refused. */
export type ConfigChange = (
  configs: ReadonlyMap<string, string>,
) => ReadonlyMap<string, string> | { readonly errorCode: number; readonly errorMessage: string };

/** Kafka's controller refuses an operation that would write more records than this (MAX_RECORDS_PER_USER_OP). */
const partitionsPerCreationMax = 9_999;
/** Compare-and-set attempts before a change gives way to whoever keeps winning. */
const attemptsMax = 16;

export class TopicAdmin {
  readonly #environment: TopicAdminEnvironment;
  readonly #internalUnderWay = new Map<string, Promise<TopicOutcome>>();

  constructor(environment: TopicAdminEnvironment) {
    this.#environment = environment;
  }

  /** Creates a topic. Codes as CreateTopics answers them. @throws StorageFault */
  async create(creation: TopicCreation): Promise<TopicOutcome> {
    const { store, catalog, clock, random, config } = this.#environment;
    const { name, configs = new Map<string, string>() } = creation;
    const problem = this.problemOf(creation);
    if (problem !== undefined) return problem;
    const orDefault = (count: number | undefined, fallback: number): number =>
      count === undefined || count === -1 ? fallback : count;
    const record: TopicRecord = {
      id: randomTopicId(random),
      partitionCount: orDefault(creation.partitionCount, config().numPartitions),
      replicationFactor: orDefault(creation.replicationFactor, config().defaultReplicationFactor),
      configs,
      createdMs: clock.nowMs(),
    };
    if (creation.validateOnly) {
      const topic: Topic = {
        ...record,
        name,
        internal: false,
        values: this.#environment.valuesOf(configs),
        revision: 0,
      };
      return { errorCode: ErrorCode.NONE, topic };
    }
    if ((await store.put(topicKey(name), encodeTopicRecord(record), 0)) === undefined) {
      // Another node was first, and this one may not have been told yet.
      await catalog.lookUp(name);
      return alreadyExists(name);
    }
    return this.#done(name);
  }

  /**
   * Creates a coordinator's topic, with Kafka's settings for it, unless it is there. Errors as of `create`.
   * @throws StorageFault
   */
  ensureInternal(name: InternalTopicName): Promise<TopicOutcome> {
    const topic = this.#environment.catalog.byName(name);
    if (topic !== undefined) return Promise.resolve({ errorCode: ErrorCode.NONE, topic });
    const underWay = this.#internalUnderWay.get(name);
    if (underWay !== undefined) return underWay;
    const creating = this.#createInternal(name).finally(() => this.#internalUnderWay.delete(name));
    this.#internalUnderWay.set(name, creating);
    return creating;
  }

  /**
   * Deletes the topic with this name and, when given, this id.
   * UNKNOWN_TOPIC_OR_PARTITION, or UNKNOWN_TOPIC_ID when the name now belongs to another topic. @throws StorageFault
   */
  async delete(name: string, id?: string): Promise<TopicOutcome> {
    const { store, catalog } = this.#environment;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const value = await store.get(topicKey(name));
      if (value === undefined) return id === undefined ? unknownTopic() : { errorCode: ErrorCode.UNKNOWN_TOPIC_ID };
      const record = decodeTopicRecord(value.value);
      if (typeof record === 'string') throw new StorageFault('corrupt', `${topicKey(name)}: ${record}`);
      if (id !== undefined && record.id !== id) return { errorCode: ErrorCode.UNKNOWN_TOPIC_ID };
      if (await store.delete(topicKey(name), value.revision)) {
        catalog.deleted(record.id);
        return { errorCode: ErrorCode.NONE };
      }
    }
    throw overtaken(name);
  }

  /**
   * Raises the number of partitions to `count`. Codes as CreatePartitions answers them.
   * @param check what else speaks against it, given the number of new partitions and the topic's replication factor.
   * @throws StorageFault
   */
  createPartitions(
    name: string,
    count: number,
    options: {
      readonly validateOnly?: boolean;
      readonly check?: (additional: number, replicationFactor: number) => TopicOutcome | undefined;
    } = {},
  ): Promise<TopicOutcome> {
    const { validateOnly = false, check } = options;
    return this.#change(name, validateOnly, (record) => {
      if (count === record.partitionCount) {
        return invalidPartitions(`Topic already has ${record.partitionCount} partition(s).`);
      }
      if (count < record.partitionCount) {
        return invalidPartitions(
          `The topic ${name} currently has ${record.partitionCount} partition(s); ${count} would not be an increase.`,
        );
      }
      const additional = count - record.partitionCount;
      const problem = check?.(additional, record.replicationFactor);
      if (problem !== undefined) return problem;
      if (additional > partitionsPerCreationMax) return tooManyPartitions();
      return { ...record, partitionCount: count };
    });
  }

  /** Replaces the topic's overrides by what `change` makes of them. @throws StorageFault */
  alterConfigs(name: string, change: ConfigChange, validateOnly = false): Promise<TopicOutcome> {
    return this.#change(name, validateOnly, (record) => {
      const configs = change(record.configs);
      if ('errorCode' in configs) return configs;
      const problem = this.#environment.configsProblem(configs);
      return problem === undefined ? { ...record, configs } : invalidConfig(problem);
    });
  }

  /** What speaks against creating this topic, as far as this node can tell by itself. */
  problemOf(creation: TopicCreation): TopicOutcome | undefined {
    const { catalog, memberCount, configsProblem, config } = this.#environment;
    const { name, partitionCount = -1, replicationFactor = -1, configs = new Map(), nullConfigs = [] } = creation;
    if (catalog.byName(name) !== undefined) return alreadyExists(name);
    const nameProblem = topicNameProblem(name);
    if (nameProblem !== undefined) return invalidTopic(nameProblem);
    // Nodes that create two such names at the same instant both succeed: their metrics share a name, no more.
    const colliding = catalog.collidingWith(name);
    if (colliding !== undefined) return invalidTopic(`Topic '${name}' collides with existing topic: ${colliding}`);
    if (nullConfigs.length > 0)
      return invalidConfig(`Null value not supported for topic configs: ${nullConfigs.join(',')}`);
    const configProblem = configsProblem(configs);
    if (configProblem !== undefined) return invalidConfig(configProblem);
    if (replicationFactor < -1 || replicationFactor === 0) {
      return invalidReplication('Replication factor must be larger than 0, or -1 to use the default value.');
    }
    if (partitionCount < -1 || partitionCount === 0) {
      return invalidPartitions('Number of partitions was set to an invalid non-positive value.');
    }
    if (partitionCount > partitionsPerCreationMax) return tooManyPartitions();
    const replicas = replicationFactor === -1 ? config().defaultReplicationFactor : replicationFactor;
    if (replicas > memberCount()) {
      return invalidReplication(
        `Unable to replicate the partition ${replicas} time(s): The target replication factor of ${replicas} cannot be ` +
          `reached because only ${memberCount()} broker(s) are registered.`,
      );
    }
    return undefined;
  }

  async #createInternal(name: InternalTopicName): Promise<TopicOutcome> {
    const { catalog, config, memberCount } = this.#environment;
    const { partitionCount, replicationFactor, configs } = internalTopicSettings(name, config());
    const outcome = await this.create({
      name,
      partitionCount,
      // The topic is not held back until enough nodes have joined: its records are as safe on one, in the journal.
      replicationFactor: Math.min(replicationFactor, Math.max(1, memberCount())),
      configs,
    });
    if (outcome.errorCode !== ErrorCode.TOPIC_ALREADY_EXISTS) return outcome;
    const topic = catalog.byName(name);
    return topic === undefined ? outcome : { errorCode: ErrorCode.NONE, topic };
  }

  async #change(
    name: string,
    validateOnly: boolean,
    decide: (record: TopicRecord) => TopicRecord | { readonly errorCode: number; readonly errorMessage?: string },
  ): Promise<TopicOutcome> {
    const { store } = this.#environment;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const value = await store.get(topicKey(name));
      if (value === undefined) return unknownTopic();
      const record = decodeTopicRecord(value.value);
      if (typeof record === 'string') throw new StorageFault('corrupt', `${topicKey(name)}: ${record}`);
      const next = decide(record);
      if ('errorCode' in next) return next;
      if (validateOnly) return { errorCode: ErrorCode.NONE };
      if ((await store.put(topicKey(name), encodeTopicRecord(next), value.revision)) !== undefined) {
        return this.#done(name);
      }
    }
    throw overtaken(name);
  }

  #done(name: string): TopicOutcome {
    const topic = this.#environment.catalog.byName(name);
    return topic === undefined ? { errorCode: ErrorCode.NONE } : { errorCode: ErrorCode.NONE, topic };
  }
}

function alreadyExists(name: string): TopicOutcome {
  return { errorCode: ErrorCode.TOPIC_ALREADY_EXISTS, errorMessage: `Topic '${name}' already exists.` };
}

function unknownTopic(): TopicOutcome {
  return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
}

function invalidTopic(errorMessage: string): TopicOutcome {
  return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, errorMessage };
}

function invalidConfig(errorMessage: string): TopicOutcome {
  return { errorCode: ErrorCode.INVALID_CONFIG, errorMessage };
}

function invalidPartitions(errorMessage: string): TopicOutcome {
  return { errorCode: ErrorCode.INVALID_PARTITIONS, errorMessage };
}

function invalidReplication(errorMessage: string): TopicOutcome {
  return { errorCode: ErrorCode.INVALID_REPLICATION_FACTOR, errorMessage };
}

function tooManyPartitions(): TopicOutcome {
  return {
    errorCode: ErrorCode.POLICY_VIOLATION,
    errorMessage: 'Excessively large number of partitions per request.',
  };
}

function overtaken(name: string): StorageFault {
  return new StorageFault('unavailable', `topic ${name} was changed by others ${attemptsMax} times in a row`);
}
