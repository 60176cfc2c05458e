// The journal store: shards in JetStream streams and metadata in a JetStream KV bucket, for a node of a cluster. This file
// opens and closes it; the parts are
//
//   requester        requests over a connection       streams, names     the streams and what they are called
//   message-format   a message of the log             index-format       a message of the index
//   chain            appends by compare-and-set       index-writer       digests and bases of a shard's state
//   shard-log        one opening of a shard           shard-opener       how an opening comes about
//   shard-state      what the messages add up to: partition-state, rows, header-window, ledger
//   log-reader, message-reader   reads                trimmer, usage     space
//   cold-link, cold-openings, cold-mover              the way to the cold store and back
//   metadata-store, metadata-mirror                   the KV bucket

import { endianness } from 'node:os';
import { type ConnectionOptions, connect, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from '../../actors/runtime/ports.ts';
import type { MetadataStore, PartitionKey, ShardLog, ShardStorage } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import { noTracer, type Tracer } from '../../events.ts';
import type { ColdStore } from '../seaweed/cold-store.ts';
import { Budget } from './budget.ts';
import { ColdOpenings } from './cold-openings.ts';
import { JOURNAL_LIMITS, type JournalLimits, MESSAGE_OVERHEAD_BYTES } from './limits.ts';
import { MessageReader } from './message-reader.ts';
import { bucketConfig, JournalMetadataStore } from './metadata-store.ts';
import { Requester } from './requester.ts';
import type { JournalContext, JournalShardLog } from './shard-log.ts';
import { openShard } from './shard-opener.ts';
import { type JournalStatus, portStatus, statusOf } from './status.ts';
import { ensureStream, persist, prepareStreams } from './streams.ts';
import { Usage } from './usage.ts';

export interface JournalStoreOptions {
  /** host:port of the NATS servers. */
  readonly servers: readonly string[];
  /** Credentials and TLS, as the NATS client takes them. */
  readonly connection?: Pick<ConnectionOptions, 'user' | 'pass' | 'token' | 'authenticator' | 'tls'>;
  /** Begins the names of the streams, subjects and the bucket; one a Sargasso cluster. */
  readonly streamPrefix: string;
  /** How many NATS servers have each message before it is acknowledged. Syncing to disk is set in nats-server. */
  readonly replicas: 1 | 3;
  /** Bytes that the log may hold; more is refused as `full`. -1: what NATS has. */
  readonly bytesMax: number;
  /** The largest batch that a partition takes (`message.max.bytes`). NATS must take a message with it. */
  readonly batchBytesMax: number;
  /** Log streams that the shards are spread over; fixed when the journal is created. Default 1. */
  readonly streamCount?: number;
  /** JetStream's API, `$JS.API`, or `$JS.<domain>.API`. */
  readonly apiPrefix?: string;
  /** Names this node in NATS. */
  readonly clientName?: string;
  /** Where committed records are moved to (SeaweedMQ). Without it they stay in the journal. */
  readonly cold?: ColdStore;
  /** Partitions that are never moved: those that must be read in full before they serve (groups, transactions). */
  readonly staysInJournal?: (partition: PartitionKey) => boolean;
  readonly limits?: Partial<JournalLimits>;
  readonly logger: Logger;
  /** For spans of moves to the cold store; none unless given. */
  readonly tracer?: Tracer;
  /** Told of every acknowledged append: metrics. */
  readonly onAppended?: (shard: number, bytes: number, durationMs: number) => void;
}

export interface JournalStore {
  readonly shards: ShardStorage;
  readonly metadata: MetadataStore;
  status(): JournalStatus;
  close(): Promise<void>;
}

/** A lost append says so long that JetStream does not do its work, unless a later one succeeds. */
const LOST_APPEND_TELLS_MS = 10_000;

/**
 * Connects to NATS and makes or finds the journal's streams.
 * @throws StorageFault `unavailable` when NATS is not there in time or is not set up for the journal, saying what to do;
 *   `full` when it has not the space
 */
export async function openJournalStore(options: JournalStoreOptions): Promise<JournalStore> {
  // Columns of rows are stored as they lie in memory.
  if (endianness() !== 'LE') throw new StorageFault('unavailable', 'the journal needs a little-endian machine');
  const limits = { ...JOURNAL_LIMITS, ...options.limits };
  const { logger } = options;
  const deadlineMs = performance.now() + limits.startTimeoutMs;
  const requesters: Requester[] = [];
  const open = async (name: string): Promise<Requester> => {
    const connection = await connectTo(options, `${options.clientName ?? 'sargasso'} ${name}`, deadlineMs, limits);
    const requester = new Requester({ connection, name, logger, requestTimeoutMs: limits.requestTimeoutMs });
    requesters.push(requester);
    return requester;
  };
  try {
    const appends = await open('journal appends');
    requirePayload(appends, options.batchBytesMax);
    const reads = await open('journal reads');
    return await openOn(options, limits, appends, reads);
  } catch (error) {
    await Promise.all(requesters.map((requester) => requester.close()));
    throw error;
  }
}

async function openOn(
  options: JournalStoreOptions,
  limits: JournalLimits,
  appends: Requester,
  reads: Requester,
): Promise<JournalStore> {
  const { logger } = options;
  const { startTimeoutMs, retryDelayMs } = limits;
  const { streamPrefix: prefix, apiPrefix = '$JS.API', replicas, streamCount = 1, bytesMax } = options;
  const names = await prepareStreams(
    reads,
    { prefix, apiPrefix, replicas, streamCount, bytesMax, startTimeoutMs, retryDelayMs },
    logger,
  );
  await persist(reads, performance.now() + startTimeoutMs, retryDelayMs, 'the metadata bucket cannot be prepared', () =>
    ensureStream(reads, names, bucketConfig(names, replicas), logger),
  );
  const metadata = new JournalMetadataStore({ requester: reads, names, limits, logger });
  await metadata.start();
  const usage = new Usage({ requester: reads, names, limits, logger });
  await usage.refresh();
  const budget = new Budget(limits.readBytesInFlightMax);
  const appended = { bytes: 0, count: 0, lastMs: 0 };
  /** The latest append, if it was lost. */
  let lost: { message: string; atMs: number } | undefined;
  const lostLately = (): string | undefined =>
    lost !== undefined && performance.now() - lost.atMs < LOST_APPEND_TELLS_MS ? lost.message : undefined;
  const context: JournalContext = {
    appends,
    reads,
    names,
    limits,
    logger,
    reader: new MessageReader({ requester: reads, names, limits, budget }),
    appendBudget: new Budget(limits.appendBytesInFlightMax),
    usage,
    cold: options.cold,
    coldOpenings: new ColdOpenings(limits),
    stays: options.staysInJournal ?? (() => false),
    tracer: options.tracer ?? noTracer,
    onAppended: (shard, bytes, durationMs) => {
      appended.bytes += bytes;
      appended.count++;
      appended.lastMs = durationMs;
      lost = undefined;
      options.onAppended?.(shard, bytes, durationMs);
    },
    onAppendLost: (error) => {
      lost = { message: error.message, atMs: performance.now() };
    },
  };
  const shards = new OpenShards(context);
  const status = (): JournalStatus => statusOf(context, shards.logs(), appended, lostLately() ?? shards.fault);
  return {
    shards: {
      openShard: (shard, node) => shards.open(shard, node),
      async volume() {
        const totalBytes = usage.bytesMax;
        const usableBytes = totalBytes < 0 ? -1 : Math.max(0, totalBytes - usage.bytes);
        return { path: `nats:${names.logStreams.join(',')}`, totalBytes, usableBytes };
      },
      status: () => portStatus(status()),
      close: () => shards.close(),
    },
    metadata,
    status,
    async close() {
      await shards.close();
      await metadata.close();
      await Promise.all([appends.close(), reads.close()]);
    },
  };
}

/** The shards of this store that are open, and the upkeep of them. */
class OpenShards {
  readonly #context: JournalContext;
  readonly #logs = new Map<number, JournalShardLog>();
  readonly #openings: Budget;
  readonly #upkeep: NodeJS.Timeout;
  #rounds: Promise<void> | undefined;
  #closed = false;
  /** What the last round of upkeep met: JetStream does not do its work. */
  #fault: string | undefined;

  constructor(context: JournalContext) {
    this.#context = context;
    this.#openings = new Budget(context.limits.openingsMax);
    const { names, limits, appends } = context;
    // Beside the log, which fences: it tells an owner at once that another node has opened its shard.
    appends.connection.subscribe(names.openedSubject('*'), {
      callback: (error, message) => {
        if (error !== null) return;
        const shard = Number(message.subject.split('.').at(-1));
        this.#logs.get(shard)?.fence(Number(Buffer.from(message.data).toString()));
      },
    });
    this.#upkeep = setInterval(
      () => {
        this.#rounds ??= this.#round().finally(() => {
          this.#rounds = undefined;
        });
      },
      Math.min(limits.trimIntervalMs, limits.usageIntervalMs),
    );
  }

  /** Why JetStream does not do its work, as the last round of upkeep met it; undefined: it does. */
  get fault(): string | undefined {
    return this.#fault;
  }

  logs(): JournalShardLog[] {
    return [...this.#logs.values()].filter((log) => log.usable);
  }

  async open(shard: number, node: number): Promise<ShardLog> {
    if (this.#closed) throw new StorageFault('unavailable', 'the journal is closed');
    const { coldOpenings } = this.#context;
    const log = await coldOpenings.after(() => this.#openings.run(1, () => openShard(this.#context, shard, node)));
    this.#logs.get(shard)?.fence(log.epoch);
    this.#logs.set(shard, log);
    return log;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#upkeep);
    await this.#rounds;
    await Promise.all([...this.#logs.values()].map((log) => log.close()));
  }

  async #round(): Promise<void> {
    const { reads, usage, logger } = this.#context;
    if (!reads.connected) return;
    try {
      await usage.refresh();
      for (const log of this.logs()) {
        if (this.#closed) return;
        await log.trimmer.trim(usage.full);
      }
      this.#fault = undefined;
    } catch (error) {
      // Nothing is lost by it: the next round does what this one has not.
      logger.log(this.#fault === undefined ? 'warn' : 'debug', 'journal.upkeep-failed', { error });
      this.#fault = error instanceof Error ? error.message : String(error);
    }
  }
}

async function connectTo(
  options: JournalStoreOptions,
  name: string,
  deadlineMs: number,
  limits: JournalLimits,
): Promise<NatsConnection> {
  for (;;) {
    try {
      return await connect({
        ...options.connection,
        servers: [...options.servers],
        name,
        timeout: limits.requestTimeoutMs,
        // For ever: a node without NATS serves nothing, and is fenced by its journal if it comes back too late.
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        reconnectJitter: 100,
        pingInterval: 2_000,
        // A server that is busy with what was sent to it answers late; one that is gone is noticed by TCP.
        maxPingOut: 4,
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
      });
    } catch (error) {
      const what = `NATS at ${options.servers.join(', ')}: ${(error as Error).message}`;
      if (performance.now() >= deadlineMs) throw new StorageFault('unavailable', what, error);
      options.logger.log('warn', 'journal.connect-failed', { what });
      await new Promise((resolve) => setTimeout(resolve, limits.retryDelayMs * 4));
    }
  }
}

/** @throws StorageFault when NATS does not take the largest batch in one message */
function requirePayload(requester: Requester, batchBytesMax: number): void {
  const needed = batchBytesMax + MESSAGE_OVERHEAD_BYTES;
  const { maxPayload, server } = requester;
  if (maxPayload >= needed) return;
  throw new StorageFault(
    'unavailable',
    `nats-server at ${server} takes messages of ${maxPayload} bytes, and ${needed} are needed for batches of ${batchBytesMax} (message.max.bytes): set max_payload: 8MB in its configuration (on every server of the cluster), or lower message.max.bytes`,
  );
}
