// The embedded store: shards and metadata of one process under `data.dir`. This file opens and closes it; the parts are
//
//   directory-lock   one process a directory          run-state       how the last process left it
//   commit-queue     group commit into the journal    journal         two checksummed files, written in turn
//   draft, items     entries → journal items          volume          the committed state, segment file numbers
//   settlement       journal → segment files + LMDB   index-store     the LMDB environment
//   log-reader       reads                            segment-files   descriptors and I/O of segment files

import { mkdir, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Logger } from '../../actors/runtime/ports.ts';
import type { MetadataStore, ShardLog, ShardStorage } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import { CommitQueue } from './commit-queue.ts';
import { lockDirectory } from './directory-lock.ts';
import { Drafter } from './draft.ts';
import { faultOf } from './faults.ts';
import { IndexStore } from './index-store.ts';
import { Journal } from './journal.ts';
import { EMBEDDED_LIMITS, type EmbeddedLimits } from './limits.ts';
import { LogReader } from './log-reader.ts';
import { EmbeddedMetadataStore } from './metadata-store.ts';
import { replayJournal } from './replay.ts';
import { bootId, type RunState, readRunState, writeRunState } from './run-state.ts';
import { SegmentFiles } from './segment-files.ts';
import { Settlement } from './settlement.ts';
import { EmbeddedShardLog } from './shard-log.ts';
import { Volume } from './volume.ts';

export interface EmbeddedStoreOptions {
  readonly dataDir: string;
  /**
   * `fsync`: an append survives a power loss when it resolves. `os`: it survives the end of the process however that
   * comes, and a power loss takes at most the last appends, never a part of a group and never the store's integrity.
   */
  readonly durability: 'fsync' | 'os';
  readonly logger: Logger;
  readonly limits?: Partial<EmbeddedLimits>;
  /** Names this boot of the operating system; for tests. */
  readonly bootId?: string;
}

export interface EmbeddedStore {
  readonly shards: ShardStorage;
  readonly metadata: MetadataStore;
  /** What the start had to look at; for tests and the log. */
  readonly opened: { readonly rowsRead: number; readonly recordsReplayed: number };
  /** Settles everything, so that the next start has nothing to replay. */
  close(): Promise<void>;
}

/**
 * Opens the store of `dataDir`, making the directory when it is not there.
 * @throws StorageFault `unavailable` (in use by another process, not accessible), `corrupt`, `full`
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const { dataDir } = options;
  let release: () => Promise<void>;
  try {
    await makeDirectory(resolve(dataDir));
    release = await lockDirectory(dataDir);
  } catch (error) {
    throw faultOf(error, `data directory ${dataDir} cannot be used`);
  }
  try {
    return await open(options, release);
  } catch (error) {
    await release();
    throw faultOf(error, `data directory ${dataDir} cannot be opened`);
  }
}

/** Makes a directory with its parents. Node's own recursive mkdir never returns below /proc (ENOENT in a parent that is). */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path) throw error;
    const parentIs = await stat(parent).catch(() => undefined);
    if (parentIs !== undefined) throw error;
    await makeDirectory(parent);
    await mkdir(path);
  }
}

async function open(options: EmbeddedStoreOptions, release: () => Promise<void>): Promise<EmbeddedStore> {
  const { dataDir, durability, logger } = options;
  const limits = { ...EMBEDDED_LIMITS, ...options.limits };
  const boot = options.bootId ?? bootId();
  const last = readRunState(dataDir);
  const fresh = last === undefined || last.state === 'creating';
  const clean = last?.state === 'clean';
  const mine: RunState = {
    state: 'running',
    format: 1,
    incarnation: (last?.incarnation ?? 0) + 1,
    durability,
    bootId: boot,
  };
  if (fresh) {
    for (const part of ['index', 'journal', 'segments'])
      await rm(join(dataDir, part), { recursive: true, force: true });
  }
  writeRunState(dataDir, fresh ? { ...mine, state: 'creating' } : mine);

  // The death of a process loses nothing that it wrote; that of the operating system whatever was not synced.
  const powerLost = !fresh && !clean && (boot === '' || last.bootId !== boot);
  const index = new IndexStore(join(dataDir, 'index'), powerLost);
  if (fresh) {
    await index.commit(() => index.putState(0, 1, 1));
    writeRunState(dataDir, mine);
  } else if (!clean) {
    await index.recover();
  }
  const loaded = index.load();
  const files = new SegmentFiles(join(dataDir, 'segments'), limits.openFilesMax);
  const journal = new Journal({
    directory: join(dataDir, 'journal'),
    bytesMax: limits.journalBytesMax,
    bytesReserved: limits.journalBytesReserved,
    sync: durability === 'fsync',
    incarnation: mine.incarnation,
    settledSequence: loaded.settledSequence,
    monotonicMs: () => performance.now(),
  });
  const present = files.list();
  // With durability `fsync` what was acked is on the disk even then.
  const torn = powerLost && last.durability === 'os';
  let syncing: Promise<void> | undefined;
  const syncCommits = (): Promise<void> => {
    if (durability === 'fsync') return Promise.resolve();
    // All that is asked for in one turn of the loop is one sync.
    syncing ??= new Promise((resolve, reject) =>
      queueMicrotask(() => {
        syncing = undefined;
        journal.sync((error) => (error === null ? resolve() : reject(faultOf(error, 'syncing the journal'))));
      }),
    );
    return syncing;
  };
  const volume = new Volume({
    files,
    limits,
    logger,
    loaded,
    present,
    syncCommits,
  });
  const recordsReplayed = clean ? 0 : replayJournal({ journal, volume, files, torn, logger });
  volume.endReplay();

  const reader = new LogReader(index, files);
  const drafter = new Drafter(volume, limits, durability);
  const settlement = new Settlement({ volume, journal, index, files, limits, logger });
  const queue = new CommitQueue({ journal, files, volume, drafter, reader, settlement, durability });
  settlement.onEnd(() => queue.resume());
  if (recordsReplayed > 0) settlement.start();

  let closing: Promise<void> | undefined;
  const isOpen = (): boolean => closing === undefined;
  const close = async (): Promise<void> => {
    await queue.idle();
    // A record that may or may not be there is for the next start to find.
    let settled = queue.failure === undefined;
    try {
      await settlement.finish();
    } catch (error) {
      // Nothing is lost: the next start replays the journal.
      settled = false;
      logger.log('warn', 'storage.close-unsettled', { error: String(error) });
    }
    await volume.idle();
    await index.close();
    journal.close();
    files.close();
    if (settled) writeRunState(dataDir, { ...mine, state: 'clean' });
    await release();
  };
  const closeOnce = (): Promise<void> => {
    closing ??= close();
    return closing;
  };

  const shards: ShardStorage = {
    openShard: (number) =>
      new Promise<ShardLog>((resolve, reject) => {
        if (!isOpen()) {
          reject(new StorageFault('unavailable', 'the store is closed'));
          return;
        }
        const shard = volume.shard(number);
        // The epoch counts from here on: drafts of earlier openings that enter a record later are fenced.
        shard.epoch += 1;
        const epoch = shard.epoch;
        queue.submit({
          draft: drafter.opening(number, epoch),
          enter: () => {},
          // Whatever the durability, an epoch is not given out again after a power loss.
          resolve: () =>
            syncCommits().then(
              () => resolve(new EmbeddedShardLog({ shard, epoch, queue, drafter, reader, isOpen })),
              reject,
            ),
          reject,
        });
      }),
    async volume() {
      const { blocks, bavail, bsize } = await statfs(dataDir);
      return { path: dataDir, totalBytes: blocks * bsize, usableBytes: bavail * bsize };
    },
    reclaim: (buffers) => files.reclaim(buffers),
    close: closeOnce,
  };
  const metadata = new EmbeddedMetadataStore(index, isOpen);
  return { shards, metadata, opened: { rowsRead: index.rowsRead, recordsReplayed }, close: closeOnce };
}
