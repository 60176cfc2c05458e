// Keeps a shard's index true to the log files in the filer: looks through them when the shard is opened, takes in what the
// filer's metadata stream tells, and looks again when something may have been missed.
//
// A chunk is scanned when it is first seen and never again: chunks do not change. Index pages spare the look for files that
// an earlier scan has been through.

import { StorageFault } from '../../actors/shard/ports.ts';
import { scanChunk } from './chunk-scan.ts';
import type { SeaweedContext } from './context.ts';
import { chunkFileId, type FilerEvent } from './filer.ts';
import { decodeIndexPage, encodeIndexPage } from './index-page.ts';
import type { FilerEntry } from './protos.ts';
import { type LogFile, pageRunOf, type ShardIndex, type TopicFiles } from './shard-index.ts';
import {
  indexDirectory,
  isLogFile,
  isRange,
  isVersion,
  namespaceDirectory,
  parseShardTopic,
  type ShardTopic,
  shardTopicPrefix,
  topicDirectory,
  topicOfPartitionDirectory,
} from './topic-names.ts';

const TOPICS_AT_ONCE = 4;
const CHUNKS_AT_ONCE = 4;

export class ShardFiles {
  readonly #context: SeaweedContext;
  readonly #shard: number;
  readonly #index: ShardIndex;
  /** Called when runs were added to the index. */
  readonly #onIndexed: () => void;
  /** Scans of one shard go one after the other. */
  #queue: Promise<void> = Promise.resolve();
  #closed = false;
  #behind = false;
  #pagesWritten = 0;

  constructor(context: SeaweedContext, shard: number, index: ShardIndex, onIndexed: () => void) {
    this.#context = context;
    this.#shard = shard;
    this.#index = index;
    this.#onIndexed = onIndexed;
  }

  /** Looks through the log files of all the shard's topics for what the index does not have. @throws StorageFault */
  refresh(): Promise<void> {
    return this.#next(async () => {
      const { filer, namespace } = this.#context;
      const prefix = shardTopicPrefix(this.#shard);
      const entries = await filer.list(namespaceDirectory(namespace), { prefix });
      const topics = entries
        .filter((entry) => entry.is_directory)
        .map((entry) => parseShardTopic(entry.name))
        .filter((topic) => topic !== undefined)
        .sort((a, b) => a.epoch - b.epoch || a.generation - b.generation);
      this.#behind = false;
      try {
        await eachAtOnce(topics, TOPICS_AT_ONCE, (topic) => this.#refreshTopic(topic));
      } catch (error) {
        this.#behind = true;
        throw error;
      }
    });
  }

  /** The same for one topic. @throws StorageFault */
  refreshTopic(topic: ShardTopic): Promise<void> {
    return this.#next(() => this.#refreshTopic(topic));
  }

  /** A change could not be looked at, or may have been missed: a refresh is due. */
  get isBehind(): boolean {
    return this.#behind;
  }

  /** Takes in a change that the filer tells. Settles when it is in the index, or could not be looked at (`isBehind`). */
  onEvent(event: FilerEvent): Promise<void> {
    const topic = topicOfPartitionDirectory(this.#context.namespace, event.directory);
    const { entry } = event;
    if (topic?.shard !== this.#shard || entry === undefined || !isLogFile(event.name)) return Promise.resolve();
    return this.#next(() => this.#takeFile(this.#topicFiles(topic), event.directory, entry)).catch((error) => {
      this.#behind = true;
      this.#context.counters.fault(error, this.#context.clock.nowMs());
    });
  }

  /** Notes that changes may have been missed. */
  missed(): void {
    this.#behind = true;
  }

  /** Writes index pages for files that no more is appended to; for the open topic when there are enough. @throws StorageFault */
  writePages(openTopic: string | undefined): Promise<void> {
    return this.#next(async () => {
      for (const topic of [...this.#index.topics.values()]) {
        await this.#writePages(topic, topic.topic.name === openTopic);
      }
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue;
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(() => {
      if (this.#closed) throw new StorageFault('unavailable', 'the shard is closed');
      return work();
    });
    // The queue goes on after a failure, which the caller hears of.
    this.#queue = done.catch(() => {});
    return done;
  }

  #topicFiles(topic: ShardTopic): TopicFiles {
    return this.#index.topicFiles(topic, this.#context.clock.monotonicMs());
  }

  async #refreshTopic(topic: ShardTopic): Promise<void> {
    const { filer, namespace } = this.#context;
    const seenBefore = this.#index.topics.has(topic.name);
    const files = this.#topicFiles(topic);
    if (!seenBefore) await this.#readPages(files);
    const directory = topicDirectory(namespace, topic.name);
    for (const version of await filer.list(directory)) {
      if (!version.is_directory || !isVersion(version.name)) continue;
      for (const range of await filer.list(`${directory}/${version.name}`)) {
        if (!range.is_directory || !isRange(range.name)) continue;
        await this.#refreshFolder(files, `${directory}/${version.name}/${range.name}`);
      }
    }
  }

  async #refreshFolder(topic: TopicFiles, directory: string): Promise<void> {
    // Names are times: files before the newest that an earlier look has found do not change, and new ones come behind it.
    const entries = await this.#context.filer.list(directory, { from: topic.listedTo.get(directory) ?? '' });
    const logFiles = entries.filter((entry) => !entry.is_directory && isLogFile(entry.name));
    for (const entry of logFiles) await this.#takeFile(topic, directory, entry);
    const newest = logFiles[logFiles.length - 1]?.name;
    if (newest !== undefined) topic.listedTo.set(directory, newest);
  }

  async #takeFile(topic: TopicFiles, directory: string, entry: FilerEntry): Promise<void> {
    const { filer, limits, logger, counters, clock } = this.#context;
    const unseen = entry.chunks.filter((chunk) => !this.#index.hasChunk(chunkFileId(chunk)));
    if (unseen.length === 0) return;
    const file = this.#index.file(topic, directory, entry.name);
    topic.changedMs = clock.monotonicMs();
    await eachAtOnce(unseen, CHUNKS_AT_ONCE, async (chunk) => {
      const fileId = chunkFileId(chunk);
      const bytes = Number(chunk.size);
      try {
        if (chunk.is_chunk_manifest) throw new StorageFault('corrupt', 'it is a list of chunks');
        const runs = await scanChunk(bytes, (from, end) => filer.readChunk(fileId, from, end), limits);
        counters.scannedChunks++;
        // Deleted between the listing and the look: by an earlier owner, as retention would have it.
        if (runs === undefined) return;
        this.#index.addChunk(file, fileId, bytes, runs.map(pageRunOf), true);
      } catch (error) {
        if (!(error instanceof StorageFault) || error.code !== 'corrupt') throw error;
        this.#index.addUnreadableChunk(file, fileId, bytes);
        counters.unreadableChunks++;
        counters.fault(error, clock.nowMs());
        logger.log('error', 'seaweed.chunk-unreadable', {
          file: `${directory}/${entry.name}`,
          chunk: fileId,
          reason: error.message,
        });
      }
    });
    this.#onIndexed();
  }

  async #readPages(topic: TopicFiles): Promise<void> {
    const { filer, namespace, logger } = this.#context;
    const directory = indexDirectory(namespace, topic.topic.name);
    const newest = new Map<string, string>();
    let complete = true;
    for (const entry of await filer.list(directory)) {
      const content = await filer.readFile(`${directory}/${entry.name}`);
      const files = content === undefined ? undefined : decodeIndexPage(content);
      if (files === undefined) {
        logger.log('warn', 'seaweed.index-page-unreadable', { page: `${directory}/${entry.name}` });
        complete = false;
        continue;
      }
      const inPage: LogFile[] = [];
      for (const stored of files) {
        const file = this.#index.file(topic, stored.directory, stored.name);
        inPage.push(file);
        if (file.name > (newest.get(file.directory) ?? '')) newest.set(file.directory, file.name);
        for (const chunk of stored.chunks) {
          if (!this.#index.hasChunk(chunk.fileId))
            this.#index.addChunk(file, chunk.fileId, chunk.bytes, chunk.runs, false);
        }
      }
      topic.pages.push({ name: entry.name, files: new Set(inPage) });
    }
    // Pages are written in the order of the files, so that together they leave none out.
    if (complete) for (const [folder, name] of newest) topic.listedTo.set(folder, name);
    this.#onIndexed();
  }

  async #writePages(topic: TopicFiles, isOpen: boolean): Promise<void> {
    const { limits, clock } = this.#context;
    const settledSinceMs = clock.monotonicMs() - limits.topicSettledMs;
    const due = [...topic.unpaged]
      .filter((file) => file.liveRuns > 0 && this.#index.isFinished(file, isOpen, settledSinceMs))
      .filter((file) => !file.chunks.some((chunk) => chunk.unreadable))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const least = isOpen ? limits.pageFiles : 1;
    let page: LogFile[] = [];
    let runs = 0;
    for (const file of due) {
      page.push(file);
      runs += file.chunks.reduce((sum, chunk) => sum + (chunk.runs?.length ?? 0), 0);
      if (page.length < limits.pageFiles && runs < limits.pageRuns) continue;
      await this.#writePage(topic, page);
      page = [];
      runs = 0;
    }
    if (page.length >= least) await this.#writePage(topic, page);
  }

  async #writePage(topic: TopicFiles, files: readonly LogFile[]): Promise<void> {
    const { filer, namespace, clock } = this.#context;
    const stored = files.map(({ directory, name, chunks }) => ({
      directory,
      name,
      chunks: chunks.flatMap(({ fileId, bytes, runs }) => (runs === undefined ? [] : [{ fileId, bytes, runs }])),
    }));
    // Never the name of a page that another owner wrote: together they hold what each has seen.
    const name = `${files[files.length - 1]!.name}-${clock.nowMs()}-${++this.#pagesWritten}`;
    await filer.writeFile(`${indexDirectory(namespace, topic.topic.name)}/${name}`, encodeIndexPage(stored));
    for (const file of files) {
      topic.unpaged.delete(file);
      for (const chunk of file.chunks) chunk.runs = undefined;
    }
    topic.pages.push({ name, files: new Set(files) });
  }
}

/** Does `work` for each item, some at once. Rejects with the first failure, when all that was begun has ended. */
async function eachAtOnce<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  const outcomes = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
