// How full the log streams are: looked up now and then, and counted up by this node's own appends in between. The last
// part of a stream is reserved for what frees space (log starts, removals, markers), so that a full journal can be freed.
// What other nodes append between two look-ups is not known; the stream's own limit, behind the reserve, holds whatever.

import type { Logger } from '../../actors/runtime/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import type { JournalLimits } from './limits.ts';
import type { JournalNames } from './names.ts';
import type { Requester } from './requester.ts';
import { streamInfo } from './streams.ts';

interface StreamUsage {
  /** As looked up last. */
  bytes: number;
  bytesMax: number;
  /** Appended by this node since then. */
  appended: number;
  /** The smallest append that there was no room for, and has not been since; 0: none. */
  refused: number;
}

export class Usage {
  readonly #requester: Requester;
  readonly #names: JournalNames;
  readonly #limits: JournalLimits;
  readonly #logger: Logger;
  readonly #streams = new Map<string, StreamUsage>();
  #wasFull = false;

  constructor(options: { requester: Requester; names: JournalNames; limits: JournalLimits; logger: Logger }) {
    this.#requester = options.requester;
    this.#names = options.names;
    this.#limits = options.limits;
    this.#logger = options.logger;
  }

  /** Bytes in all log streams. */
  get bytes(): number {
    let bytes = 0;
    for (const stream of this.#streams.values()) bytes += stream.bytes + stream.appended;
    return bytes;
  }

  /** What all log streams may hold; -1: there is no limit. */
  get bytesMax(): number {
    let bytes = 0;
    for (const { bytesMax } of this.#streams.values()) {
      if (bytesMax < 0) return -1;
      bytes += bytesMax;
    }
    return bytes;
  }

  /** Whether records are being refused. */
  get full(): boolean {
    return [...this.#streams.values()].some((stream) => this.#room(stream) < Math.max(1, stream.refused));
  }

  /** Whether a stream is more than half full. */
  get pressed(): boolean {
    return [...this.#streams.values()].some(
      ({ bytes, appended, bytesMax }) => bytesMax >= 0 && (bytes + appended) * 2 > bytesMax,
    );
  }

  /** Looks all streams up. @throws RequestLost, JetStreamError */
  async refresh(): Promise<void> {
    for (const stream of this.#names.logStreams) {
      const former = this.#streams.get(stream);
      // What is acknowledged while the look-up is under way may or may not be in its answer: it is counted twice, for once.
      const before = former?.appended ?? 0;
      const { config, state } = await streamInfo(this.#requester, this.#names, stream);
      const usage = former ?? { bytes: 0, bytesMax: 0, appended: 0, refused: 0 };
      usage.bytes = state.bytes;
      usage.bytesMax = config.max_bytes > 0 ? config.max_bytes : -1;
      usage.appended -= before;
      if (this.#room(usage) >= usage.refused) usage.refused = 0;
      this.#streams.set(stream, usage);
    }
    if (this.full !== this.#wasFull) {
      this.#wasFull = this.full;
      const fields = { bytes: this.bytes, bytesMax: this.bytesMax };
      if (this.full) this.#logger.log('error', 'journal.full', fields);
      else this.#logger.log('info', 'journal.has-room', fields);
    }
  }

  /** @throws StorageFault `full` when records of that many bytes may not be added to the shard's stream */
  requireRoom(shard: number, bytes: number): void {
    const stream = this.#streams.get(this.#names.logStream(shard));
    if (stream === undefined || this.#room(stream) >= bytes) return;
    this.refused(shard, bytes);
    const used = stream.bytes + stream.appended;
    throw new StorageFault('full', `shard ${shard}: the journal holds ${used} of ${stream.bytesMax} bytes`);
  }

  /** There was no room for an append of that many bytes. */
  refused(shard: number, bytes: number): void {
    const stream = this.#streams.get(this.#names.logStream(shard));
    if (stream !== undefined) stream.refused = stream.refused === 0 ? bytes : Math.min(stream.refused, bytes);
  }

  /** An append was acknowledged. */
  appended(shard: number, bytes: number): void {
    const stream = this.#streams.get(this.#names.logStream(shard));
    if (stream !== undefined) stream.appended += bytes;
  }

  #room(stream: StreamUsage): number {
    if (stream.bytesMax < 0) return Number.POSITIVE_INFINITY;
    const reserved = Math.min(this.#limits.reservedBytesMax, Math.floor(stream.bytesMax / 8));
    return stream.bytesMax - reserved - stream.bytes - stream.appended;
  }
}
