// The memory twin of the embedded store: one node's view of a memory disk, for tests and the simulator. It owns nothing
// but its open handles. It has no timers and no chance of its own: faults and delays come from the hooks given to it.

import { InvariantBroken } from '../actors/runtime/errors.ts';
import type { LogEntry, MetadataStore, ShardLog, ShardStorage } from '../actors/shard/ports.ts';
import { StorageFault } from '../actors/shard/ports.ts';
import { MemoryDisk, type MemoryDiskOptions } from './memory/disk.ts';
import { LentBuffers } from './memory/lent-buffers.ts';
import { MemoryMetadataStore } from './memory/metadata-store.ts';
import { MemoryShardLog } from './memory/shard-log.ts';

export { MemoryDisk, type MemoryDiskOptions } from './memory/disk.ts';

/** What becomes of a write. `unknown-applied` and `unknown-not-applied` both reject with `outcome-unknown`. */
export type MemoryWriteOutcome = 'ok' | 'fail-full' | 'unavailable' | 'unknown-applied' | 'unknown-not-applied';

/** Faults to inject; a hook left out never faults. */
export interface MemoryFaults {
  beforeAppend?(shard: number, entries: readonly LogEntry[], node: number): MemoryWriteOutcome;
  beforeOpen?(shard: number, node: number): 'ok' | 'unavailable';
  beforeRead?(shard: number, node: number): 'ok' | 'unavailable' | 'corrupt';
  /** Before a metadata put or delete (value undefined). */
  beforePut?(key: string, value: Uint8Array | undefined): MemoryWriteOutcome;
}

export type MemoryOperation = 'open' | 'append' | 'read' | 'metadata' | 'watch';

/** Runs `complete` once, when the operation is to take effect and be answered. */
export type MemoryScheduler = (operation: MemoryOperation, complete: () => void) => void;

export interface MemoryStoreOptions extends MemoryDiskOptions {
  /** A disk shared with other nodes' stores or kept over a crash; without one a new disk is made. */
  readonly disk?: MemoryDisk;
  readonly faults?: MemoryFaults;
  /** Default: in the next microtask. */
  readonly schedule?: MemoryScheduler;
}

export interface MemoryStore {
  readonly shards: ShardStorage;
  readonly metadata: MetadataStore;
  readonly disk: MemoryDisk;
  /**
   * The process dies: its handles and watches are dead at once, and writes in flight reject with `outcome-unknown`,
   * `apply` having reached the disk or `drop` not (the default). Open the disk again with `createMemoryStore({ disk })`.
   */
  crash(inFlight?: 'drop' | 'apply'): void;
  close(): Promise<void>;
}

/** One write or read in flight. */
interface Pending {
  readonly abandon: (inFlight: 'drop' | 'apply') => void;
}

/** What the handles of one store have in common: whether it still lives, and how its operations are completed. */
export class MemoryStoreContext {
  readonly disk: MemoryDisk;
  readonly faults: MemoryFaults;
  readonly lent = new LentBuffers();
  private readonly schedule: MemoryScheduler;
  private readonly pending = new Set<Pending>();
  private ended: 'crashed' | 'closed' | undefined;

  constructor(disk: MemoryDisk, faults: MemoryFaults, schedule: MemoryScheduler) {
    this.disk = disk;
    this.faults = faults;
    this.schedule = schedule;
  }

  get alive(): boolean {
    return this.ended === undefined;
  }

  end(how: 'crashed' | 'closed', inFlight: 'drop' | 'apply'): void {
    if (this.ended !== undefined) return;
    this.ended = how;
    for (const pending of [...this.pending]) pending.abandon(inFlight);
    this.pending.clear();
  }

  /** Completes `run` by the scheduler. A crash before that runs it only if it `writes` and the crash says `apply`. */
  complete<T>(operation: MemoryOperation, writes: boolean, run: () => T): Promise<T> {
    if (!this.alive) return Promise.reject(this.deadFault());
    return new Promise<T>((resolve, reject) => {
      const pending: Pending = {
        abandon: (inFlight) => {
          if (writes && inFlight === 'apply') attempt(run);
          reject(writes ? new StorageFault('outcome-unknown', 'the process died') : this.deadFault());
        },
      };
      this.pending.add(pending);
      this.schedule(operation, () => {
        if (!this.pending.delete(pending)) return;
        try {
          resolve(run());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  deliver(run: () => void): void {
    this.schedule('watch', () => {
      if (this.alive) run();
    });
  }

  private deadFault(): StorageFault {
    return new StorageFault('unavailable', `the memory store is ${this.ended}`);
  }
}

/** A write that a dying process had sent: its failure has nobody left to be told to, a broken invariant still counts. */
function attempt(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (error instanceof InvariantBroken) throw error;
  }
}

/** Carries out one write under the fault that was drawn for it. @throws StorageFault */
export function writeUnder<T>(outcome: MemoryWriteOutcome, write: () => T): T {
  switch (outcome) {
    case 'ok':
      return write();
    case 'fail-full':
      throw new StorageFault('full', 'injected: the disk is full');
    case 'unavailable':
      throw new StorageFault('unavailable', 'injected: the disk is unavailable');
    case 'unknown-applied':
      write();
      throw new StorageFault('outcome-unknown', 'injected: the write may have been applied');
    case 'unknown-not-applied':
      throw new StorageFault('outcome-unknown', 'injected: the write may have been applied');
  }
}

/** Opens one node's store on a memory disk. */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const disk = options.disk ?? new MemoryDisk(options);
  const context = new MemoryStoreContext(
    disk,
    options.faults ?? {},
    options.schedule ?? ((_, run) => queueMicrotask(run)),
  );
  const logs = new Set<MemoryShardLog>();
  const close = async (): Promise<void> => {
    await Promise.all([...logs].map((log) => log.close()));
    context.end('closed', 'apply');
  };
  const shards: ShardStorage = {
    openShard(shard: number, node: number): Promise<ShardLog> {
      const fault = context.faults.beforeOpen?.(shard, node) ?? 'ok';
      return context.complete('open', false, () => {
        if (fault !== 'ok') throw new StorageFault(fault, 'injected: the disk is unavailable');
        const { epoch, opening } = disk.open(shard);
        const log = new MemoryShardLog({ context, shard, node, epoch, opening });
        logs.add(log);
        return log;
      });
    },
    volume() {
      const totalBytes = disk.capacityBytes();
      const usableBytes = totalBytes < 0 ? -1 : Math.max(0, totalBytes - disk.usedBytes());
      return Promise.resolve({ path: 'memory', totalBytes, usableBytes });
    },
    reclaim: (buffers) => context.lent.reclaim(buffers),
    close,
  };
  const metadata = new MemoryMetadataStore(context);
  return { shards, metadata, disk, crash: (inFlight = 'drop') => context.end('crashed', inFlight), close };
}
