// Gives back the space of a shard's dead messages: those before the first live one by one purge, those behind it one by
// one. Only what the index covers goes, and never the subject's last message, which appends are fenced by.

import { isDeletedAlready } from './faults.ts';
import type { IndexWriter } from './index-writer.ts';
import type { JournalLimits } from './limits.ts';
import type { JournalNames } from './names.ts';
import type { Requester } from './requester.ts';
import type { ShardState } from './shard-state.ts';

export interface TrimmerOptions {
  readonly requester: Requester;
  readonly names: JournalNames;
  readonly limits: JournalLimits;
  readonly shard: number;
  readonly state: ShardState;
  readonly index: IndexWriter;
  /** The subject's last message. */
  readonly lastSequence: () => number;
  /** Brings the index up to date and names it in the log. */
  readonly coverAll: () => Promise<void>;
}

export class Trimmer {
  readonly #options: TrimmerOptions;
  #rounds = 0;
  /** A thorough round has covered what the next one is to trim. */
  #covered = false;
  #trimmedBytes = 0;

  constructor(options: TrimmerOptions) {
    this.#options = options;
  }

  /** Bytes given back so far. */
  get trimmedBytes(): number {
    return this.#trimmedBytes;
  }

  /**
   * One round: trims what is worth it, and from time to time also what is not.
   * @param urgent the journal is full: all that can go goes
   * @throws RequestLost, JetStreamError, StorageFault; what was not done is done by a later round
   */
  async trim(urgent: boolean): Promise<void> {
    const { state, limits } = this.#options;
    const { ledger } = state;
    const followsCover = this.#covered;
    this.#covered = false;
    const thorough = urgent || followsCover || ++this.#rounds % THOROUGH_EVERY === 0;
    const worth = thorough ? 1 : limits.trimBytesMin;
    if (ledger.deadBytes < worth) return;
    const upTo = this.#coveredBelowLast();
    const front = ledger.deadFront(upTo);
    if (front !== undefined && front.bytes >= worth) await this.#purgeFront(front.sequence, front.bytes);
    const interior = ledger.deadInterior(upTo, limits.trimDeletesMax);
    const bytes = interior.reduce((sum, message) => sum + message.bytes, 0);
    if (interior.length > 0 && (bytes >= worth || interior.length === limits.trimDeletesMax)) {
      for (const message of interior) await this.#delete(message.sequence, message.bytes);
    }
    // Worth it, but not covered yet: the index is brought up to date for the next round.
    const uncovered = ledger.deadBytesBelow(this.#options.lastSequence());
    const covers = urgent || (thorough && !followsCover) ? MESSAGE_BYTES_WORTH : limits.trimBytesMin;
    if (uncovered < covers) return;
    await this.#options.coverAll();
    this.#covered = thorough;
  }

  #coveredBelowLast(): number {
    return Math.min(this.#options.index.coveredSequence, this.#options.lastSequence() - 1);
  }

  async #purgeFront(sequence: number, bytes: number): Promise<void> {
    const { requester, names, shard, state } = this.#options;
    const query = { filter: names.logSubject(shard), seq: sequence + 1 };
    await requester.api(names.api(`STREAM.PURGE.${names.logStream(shard)}`), query);
    state.ledger.forgetFront(sequence);
    this.#trimmedBytes += bytes;
  }

  async #delete(sequence: number, bytes: number): Promise<void> {
    const { requester, names, shard, state } = this.#options;
    try {
      const query = { seq: sequence, no_erase: true };
      await requester.api(names.api(`STREAM.MSG.DELETE.${names.logStream(shard)}`), query);
    } catch (error) {
      if (!isDeletedAlready(error)) throw error;
    }
    state.ledger.forget(sequence);
    this.#trimmedBytes += bytes;
  }
}

const THOROUGH_EVERY = 10;
/** Below this, bringing the index up to date takes as much as it gives. */
const MESSAGE_BYTES_WORTH = 64 << 10;
