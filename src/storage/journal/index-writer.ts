// Writes a shard's index: digests of the messages appended since, and now and then a base that replaces them, so that an
// opener reads little of the log however much lies in it. The log's messages name the index message to start from; only
// what is named, and durable by that, lets messages of the log be trimmed (`coveredSequence`).

import type { Logger } from '../../actors/runtime/ports.ts';
import { faultOf } from './faults.ts';
import {
  encodeIndexMessage,
  encodeNote,
  encodeRecord,
  encodeState,
  INDEX_HEAD_BYTES,
  type IndexHead,
} from './index-format.ts';
import { type JournalLimits, MESSAGE_OVERHEAD_BYTES } from './limits.ts';
import type { JournalNames } from './names.ts';
import { answerOf, type Requester } from './requester.ts';
import type { AppliedMessage, ShardState } from './shard-state.ts';

/** A digest or a part of a base is cut here, or where NATS does: a short message on the way of appends. */
const PART_BYTES = 1 << 20;
/** Records that could not be written are kept up to this size; beyond it the state itself is written next. */
const PENDING_BYTES_MAX = 16 << 20;

/** A chain as it was found in the stream or written. */
export interface IndexChain {
  /** Sequences of its last and its first message; 0: there is none. */
  readonly last: number;
  readonly first: number;
  /** Log sequence up to which it tells all. */
  readonly covered: number;
  /** Bytes of its base, and of the digests behind it. */
  readonly baseBytes: number;
  readonly digestBytes: number;
}

export const NO_CHAIN: IndexChain = { last: 0, first: 0, covered: 0, baseBytes: 0, digestBytes: 0 };

export interface IndexWriterOptions {
  readonly requester: Requester;
  readonly names: JournalNames;
  readonly limits: JournalLimits;
  readonly logger: Logger;
  readonly shard: number;
  readonly epoch: number;
  readonly state: ShardState;
  /** As the opener found it, named by the log. */
  readonly chain: IndexChain;
}

interface Pending {
  records: Buffer[];
  bytes: number;
  /** Records were given up: only a base tells them now. */
  incomplete: boolean;
  messages: number;
  coveredBytes: number;
  /** Sequence of the last message in it. */
  lastSequence: number;
}

export class IndexWriter {
  readonly #options: IndexWriterOptions;
  #pending: Pending = emptyPending();
  #chain: IndexChain;
  #covered: number;
  #writing: Promise<void> | undefined;
  /** First index message that is still needed once the chain's last is named; 0: nothing is to be purged. */
  #purgeBelow = 0;
  #stopped = false;
  /** After a fault it is not tried again before then: NATS may elect a leader for seconds, while appends go on. */
  #notBeforeMs = 0;

  constructor(options: IndexWriterOptions) {
    this.#options = options;
    this.#chain = options.chain;
    this.#covered = options.chain.covered;
    this.#pending.lastSequence = options.chain.covered;
  }

  /** The index message that the log's next message is to name. */
  get sequence(): number {
    return this.#chain.last;
  }

  /** Messages of the log up to this sequence are not needed for an opening any more. */
  get coveredSequence(): number {
    return this.#covered;
  }

  /** Messages that an opening now would read from the log, and their bytes. */
  get behind(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#pending.messages, bytes: this.#pending.coveredBytes };
  }

  /** A committed message was applied to the state. */
  applied(message: AppliedMessage): void {
    this.#add(encodeRecord(message), message.sequence, message.bytes);
  }

  /** A message without effect is in the log. */
  noted(sequence: number, bytes: number): void {
    this.#add(encodeNote(sequence, bytes), sequence, bytes);
  }

  /** The log has a message that names this index message. */
  named(indexSequence: number): void {
    if (indexSequence !== this.#chain.last || this.#covered === this.#chain.covered) return;
    this.#covered = this.#chain.covered;
    if (this.#purgeBelow > 0) this.#purge(this.#purgeBelow);
    this.#purgeBelow = 0;
  }

  /** Whether the chain tells more than what is named in the log. */
  get unnamed(): boolean {
    return this.#covered < this.#chain.covered;
  }

  /** Extends the index when enough has gathered. */
  extendIfDue(): void {
    const { digestMessagesMax, digestCoveredBytesMax } = this.#options.limits;
    if (this.#pending.messages < digestMessagesMax && this.#pending.coveredBytes < digestCoveredBytesMax) return;
    if (this.#writing !== undefined || performance.now() < this.#notBeforeMs) return;
    this.extend().catch((error: unknown) => {
      // What was to be written stays pending, and is tried again with what comes.
      this.#notBeforeMs = performance.now() + RETRY_MS;
      this.#options.logger.log('warn', 'journal.index-not-extended', { shard: this.#options.shard, error });
    });
  }

  /** Writes everything that is pending. @throws StorageFault */
  async extend(): Promise<void> {
    if (this.#writing !== undefined) return this.#writing;
    if (this.#stopped || this.#pending.messages === 0) return;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  /** Writes no more. Resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#writing?.catch(() => {});
  }

  #add(record: Buffer, sequence: number, bytes: number): void {
    const pending = this.#pending;
    if (!pending.incomplete) {
      pending.records.push(record);
      pending.bytes += record.length;
      if (pending.bytes > PENDING_BYTES_MAX) {
        pending.records = [];
        pending.incomplete = true;
      }
    }
    pending.messages++;
    pending.coveredBytes += bytes;
    pending.lastSequence = sequence;
  }

  async #write(): Promise<void> {
    const taken = this.#pending;
    this.#pending = { ...emptyPending(), lastSequence: taken.lastSequence };
    const { digestBytesBeforeBaseMin } = this.#options.limits;
    const { baseBytes, digestBytes } = this.#chain;
    const baseIsDue = taken.incomplete || digestBytes + taken.bytes > Math.max(digestBytesBeforeBaseMin, baseBytes);
    try {
      if (baseIsDue) await this.#writeBase(taken.lastSequence);
      else await this.#writeDigests(taken);
    } catch (error) {
      const later = this.#pending;
      this.#pending = {
        records: [...taken.records, ...later.records],
        bytes: taken.bytes + later.bytes,
        incomplete: taken.incomplete || later.incomplete,
        messages: taken.messages + later.messages,
        coveredBytes: taken.coveredBytes + later.coveredBytes,
        lastSequence: later.lastSequence,
      };
      throw faultOf(error, `index of shard ${this.#options.shard}`);
    }
  }

  async #writeDigests(taken: Pending): Promise<void> {
    let { last, first, digestBytes } = this.#chain;
    let at = 0;
    while (at < taken.records.length) {
      let end = at;
      let bytes = INDEX_HEAD_BYTES;
      while (end < taken.records.length && (end === at || bytes + taken.records[end]!.length <= this.#partBytes())) {
        bytes += taken.records[end++]!.length;
      }
      // A digest that is not the last of this round covers no more than the chain before it: nobody starts from it.
      const covered = end === taken.records.length ? taken.lastSequence : this.#chain.covered;
      last = await this.#publish(
        { kind: 'digest', lastPart: true, part: 0, records: end - at, previous: last, first, covered },
        taken.records.slice(at, end),
      );
      if (first === 0) first = last;
      digestBytes += bytes;
      at = end;
    }
    this.#chain = { ...this.#chain, last, first, covered: taken.lastSequence, digestBytes };
  }

  async #writeBase(covered: number): Promise<void> {
    const content = encodeState(this.#options.state);
    let last = 0;
    let first = 0;
    for (let at = 0, part = 0; at < content.length; part++) {
      const end = Math.min(at + this.#partBytes(), content.length);
      const lastPart = end === content.length;
      last = await this.#publish({ kind: 'base', lastPart, part, records: 0, previous: last, first, covered }, [
        content.subarray(at, end),
      ]);
      if (first === 0) first = last;
      at = end;
    }
    this.#chain = { last, first, covered, baseBytes: content.length, digestBytes: 0 };
    this.#purgeBelow = first;
  }

  #partBytes(): number {
    return Math.min(PART_BYTES, this.#options.requester.maxPayload - MESSAGE_OVERHEAD_BYTES);
  }

  async #publish(head: Omit<IndexHead, 'epoch'>, content: readonly Uint8Array[]): Promise<number> {
    const { requester, names, shard, epoch } = this.#options;
    const message = encodeIndexMessage({ ...head, epoch }, content);
    // Landed twice or too late, it is no part of the chain: only what the next message calls its previous is.
    return answerOf<{ seq: number }>(await requester.request(names.indexSubject(shard), message)).seq;
  }

  #purge(below: number): void {
    const { requester, names, shard, logger } = this.#options;
    requester
      .api(names.api(`STREAM.PURGE.${names.indexStream}`), { filter: names.indexSubject(shard), seq: below })
      .catch((error: unknown) => {
        // The next base takes this one's leavings with it.
        logger.log('warn', 'journal.index-not-purged', { shard, error });
      });
  }
}

const RETRY_MS = 1_000;

function emptyPending(): Pending {
  return { records: [], bytes: 0, incomplete: false, messages: 0, coveredBytes: 0, lastSequence: 0 };
}
