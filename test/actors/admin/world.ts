// Nodes for the admin stories: production parts over a shared memory disk, with a clock that the test advances. What a
// client would send goes straight to the handlers.

import { BrokerConfigs } from '../../../src/actors/admin/broker-configs.ts';
import { TopicCatalog } from '../../../src/actors/admin/catalog.ts';
import { ProducerIds } from '../../../src/actors/admin/producer-ids.ts';
import { parseTopicConfigs, topicConfigValues } from '../../../src/actors/admin/topic-configs.ts';
import { TopicAdmin } from '../../../src/actors/admin/topics.ts';
import { bindPartition } from '../../../src/actors/partition/binding.ts';
import { definePartition } from '../../../src/actors/partition/partition.ts';
import {
  NO_RESPONSE,
  type RequestContext,
  type RequestHandler,
  type Services,
} from '../../../src/actors/router/services.ts';
import type { Clock, Logger, Random, TimerHandle } from '../../../src/actors/runtime/ports.ts';
import { ActorKind } from '../../../src/actors/runtime/system.ts';
import type { PartitionKey } from '../../../src/actors/shard/ports.ts';
import { parsePartitionKey, Shards } from '../../../src/actors/shard/shards.ts';
import { type Member, View } from '../../../src/actors/shard/view.ts';
import { brokerConfigWith } from '../../../src/config.ts';
import { createMemoryStore, MemoryDisk, type MemoryFaults, type MemoryScheduler } from '../../../src/storage/memory.ts';

/** Time that passes when the test says so. */
export class ManualClock implements Clock {
  #nowMs = 1_700_000_000_000;
  readonly #timers = new Map<object, { readonly atMs: number; readonly fire: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }
  monotonicMs(): number {
    return this.#nowMs;
  }
  setTimer(delayMs: number, fire: () => void): TimerHandle {
    const handle = {};
    this.#timers.set(handle, { atMs: this.#nowMs + delayMs, fire });
    return handle;
  }
  clearTimer(timer: TimerHandle): void {
    this.#timers.delete(timer);
  }
  /** Fires what is due on the way, in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [due] = [...this.#timers].filter(([, { atMs }]) => atMs <= endMs).sort((a, b) => a[1].atMs - b[1].atMs);
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#nowMs = Math.max(this.#nowMs, due[1].atMs);
      due[1].fire();
    }
    this.#nowMs = endMs;
  }
}

/** A small seeded generator (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { float: next, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) };
}

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

export interface WorldOptions {
  readonly disk?: MemoryDisk;
  readonly nodeId?: number;
  /** Node ids of the view; the node itself alone unless given. */
  readonly memberIds?: readonly number[];
  readonly config?: Readonly<Record<string, string>>;
  readonly faults?: MemoryFaults;
  readonly schedule?: MemoryScheduler;
}

export interface World {
  readonly services: Services;
  readonly clock: ManualClock;
  readonly disk: MemoryDisk;
  readonly store: ReturnType<typeof createMemoryStore>;
  readonly log: readonly LogLine[];
  /** What a client on the listener PLAINTEXT gets. */
  call<Request, Response>(
    handler: RequestHandler<Request, Response>,
    request: Request,
    apiVersion?: number,
    listener?: string,
  ): Promise<Response>;
}

/** The version that handlers take for the latest when a story does not care. */
const latestVersion = 99;

export function memberOf(nodeId: number): Member {
  return {
    nodeId,
    endpoints: {
      PLAINTEXT: { host: `node${nodeId}.example`, port: 9092 },
      OUTSIDE: { host: 'proxy.example', port: 10_000 + nodeId },
    },
    rack: `rack-${nodeId}`,
  };
}

/** A node that has started, opened its shards and follows the topics. */
export async function startNode(options: WorldOptions = {}): Promise<World> {
  const { nodeId = 1, memberIds = [nodeId], disk = new MemoryDisk(), faults, schedule } = options;
  const store = createMemoryStore({ disk, ...(faults && { faults }), ...(schedule && { schedule }) });
  const clock = new ManualClock();
  const random = seededRandom(nodeId);
  const log: LogLine[] = [];
  const logger: Logger = {
    log: (level, event, fields) => {
      log.push(fields === undefined ? { level, event } : { level, event, fields });
    },
  };
  const initial = brokerConfigWith({ 'node.id': String(nodeId), ...options.config });
  const brokerConfigs = new BrokerConfigs(initial, store.metadata, logger);
  await brokerConfigs.start();
  const view = new View(nodeId, {
    epoch: 1,
    clusterId: 'A-cluster-of-22-chars-',
    shardCount: 8,
    members: memberIds.map(memberOf),
  });
  const shards = new Shards({
    storage: store.shards,
    view,
    clock,
    logger,
    limits: { appendBytesMax: 1_000_000, reopenDelayMs: 100 },
    onClosed: () => {},
    onReopened: () => {},
  });
  await shards.openOwned();
  const catalog = new TopicCatalog(
    store.metadata,
    (overrides) => topicConfigValues(overrides, brokerConfigs.current),
    logger,
  );
  await catalog.start();
  brokerConfigs.onChange(() => catalog.refreshValues());
  const definition = definePartition(
    { mailboxMessagesMax: 100, passivateAfterMs: 1_000_000, checkpointBatches: 100 },
    { onCommitted: () => {} },
  );
  const exists = (key: PartitionKey): boolean => {
    const { topicId, index } = parsePartitionKey(key);
    return index < (catalog.byId(topicId)?.partitionCount ?? 0);
  };
  const partitions = new ActorKind(definition, (key) => bindPartition(key as PartitionKey, shards, exists), {
    clock,
    random,
    logger,
  });
  const services = {
    get config() {
      return brokerConfigs.current;
    },
    brokerConfigs,
    clock,
    random,
    logger,
    view,
    shards,
    catalog,
    topics: new TopicAdmin({
      store: store.metadata,
      catalog,
      clock,
      random,
      memberCount: () => view.members.length,
      config: () => brokerConfigs.current,
      configsProblem: (overrides) => {
        const parsed = parseTopicConfigs(overrides, brokerConfigs.current);
        return 'invalid' in parsed ? parsed.invalid.message : undefined;
      },
      valuesOf: (overrides) => topicConfigValues(overrides, brokerConfigs.current),
    }),
    producerIds: new ProducerIds(store.metadata),
    directory: { partition: (key: PartitionKey) => partitions.ref(key) },
    metadataStore: store.metadata,
    storage: store.shards,
  } as unknown as Services;
  return {
    services,
    clock,
    disk,
    store,
    log,
    async call(handler, request, apiVersion = latestVersion, listener = 'PLAINTEXT') {
      const context: RequestContext = {
        apiKey: 0,
        apiVersion,
        correlationId: 1,
        clientId: 'story',
        clientHost: '/127.0.0.1',
        connectionId: 1,
        listener,
        isClosed: () => false,
        trace: undefined,
      };
      const response = await handler(request, context, services);
      if (response === NO_RESPONSE) throw new Error('the handler gave no response');
      return response;
    },
  };
}

/** Lets promises that are ready, and those that they make ready, run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
