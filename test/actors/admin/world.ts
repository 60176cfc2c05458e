// Nodes for the admin stories: production parts over a shared memory disk, with a clock that the test advances. What a
// client would send goes straight to the handlers.

import { Node } from '../../../src/actors/node.ts';
import {
  NO_RESPONSE,
  type RequestContext,
  type RequestHandler,
  type Services,
} from '../../../src/actors/router/services.ts';
import type { Clock, Logger, Random, TimerHandle } from '../../../src/actors/runtime/ports.ts';
import { encodeView, VIEW_KEY } from '../../../src/actors/shard/membership.ts';
import type { Member, ViewValue } from '../../../src/actors/shard/view.ts';
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
  /** Node ids of a new cluster; the node itself alone unless given. A node on a disk with a cluster joins that. */
  readonly memberIds?: readonly number[];
  readonly config?: Readonly<Record<string, string>>;
  readonly faults?: Pick<MemoryFaults, 'beforePut' | 'beforeRead'>;
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

/** The view of a cluster of these nodes. */
function viewOf(memberIds: readonly number[]): ViewValue {
  return { epoch: 1, clusterId: 'A-cluster-of-22-chars-', shardCount: 8, members: memberIds.map(memberOf) };
}

/** A node that has started, opened its shards and follows the topics. */
export async function startNode(options: WorldOptions = {}): Promise<World> {
  const { nodeId = 1, memberIds = [nodeId], disk = new MemoryDisk(), faults, schedule } = options;
  const self = memberOf(nodeId);
  if (disk.get(VIEW_KEY) === undefined) disk.set(VIEW_KEY, encodeView(viewOf(memberIds)), 0, disk);
  // Faults belong to the story, not to the start of the node.
  let started = false;
  const store = createMemoryStore({
    disk,
    ...(schedule && { schedule }),
    faults: {
      beforePut: (key, value) => (started ? (faults?.beforePut?.(key, value) ?? 'ok') : 'ok'),
      beforeRead: (shard, node) => (started ? (faults?.beforeRead?.(shard, node) ?? 'ok') : 'ok'),
    },
  });
  const clock = new ManualClock();
  const log: LogLine[] = [];
  const logger: Logger = {
    log: (level, event, fields) => {
      log.push(fields === undefined ? { level, event } : { level, event, fields });
    },
  };
  const config = brokerConfigWith({ 'node.id': String(nodeId), 'broker.rack': self.rack!, ...options.config });
  const ports = { clock, random: seededRandom(nodeId), logger, storage: store.shards, metadataStore: store.metadata };
  const node = await Node.start(config, self.endpoints, ports);
  const { services } = node;
  started = true;
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
        isClosing: () => false,
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
