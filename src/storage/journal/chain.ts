// The chain of messages on one shard's subject, as its owner appends to it. Each append names the subject's last sequence
// that it expects, so that it lands right behind the owner's former one or not at all.
//
// An append whose answer was lost may have landed, may land yet, or is gone. A marker is then appended with the very same
// expectation: of the two one can land. Once it is known which, nothing is left in flight.
//
//   append ──ack──▶ applied                                 marker ──ack──▶ not applied
//     ├──10071─────▶ look behind the expected sequence ◀──10071──┘     ├── ours ▶ applied
//     └──lost──▶ marker, again and again, until the deadline           ├── our marker, or an opening right behind ▶ not applied
//                                                                      └── unclear ▶ outcome unknown

import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../actors/runtime/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import {
  faultOf,
  isMessageNotFound,
  isOutcomeUnknown,
  isStoreFailure,
  isWrongLastSequence,
  JetStreamError,
  RequestLost,
} from './faults.ts';
import type { JournalLimits } from './limits.ts';
import { decodeHead, encodeMessage, type MessageHead, type MessageIdentity } from './message-format.ts';
import type { JournalNames } from './names.ts';
import { answerOf, type Requester } from './requester.ts';
import { nextMessage, type StoredMessage } from './stored-message.ts';

const EXPECTED = 'Nats-Expected-Last-Subject-Sequence';

export interface ChainOptions {
  readonly requester: Requester;
  readonly names: JournalNames;
  readonly limits: JournalLimits;
  readonly logger: Logger;
  readonly shard: number;
  readonly epoch: number;
  /** Sequence of this opening's own message. */
  readonly lastSequence: number;
  /** The index message that an opener is to start from; every message names it. */
  readonly indexSequence: () => number;
  /** A marker was written: it is part of the log. */
  readonly onMarker: (sequence: number, bytes: number) => void;
}

type Outcome = { readonly applied: true; readonly sequence: number } | { readonly applied: false };

export class Chain {
  readonly #options: ChainOptions;
  readonly #subject: string;
  #lastSequence: number;
  #counter = 0;
  /** Since when the subject seems to end before what was acknowledged. */
  #behindSinceMs: number | undefined;
  /** Someone has opened the shard after us. */
  #superseded = false;

  constructor(options: ChainOptions) {
    this.#options = options;
    this.#subject = options.names.logSubject(options.shard);
    this.#lastSequence = options.lastSequence;
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** Whether a later opening was seen in the log. */
  get superseded(): boolean {
    return this.#superseded;
  }

  /** The counter of the next group or marker. */
  nextCounter(): number {
    return ++this.#counter;
  }

  /**
   * Appends one message. One call at a time.
   * @param parts the message; not changed by anybody from now on
   * @returns its sequence.
   * @throws StorageFault `fenced` | `full` | `unavailable`: it is not in the log and never will be. `outcome-unknown`
   */
  async append(parts: readonly Uint8Array[], identity: MessageIdentity): Promise<number> {
    const { requester, limits, shard } = this.#options;
    const deadlineMs = performance.now() + limits.resolveTimeoutMs;
    const timeoutMs = Math.min(limits.appendTimeoutMs, limits.requestTimeoutMs);
    for (;;) {
      try {
        return this.#landed(await appendExpecting(requester, this.#subject, parts, this.#lastSequence, timeoutMs));
      } catch (error) {
        const refused = isWrongLastSequence(error);
        if (!refused && !this.#mayHaveLanded(error)) throw faultOf(error, `shard ${shard}: append`);
        const outcome = await this.#resolve(identity, refused, deadlineMs);
        // Refused for a message on its way (a late marker) that is not to be seen: this one may go again.
        if (outcome === 'nothing-there') continue;
        if (outcome.applied) return this.#landed(outcome.sequence);
        throw faultOf(error, `shard ${shard}: append`);
      }
    }
  }

  #landed(sequence: number): number {
    this.#lastSequence = sequence;
    return sequence;
  }

  #mayHaveLanded(error: unknown): boolean {
    return isOutcomeUnknown(error) || isStoreFailure(error);
  }

  /**
   * Finds out what became of an append behind `#lastSequence`, and that nothing can come of it any more.
   * @param refused it was: `nothing-there` then says that nothing is to be seen of what it was refused for
   */
  async #resolve(identity: MessageIdentity, refused: boolean, deadlineMs: number): Promise<Outcome | 'nothing-there'> {
    const { requester, limits, logger, shard } = this.#options;
    const expected = this.#lastSequence;
    if (!refused) logger.log('warn', 'journal.append-outcome-sought', { shard, expected, ...identity });
    let look = refused;
    let problem: unknown = new RequestLost('disconnected', 'no connection to NATS');
    while (await requester.whenConnected(deadlineMs)) {
      try {
        if (look) {
          const outcome = await this.#lookBehind(expected, identity);
          if (outcome !== undefined) return outcome;
        } else {
          const { payload, marker } = this.#marker();
          const sequence = await appendExpecting(
            requester,
            this.#subject,
            [payload],
            expected,
            limits.retryDelayMs * 20,
          );
          this.#options.onMarker(sequence, payload.length);
          logger.log('info', 'journal.append-not-applied', { shard, sequence, marker });
          this.#landed(sequence);
          return { applied: false };
        }
        // What the answer spoke of is not to be seen yet: it is on its way through the cluster, or was lost there.
        if (refused && performance.now() < deadlineMs) {
          await delay(limits.retryDelayMs / 5);
          return 'nothing-there';
        }
        look = false;
      } catch (error) {
        if (error instanceof StorageFault) throw error;
        problem = error;
        look = isWrongLastSequence(error);
        if (!look && !(error instanceof RequestLost || error instanceof JetStreamError)) throw error;
        if (look) continue;
      }
      if (performance.now() >= deadlineMs) break;
      await delay(limits.retryDelayMs);
    }
    const why = problem instanceof Error ? problem.message : String(problem);
    const what = `shard ${shard}: what became of an append behind ${expected} is not to be found out: ${why}`;
    throw new StorageFault('outcome-unknown', what, problem);
  }

  #marker(): { payload: Buffer; marker: number } {
    const { epoch, indexSequence } = this.#options;
    const counter = this.nextCounter();
    const fields = { kind: 'marker', lastPart: true, epoch, counter, part: 0, indexSequence: indexSequence() } as const;
    return { payload: encodeMessage(fields, []), marker: counter };
  }

  /** What lies behind `expected` on the subject decides. @returns undefined when nothing is to be seen there yet */
  async #lookBehind(expected: number, identity: MessageIdentity): Promise<Outcome | undefined> {
    const { requester, names, shard, epoch, logger } = this.#options;
    let first: StoredMessage;
    try {
      first = await nextMessage(requester, names, names.logStream(shard), this.#subject, expected + 1);
    } catch (error) {
      if (!isMessageNotFound(error)) throw error;
      await this.#requireNotBehind(expected);
      return undefined;
    }
    const head = decodeHead(first.data, `shard ${shard}, message ${first.sequence}`);
    if (head.epoch === epoch) {
      if (head.counter === identity.counter && head.part === identity.part) {
        logger.log('info', 'journal.append-applied', { shard, sequence: first.sequence });
        return { applied: true, sequence: first.sequence };
      }
      if (head.kind !== 'marker' || head.counter < identity.counter) {
        const what = `shard ${shard}: message ${first.sequence} of this opening is not known to it`;
        throw new StorageFault('outcome-unknown', what);
      }
      this.#options.onMarker(first.sequence, first.data.length);
      this.#landed(first.sequence);
      return { applied: false };
    }
    this.#superseded = true;
    if (head.epoch > epoch && openedBehind(head) === expected) {
      throw new StorageFault('fenced', `shard ${shard}: epoch ${epoch} has a later owner, of epoch ${head.epoch}`);
    }
    // The later owner has trimmed the log up to where this append may have been.
    const what = `shard ${shard}: taken by epoch ${head.epoch}; what became of an append is not to be found out`;
    throw new StorageFault('outcome-unknown', what);
  }

  /** @throws StorageFault when the subject ends before what was acknowledged: the journal has lost messages */
  async #requireNotBehind(expected: number): Promise<void> {
    const { requester, names, shard, logger, limits } = this.#options;
    const last = await lastSequence(requester, names, shard);
    if (last >= expected) {
      this.#behindSinceMs = undefined;
      return;
    }
    // A leader just elected may not have applied all that it has.
    this.#behindSinceMs ??= performance.now();
    if (performance.now() - this.#behindSinceMs < limits.lossSettledMs) return;
    logger.log('error', 'journal.lost-messages', { shard, acknowledged: expected, last });
    const what = `shard ${shard}: the journal ends at ${last} though ${expected} was acknowledged; it has lost messages`;
    throw new StorageFault('outcome-unknown', what);
  }
}

/** Sequence that the subject ended with when the opening in this message was made; undefined: it is no opening. */
function openedBehind(head: MessageHead): number | undefined {
  const item = head.items[0];
  return item?.kind === 'opened' ? item.previous : undefined;
}

async function lastSequence(requester: Requester, names: JournalNames, shard: number): Promise<number> {
  try {
    const subject = names.api(`STREAM.MSG.GET.${names.logStream(shard)}`);
    const answer = await requester.api<{ message: { seq: number } }>(subject, {
      last_by_subj: names.logSubject(shard),
    });
    return answer.message.seq;
  } catch (error) {
    if (isMessageNotFound(error)) return 0;
    throw error;
  }
}

/**
 * Publishes a message that lands only if the subject's last sequence is `expected`.
 * @returns its sequence.
 * @throws RequestLost, JetStreamError
 */
export async function appendExpecting(
  requester: Requester,
  subject: string,
  parts: readonly Uint8Array[],
  expected: number,
  timeoutMs?: number,
): Promise<number> {
  return answerOf<{ seq: number }>(
    await requester.requestParts(subject, [EXPECTED, String(expected)], parts, timeoutMs),
  ).seq;
}
