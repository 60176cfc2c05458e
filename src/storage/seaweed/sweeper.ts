// Deletes from the filer what no partition needs any more: log files whose every run is dead, index pages that tell of deleted
// files only, and the folders of topics that were emptied long ago.
//
// A log file is never deleted for being empty of what is known: its runs were seen, and each is below its partition's log
// start, of a deleted partition, or held by another file. The newest file of a topic stays as long as a broker may append to
// it. Folders are deleted one by one, and only when they are empty.

import type { SeaweedContext } from './context.ts';
import type { LogFile, ShardIndex, TopicFiles } from './shard-index.ts';
import { indexDirectory, namespaceDirectory, topicDirectory } from './topic-names.ts';

const DELETES_AT_ONCE = 64;

export class Sweeper {
  readonly #context: SeaweedContext;
  readonly #index: ShardIndex;
  readonly #onMissed: () => void;

  /** @param onMissed called when the index may no longer be true to the filer */
  constructor(context: SeaweedContext, index: ShardIndex, onMissed: () => void) {
    this.#context = context;
    this.#index = index;
    this.#onMissed = onMissed;
  }

  /** One round. @param openTopic the topic that is written to now @throws StorageFault `unavailable` */
  async sweep(openTopic: string | undefined): Promise<void> {
    let left = DELETES_AT_ONCE;
    for (const topic of [...this.#index.topics.values()]) {
      const isOpen = topic.topic.name === openTopic;
      const settledSinceMs = this.#context.clock.monotonicMs() - this.#context.limits.topicSettledMs;
      for (const file of [...topic.dead]) {
        if (!this.#index.isFinished(file, isOpen, settledSinceMs)) continue;
        if (left-- <= 0) return;
        await this.#deleteFile(file);
      }
      await this.#deletePages(topic);
      const isSettled = !isOpen && topic.changedMs < settledSinceMs;
      if (isSettled && topic.files.size === 0 && topic.pages.length === 0) await this.#deleteTopic(topic);
    }
  }

  async #deleteFile(file: LogFile): Promise<void> {
    const { filer, counters } = this.#context;
    // Forgotten first: whatever turns up under this name from now on is a new file to the index.
    this.#index.forget(file);
    try {
      await filer.delete(file.directory, file.name);
      counters.deletedFiles++;
    } catch (error) {
      // Whether it is gone shows when the folder is looked through again.
      file.topic.listedTo.delete(file.directory);
      this.#onMissed();
      throw error;
    }
  }

  async #deletePages(topic: TopicFiles): Promise<void> {
    const { filer, namespace } = this.#context;
    for (const page of [...topic.pages]) {
      let isNeeded = false;
      for (const file of page.files) isNeeded ||= topic.files.has(`${file.directory}/${file.name}`);
      if (isNeeded) continue;
      await filer.delete(indexDirectory(namespace, topic.topic.name), page.name);
      topic.pages.splice(topic.pages.indexOf(page), 1);
    }
  }

  /** Deletes what SeaweedMQ keeps of a topic beside its log files, and its folders, unless somebody wrote to it again. */
  async #deleteTopic({ topic }: TopicFiles): Promise<void> {
    const { filer, namespace } = this.#context;
    const directory = topicDirectory(namespace, topic.name);
    for (const version of await filer.list(directory)) {
      if (!version.is_directory) continue;
      for (const range of await filer.list(`${directory}/${version.name}`)) {
        const folder = `${directory}/${version.name}/${range.name}`;
        for (const file of await filer.list(folder)) {
          if (file.chunks.length > 0 || file.is_directory) return;
          await filer.delete(folder, file.name);
        }
        if (!(await filer.delete(`${directory}/${version.name}`, range.name))) return;
      }
      if (!(await filer.delete(directory, version.name))) return;
    }
    for (const file of await filer.list(directory)) if (!file.is_directory) await filer.delete(directory, file.name);
    if (!(await filer.delete(namespaceDirectory(namespace), topic.name))) return;
    await filer.delete(indexDirectory(namespace), topic.name);
    this.#index.topics.delete(topic.name);
  }
}
