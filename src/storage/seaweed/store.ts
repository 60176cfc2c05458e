// The cold store on SeaweedMQ: what is shared by the shards of a node, and their opening. The parts are
//
//   shard-mover     runs → publish stream → proof          brokers, publish-stream   SeaweedMQ over gRPC
//   shard-files     log files → index, index pages         filer                     SeaweedFS over gRPC and HTTP
//   shard-index     topics, files, chunks, runs            chunk-scan, run-format    what lies in a chunk
//   cold-reader     index → batches                        run-cache                 fetched runs
//   sweeper         deletes what is dead
//
// docs/decisions/0004-seaweedmq.md says what lies where and why the journal may be trimmed on a proof.

import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import type { Clock, Logger, TimerHandle } from '../../actors/runtime/ports.ts';
import { SlabPool } from '../slab-pool.ts';
import { Brokers } from './brokers.ts';
import type { ColdShard, ColdStore, ColdStoreStatus } from './cold-store.ts';
import type { SeaweedContext } from './context.ts';
import { SeaweedCounters } from './counters.ts';
import { Filer, type FilerAddress, type FilerEvent } from './filer.ts';
import { SEAWEED_LIMITS, type SeaweedLimits } from './limits.ts';
import { RunCache } from './run-cache.ts';
import { SeaweedShard } from './seaweed-shard.ts';
import { namespaceDirectory, topicOfPartitionDirectory } from './topic-names.ts';

/** What a publish request has around a full run; requests kept to be used again. */
const FRAME_AROUND_BYTES = 4 << 10;
const FREE_FRAMES_MAX = 16;

export interface SeaweedStoreOptions {
  /** `host:port` of SeaweedMQ brokers; more are found through them. */
  readonly brokers: readonly string[];
  readonly filers: readonly FilerAddress[];
  /** SeaweedMQ's namespace: clusters that share a SeaweedFS each have their own. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Compresses runs of batches that their producers did not. */
  readonly compress?: boolean;
  /** TLS towards brokers and filers; plain unless given. */
  readonly credentials?: ChannelCredentials;
  readonly limits?: Partial<SeaweedLimits>;
}

export class SeaweedStore implements ColdStore {
  readonly #context: SeaweedContext;
  readonly #cache: RunCache;
  readonly #shards = new Map<number, Set<SeaweedShard>>();
  #stopWatch: (() => void) | undefined;
  #watchTimer: TimerHandle | undefined;
  #watchBackoffMs: number;
  #closed = false;

  constructor(options: SeaweedStoreOptions) {
    const { clock, logger, namespace } = options;
    if (options.brokers.length === 0 || options.filers.length === 0)
      throw new RangeError('the SeaweedMQ store needs at least one broker and one filer');
    const limits = { ...SEAWEED_LIMITS, ...options.limits };
    const channel = options.credentials ?? credentials.createInsecure();
    this.#context = {
      namespace,
      filer: new Filer(options.filers, channel, limits, clock),
      brokers: new Brokers(options.brokers, channel, limits),
      limits,
      clock,
      logger,
      counters: new SeaweedCounters(),
      frames: new SlabPool(limits.runBytesMax + FRAME_AROUND_BYTES, FREE_FRAMES_MAX),
      compress: options.compress ?? false,
    };
    this.#cache = new RunCache(this.#context);
    this.#watchBackoffMs = limits.backoffFirstMs;
  }

  async openShard(shard: number, epoch: number): Promise<ColdShard> {
    this.#watch();
    const opened = new SeaweedShard(this.#context, this.#cache, shard, epoch, {
      proven: () => {
        for (const each of this.#all()) each.onRoom();
      },
      closed: () => {
        const siblings = this.#shards.get(shard);
        siblings?.delete(opened);
        if (siblings?.size === 0) this.#shards.delete(shard);
      },
    });
    const siblings = this.#shards.get(shard);
    if (siblings === undefined) this.#shards.set(shard, new Set([opened]));
    else siblings.add(opened);
    try {
      await opened.load();
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  status(): ColdStoreStatus {
    const { counters, clock } = this.#context;
    const all = this.#all();
    const oldest = all.map((shard) => shard.oldestGivenMs).filter((givenMs) => givenMs !== undefined);
    return {
      backlogRuns: all.reduce((sum, shard) => sum + shard.backlogRuns, 0),
      backlogBytes: counters.unprovenBytes,
      backlogAgeMs: oldest.length === 0 ? 0 : clock.monotonicMs() - Math.min(...oldest),
      movedRuns: counters.movedRuns,
      movedBytes: counters.movedBytes,
      ackedRuns: counters.ackedRuns,
      resentRuns: counters.resentRuns,
      lastAckMs: counters.lastAckMs,
      lastProofMs: counters.lastProofMs,
      lastFault: counters.lastFault,
      readBytes: counters.readBytes,
      fetchedRuns: counters.fetchedRuns,
      scannedChunks: counters.scannedChunks,
      indexBytes: all.reduce((sum, shard) => sum + shard.indexBytes, 0),
      cacheBytes: this.#cache.bytes,
      deletedFiles: counters.deletedFiles,
      unreadableChunks: counters.unreadableChunks,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWatch?.();
    if (this.#watchTimer !== undefined) this.#context.clock.clearTimer(this.#watchTimer);
    await Promise.all(this.#all().map((shard) => shard.close()));
    this.#context.brokers.close();
    this.#context.filer.close();
  }

  #all(): SeaweedShard[] {
    return [...this.#shards.values()].flatMap((siblings) => [...siblings]);
  }

  /** Listens to the filer's metadata stream, one for all shards. When it breaks, a new one begins and every shard looks. */
  #watch(): void {
    if (this.#stopWatch !== undefined || this.#watchTimer !== undefined || this.#closed) return;
    const { filer, namespace, clock, limits, logger, counters } = this.#context;
    const begunMs = clock.monotonicMs();
    this.#stopWatch = filer.watch(
      `${namespaceDirectory(namespace)}/`,
      (event) => this.#onEvent(event),
      (fault) => {
        this.#stopWatch = undefined;
        counters.fault(fault, clock.nowMs());
        const isFirst = clock.monotonicMs() - begunMs > limits.backoffLastMs;
        if (isFirst) this.#watchBackoffMs = limits.backoffFirstMs;
        logger.log(isFirst ? 'warn' : 'debug', 'seaweed.watch-broken', { reason: fault.message });
        this.#watchTimer = clock.setTimer(this.#watchBackoffMs, () => {
          this.#watchTimer = undefined;
          this.#watch();
          for (const shard of this.#all()) shard.missed();
        });
        this.#watchBackoffMs = Math.min(this.#watchBackoffMs * 2, limits.backoffLastMs);
      },
    );
  }

  #onEvent(event: FilerEvent): void {
    const topic = topicOfPartitionDirectory(this.#context.namespace, event.directory);
    if (topic === undefined) return;
    for (const shard of this.#shards.get(topic.shard) ?? []) shard.onEvent(event);
  }
}
