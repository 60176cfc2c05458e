// What a shard has in the filer, as this node knows it: its topics, their log files and chunks, and each partition's runs.
// It holds nothing that could not be found again by looking through the log files.
//
// A file's live runs are those that some partition's index keeps. A file without any is dead and may be deleted, unless its
// broker may still write to it.

import type { PartitionKey } from '../../actors/shard/ports.ts';
import type { ScannedRun } from './chunk-scan.ts';
import { PartitionRuns } from './partition-runs.ts';
import type { ShardTopic } from './topic-names.ts';

/** A run as it was found, to be written into an index page. */
export interface PageRun {
  readonly partition: PartitionKey;
  readonly position: bigint;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly maxTimestampMs: bigint;
  readonly rawBytes: number;
  readonly at: number;
  readonly bytes: number;
}

export interface LogChunk {
  readonly fileId: string;
  readonly bytes: number;
  readonly file: LogFile;
  /** Not scanned with success: what it holds is unknown, and its file is not deleted. */
  unreadable: boolean;
  /** What it holds, until it is in an index page. */
  runs: readonly PageRun[] | undefined;
}

export interface LogFile {
  readonly topic: TopicFiles;
  readonly directory: string;
  /** The second of its first message: orders the files of a folder. */
  readonly name: string;
  readonly chunks: LogChunk[];
  liveRuns: number;
}

/** The log files of one topic, by folder and name. */
export interface TopicFiles {
  readonly topic: ShardTopic;
  readonly files: Map<string, LogFile>;
  /** Files without live runs, and files that no index page tells of. */
  readonly dead: Set<LogFile>;
  readonly unpaged: Set<LogFile>;
  /** By folder, the newest file, which may still grow. */
  readonly newest: Map<string, string>;
  /** Monotonic ms of the last change seen, or of the start. */
  changedMs: number;
  /** Index pages, with the files each tells of. */
  readonly pages: IndexPage[];
  /** By folder, the file up to which all there are were seen: a look through the folder begins there. */
  readonly listedTo: Map<string, string>;
}

export interface IndexPage {
  readonly name: string;
  readonly files: Set<LogFile>;
}

export class ShardIndex {
  readonly topics = new Map<string, TopicFiles>();
  readonly #partitions = new Map<PartitionKey, PartitionRuns>();
  readonly #chunks: (LogChunk | undefined)[] = [];
  readonly #freeChunks: number[] = [];
  readonly #chunkNumbers = new Map<string, number>();

  partitions(): IterableIterator<PartitionRuns> {
    return this.#partitions.values();
  }

  /** A partition's runs, if any were ever found or its log start is known. */
  partition(key: PartitionKey): PartitionRuns | undefined {
    return this.#partitions.get(key);
  }

  partitionToChange(key: PartitionKey): PartitionRuns {
    let runs = this.#partitions.get(key);
    if (runs === undefined) {
      runs = new PartitionRuns(key, (chunk, other) => this.#precedes(this.chunk(chunk), this.chunk(other)));
      this.#partitions.set(key, runs);
    }
    return runs;
  }

  topicFiles(topic: ShardTopic, nowMs: number): TopicFiles {
    let files = this.topics.get(topic.name);
    if (files === undefined) {
      files = {
        topic,
        files: new Map(),
        dead: new Set(),
        unpaged: new Set(),
        newest: new Map(),
        changedMs: nowMs,
        pages: [],
        listedTo: new Map(),
      };
      this.topics.set(topic.name, files);
    }
    return files;
  }

  /** The log file of that name, added if it is new. */
  file(topic: TopicFiles, directory: string, name: string): LogFile {
    const path = `${directory}/${name}`;
    let file = topic.files.get(path);
    if (file === undefined) {
      file = { topic, directory, name, chunks: [], liveRuns: 0 };
      topic.files.set(path, file);
      topic.dead.add(file);
      if (name > (topic.newest.get(directory) ?? '')) topic.newest.set(directory, name);
    }
    return file;
  }

  hasChunk(fileId: string): boolean {
    return this.#chunkNumbers.has(fileId);
  }

  chunk(number: number): LogChunk {
    const chunk = this.#chunks[number];
    if (chunk === undefined) throw new RangeError(`chunk ${number} is not in the index`);
    return chunk;
  }

  /** Takes in a chunk whose content could not be made out. */
  addUnreadableChunk(file: LogFile, fileId: string, bytes: number): void {
    this.#number({ fileId, bytes, file, unreadable: true, runs: undefined });
    file.topic.dead.delete(file);
  }

  /** Takes in a chunk and its runs. @param keepForPage whether the runs are still to be written into a page */
  addChunk(file: LogFile, fileId: string, bytes: number, runs: readonly PageRun[], keepForPage: boolean): void {
    const number = this.#number({ fileId, bytes, file, unreadable: false, runs: keepForPage ? runs : undefined });
    if (keepForPage) file.topic.unpaged.add(file);
    if (runs.length > 0) file.topic.dead.delete(file);
    // Counted before they go in: a run that is not kept is taken off again by its own chunk.
    file.liveRuns += runs.length;
    for (const { partition, ...run } of runs) {
      this.lose(this.partitionToChange(partition).add({ ...run, chunk: number }));
    }
  }

  /** Notes that chunks have lost runs, one for each mention. */
  lose(chunks: readonly number[]): void {
    for (const number of chunks) {
      const { file } = this.chunk(number);
      if (--file.liveRuns === 0 && !file.chunks.some((chunk) => chunk.unreadable)) file.topic.dead.add(file);
    }
  }

  /**
   * Whether nothing is appended to the file any more: it is not the newest of its folder, or nobody has written to the topic
   * since `settledSinceMs`.
   */
  isFinished(file: LogFile, isOpen: boolean, settledSinceMs: number): boolean {
    const { topic, directory, name } = file;
    return name < (topic.newest.get(directory) ?? '') || (!isOpen && topic.changedMs < settledSinceMs);
  }

  /** Forgets a file without live runs. */
  forget(file: LogFile): void {
    for (const chunk of file.chunks) {
      const number = this.#chunkNumbers.get(chunk.fileId);
      if (number === undefined) continue;
      this.#chunkNumbers.delete(chunk.fileId);
      this.#chunks[number] = undefined;
      this.#freeChunks.push(number);
    }
    file.topic.files.delete(`${file.directory}/${file.name}`);
    file.topic.dead.delete(file);
    file.topic.unpaged.delete(file);
  }

  /** An order of chunks that is the same for everybody: by topic, file, and id. */
  #precedes(chunk: LogChunk, other: LogChunk): boolean {
    const { topic } = chunk.file.topic;
    const { topic: otherTopic } = other.file.topic;
    if (topic.epoch !== otherTopic.epoch) return topic.epoch < otherTopic.epoch;
    if (topic.generation !== otherTopic.generation) return topic.generation < otherTopic.generation;
    if (chunk.file.name !== other.file.name) return chunk.file.name < other.file.name;
    return chunk.fileId < other.fileId;
  }

  #number(chunk: LogChunk): number {
    const number = this.#freeChunks.pop() ?? this.#chunks.length;
    this.#chunks[number] = chunk;
    this.#chunkNumbers.set(chunk.fileId, number);
    chunk.file.chunks.push(chunk);
    return number;
  }
}

/** A run as the scan found it, as the index keeps it. */
export function pageRunOf({ header, at }: ScannedRun): PageRun {
  return {
    partition: header.partition,
    position: header.position,
    baseOffset: header.baseOffset,
    lastOffset: header.lastOffset,
    maxTimestampMs: header.maxTimestampMs,
    rawBytes: header.rawBytes,
    at,
    bytes: header.headerBytes + header.storedBytes,
  };
}
