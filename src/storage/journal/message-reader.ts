// Reads messages of the journal's streams: single ones by direct get, runs of a subject by batched direct gets (ADR-31),
// both over the connection for reads and within its budget, so that the answers of appends never queue behind them.
// Holds the cache of messages, the owner's own newest ones included.

import { setTimeout as delay } from 'node:timers/promises';
import type { Msg } from '@nats-io/transport-node';
import { StorageFault } from '../../actors/shard/ports.ts';
import type { Budget } from './budget.ts';
import { faultOf, isMessageNotFound, JetStreamError, RequestLost } from './faults.ts';
import type { JournalLimits } from './limits.ts';
import type { JournalNames } from './names.ts';
import type { Requester } from './requester.ts';
import { messageAt, nextMessage } from './stored-message.ts';

const NOT_FOUND = 404;
const END_OF_BATCH = 204;
const BATCH_MESSAGES = 1024;
const RANGE_BYTES = 4 << 20;

/** A message that batches are taken out of. */
export interface MessageBytes {
  readonly bytes: number;
  /** The bytes from `position` on, in pieces; fewer than `length` when the message ends before. */
  slices(position: number, length: number): Uint8Array[];
}

interface Cached {
  readonly bytes: number;
  readonly message: Promise<MessageBytes>;
}

export class MessageReader {
  readonly #requester: Requester;
  readonly #names: JournalNames;
  readonly #limits: JournalLimits;
  readonly #budget: Budget;
  /** By `#key`, the least recently used first. */
  readonly #cache = new Map<number, Cached>();
  #cacheBytes = 0;

  constructor(options: { requester: Requester; names: JournalNames; limits: JournalLimits; budget: Budget }) {
    this.#requester = options.requester;
    this.#names = options.names;
    this.#limits = options.limits;
    this.#budget = options.budget;
  }

  /** Bytes of messages in memory. */
  get cacheBytes(): number {
    return this.#cacheBytes;
  }

  /** Keeps a message of a shard's log that was just appended. */
  put(shard: number, sequence: number, message: MessageBytes): void {
    this.#keep(this.#key(shard, sequence), { bytes: message.bytes, message: Promise.resolve(message) });
  }

  /**
   * The message of a shard's log with this sequence, which is known to have been stored.
   * @param bytes its size
   * @throws StorageFault `unavailable`, or `corrupt` when the stream does not have it
   */
  get(shard: number, sequence: number, bytes: number): Promise<MessageBytes> {
    const key = this.#key(shard, sequence);
    const cached = this.#cache.get(key);
    if (cached !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, cached);
      return cached.message;
    }
    const message = this.#budget.run(bytes, async () =>
      wholeMessage(await this.fetch(this.#names.logStream(shard), sequence)),
    );
    this.#keep(key, { bytes, message });
    message.catch(() => this.#forget(key));
    return message;
  }

  /** Whether the message is in memory or on its way. */
  has(shard: number, sequence: number): boolean {
    return this.#cache.has(this.#key(shard, sequence));
  }

  /**
   * Fetches messages of a shard's log in one go, for `get` to find: for many small ones that lie in a row.
   * @param sequences ascending, all known to have been stored
   * @param sizeOf the size of each
   */
  prefetch(shard: number, sequences: readonly number[], sizeOf: (sequence: number) => number): void {
    const waiting = new Map<number, { resolve: (message: MessageBytes) => void; reject: (error: unknown) => void }>();
    for (const sequence of sequences) {
      const message = new Promise<MessageBytes>((resolve, reject) => waiting.set(sequence, { resolve, reject }));
      const key = this.#key(shard, sequence);
      message.catch(() => this.#forget(key));
      this.#keep(key, { bytes: sizeOf(sequence), message });
    }
    const take = (sequence: number, data: Buffer): void => {
      waiting.get(sequence)?.resolve(wholeMessage(data));
      waiting.delete(sequence);
    };
    const [stream, subject] = [this.#names.logStream(shard), this.#names.logSubject(shard)];
    const giveUp = (error: unknown): void => {
      for (const { reject } of waiting.values()) reject(error);
    };
    this.range(stream, subject, sequences[0]!, sequences.at(-1)!, take).then(
      () => giveUp(new StorageFault('corrupt', `messages of ${subject} are not there: ${[...waiting.keys()]}`)),
      giveUp,
    );
  }

  /**
   * The subject's messages with sequences from `from` up to and with `to`, in order; `to` is known to have been stored.
   * @throws StorageFault `unavailable`, and what `take` throws
   */
  async range(
    stream: string,
    subject: string,
    from: number,
    to: number,
    take: (sequence: number, data: Buffer) => void,
  ): Promise<void> {
    let next = from;
    let deadlineMs = performance.now() + this.#limits.operationTimeoutMs;
    const taken = (sequence: number, data: Buffer): void => {
      if (sequence < next) return;
      next = sequence + 1;
      if (sequence <= to) take(sequence, data);
    };
    while (next <= to) {
      const before = next;
      try {
        await this.#budget.run(RANGE_BYTES, () => this.#batch(stream, subject, next, taken));
        if (next === before) {
          // The replica that was asked is behind; the leader is not.
          const message = await nextMessage(this.#requester, this.#names, stream, subject, next);
          taken(message.sequence, message.data);
        }
      } catch (error) {
        if (error instanceof StorageFault) throw error;
        const passing = error instanceof RequestLost || error instanceof JetStreamError;
        if (!passing || (next === before && performance.now() >= deadlineMs))
          throw faultOf(error, `reading ${subject}`);
        await delay(this.#limits.retryDelayMs);
        await this.#requester.whenConnected(deadlineMs);
      }
      if (next > before) deadlineMs = performance.now() + this.#limits.operationTimeoutMs;
    }
  }

  async #batch(
    stream: string,
    subject: string,
    from: number,
    taken: (sequence: number, data: Buffer) => void,
  ): Promise<void> {
    const query = { seq: from, next_by_subj: subject, batch: BATCH_MESSAGES, max_bytes: RANGE_BYTES };
    await this.#requester.requestMany(
      this.#names.api(`DIRECT.GET.${stream}`),
      Buffer.from(JSON.stringify(query)),
      (message) => {
        const code = message.headers?.code ?? 0;
        if (code === END_OF_BATCH || code === NOT_FOUND) return true;
        requireMessage(message);
        taken(Number(message.headers?.get('Nats-Sequence')), bufferOf(message));
        return false;
      },
    );
  }

  /** A message that is known to have been stored, past the cache. @throws StorageFault as `get` does */
  async fetch(stream: string, sequence: number): Promise<Buffer> {
    const deadlineMs = performance.now() + this.#limits.operationTimeoutMs;
    const what = `message ${sequence} of ${stream}`;
    for (;;) {
      try {
        const query = Buffer.from(`{"seq":${sequence}}`);
        const message = await this.#requester.request(this.#names.api(`DIRECT.GET.${stream}`), query);
        if (message.headers?.code === NOT_FOUND) {
          return (await messageAt(this.#requester, this.#names, stream, sequence)).data;
        }
        requireMessage(message);
        return bufferOf(message);
      } catch (error) {
        if (isMessageNotFound(error)) throw new StorageFault('corrupt', `${what} is not there`, error);
        const passing = error instanceof RequestLost || error instanceof JetStreamError;
        if (!passing || performance.now() >= deadlineMs) throw faultOf(error, what);
        await delay(this.#limits.retryDelayMs);
        await this.#requester.whenConnected(deadlineMs);
      }
    }
  }

  #key(shard: number, sequence: number): number {
    return sequence * this.#names.streamCount + (shard % this.#names.streamCount);
  }

  #keep(key: number, cached: Cached): void {
    if (this.#cache.has(key)) return;
    this.#cache.set(key, cached);
    this.#cacheBytes += cached.bytes;
    for (const oldest of this.#cache.keys()) {
      if (this.#cacheBytes <= this.#limits.cacheBytesMax || oldest === key) break;
      this.#forget(oldest);
    }
  }

  #forget(key: number): void {
    const cached = this.#cache.get(key);
    if (cached === undefined) return;
    this.#cache.delete(key);
    this.#cacheBytes -= cached.bytes;
  }
}

function wholeMessage(data: Buffer): MessageBytes {
  return {
    bytes: data.length,
    slices: (position, length) => (position < data.length ? [data.subarray(position, position + length)] : []),
  };
}

/** @throws JetStreamError when the answer is a status and no message */
function requireMessage(message: Msg): void {
  const code = message.headers?.code ?? 0;
  if (code !== 0) throw new JetStreamError(code, message.headers?.description ?? 'no message');
}

/** The message's bytes; a copy where they are a small part of what the socket gave, which would stay in memory whole. */
function bufferOf(message: Msg): Buffer {
  const { data } = message;
  if (data.length * 2 < data.buffer.byteLength) return Buffer.from(data);
  return Buffer.from(data.buffer, data.byteOffset, data.length);
}
