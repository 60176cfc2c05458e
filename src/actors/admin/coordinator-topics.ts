// The ids of the coordinators' own topics. A store in front of another one asks for them: these topics are read in full
// before their groups and transactions are served, so that they stay where they can be read whatever else is away.

import type { Logger } from '../runtime/ports.ts';
import type { MetadataStore, MetadataValue, PartitionKey } from '../shard/ports.ts';
import { isInternalTopic } from './internal-topics.ts';
import { decodeTopicRecord, TOPICS_PREFIX } from './topic-record.ts';

export class CoordinatorTopics {
  readonly #store: MetadataStore;
  readonly #logger: Logger;
  /** An id stays: it never becomes that of another topic. */
  readonly #ids = new Set<string>();
  #stopWatch: (() => void) | undefined;

  constructor(store: MetadataStore, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Learns of those there are, and follows the store from then on. @throws StorageFault */
  async start(): Promise<void> {
    this.#stopWatch = this.#store.watch(TOPICS_PREFIX, (key, value) => this.#see(key, value));
    for (const value of await this.#store.list(TOPICS_PREFIX)) this.#see(value.key, value);
  }

  stop(): void {
    this.#stopWatch?.();
  }

  /** Whether the partition is one of a coordinator's topic. */
  has(partition: PartitionKey): boolean {
    return this.#ids.has(partition.slice(0, TOPIC_ID_CHARACTERS));
  }

  #see(key: string, value: MetadataValue | undefined): void {
    if (value === undefined || !isInternalTopic(key.slice(TOPICS_PREFIX.length))) return;
    const record = decodeTopicRecord(value.value);
    if (typeof record === 'string') this.#logger.log('error', 'topic is unreadable', { key, problem: record });
    else this.#ids.add(record.id);
  }
}

const TOPIC_ID_CHARACTERS = 22;
