// Fetch sessions (KIP-227): what a consumer has asked for before, so that its next Fetch names only what changed and the
// answer only what is new. A bounded number of them; one unused for two minutes may be replaced by a newcomer, and who
// finds no room fetches without a session. Source of the rules: Kafka's FetchSession.scala.

import { ErrorCode } from '../../protocol/errors.ts';
import type { Clock, Random } from '../runtime/ports.ts';

/** One partition that a client wants to fetch. */
export interface FetchPartition {
  /** Empty when the request names topics by id. */
  readonly topic: string;
  /** Zero id when the request names topics by name. */
  readonly topicId: string;
  readonly partition: number;
  readonly currentLeaderEpoch: number;
  readonly fetchOffset: bigint;
  readonly lastFetchedEpoch: number;
  readonly partitionMaxBytes: number;
}

/** What the client was last told of a partition. */
interface Told {
  wanted: FetchPartition;
  highWatermark: bigint;
  logStartOffset: bigint;
  errorCode: number;
}

export interface PartitionOutcome {
  readonly wanted: FetchPartition;
  readonly errorCode: number;
  readonly highWatermark: bigint;
  readonly logStartOffset: bigint;
  readonly hasRecords: boolean;
  readonly diverges: boolean;
}

/** A fetch in the light of its session: what to fetch, and which of the outcomes to tell. */
export interface SessionFetch {
  readonly sessionId: number;
  readonly partitions: readonly FetchPartition[];
  /** Whether an outcome belongs into the response; remembers what is told. */
  tells(outcome: PartitionOutcome): boolean;
}

export const FINAL_EPOCH = -1;
const INITIAL_EPOCH = 0;
const EVICTION_AGE_MS = 120_000;

interface Session {
  readonly id: number;
  epoch: number;
  readonly usesTopicIds: boolean;
  lastUsedMs: number;
  readonly partitions: Map<string, Told>;
}

export interface FetchSessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly usesTopicIds: boolean;
  readonly partitions: readonly FetchPartition[];
  readonly forgotten: readonly Pick<FetchPartition, 'topic' | 'topicId' | 'partition'>[];
}

export class FetchSessions {
  readonly #slotsMax: number;
  readonly #clock: Clock;
  readonly #random: Random;
  /** In order of last use, oldest first. */
  readonly #sessions = new Map<number, Session>();

  /** @param slotsMax `max.incremental.fetch.session.cache.slots` */
  constructor(slotsMax: number, clock: Clock, random: Random) {
    this.#slotsMax = slotsMax;
    this.#clock = clock;
    this.#random = random;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** @returns the fetch to do, or the error code that refuses the request as a whole. */
  begin(request: FetchSessionRequest): SessionFetch | { readonly errorCode: number } {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === FINAL_EPOCH) {
      this.#sessions.delete(sessionId);
      return sessionless(request.partitions);
    }
    if (sessionEpoch === INITIAL_EPOCH) {
      this.#sessions.delete(sessionId);
      return this.#create(request);
    }
    return this.#continue(request);
  }

  #create(request: FetchSessionRequest): SessionFetch {
    if (request.partitions.length === 0 || !this.#makeRoom()) return sessionless(request.partitions);
    const session: Session = {
      id: this.#newId(),
      epoch: 1,
      usesTopicIds: request.usesTopicIds,
      lastUsedMs: this.#clock.monotonicMs(),
      partitions: new Map(request.partitions.map((wanted) => [keyOf(wanted), untold(wanted)])),
    };
    this.#sessions.set(session.id, session);
    return {
      sessionId: session.id,
      partitions: request.partitions,
      tells: (outcome) => {
        remember(session, outcome);
        return true;
      },
    };
  }

  #continue(request: FetchSessionRequest): SessionFetch | { readonly errorCode: number } {
    const session = this.#sessions.get(request.sessionId);
    if (session === undefined) return { errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND };
    if (session.epoch !== request.sessionEpoch) return { errorCode: ErrorCode.INVALID_FETCH_SESSION_EPOCH };
    if (session.usesTopicIds !== request.usesTopicIds) return { errorCode: ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR };
    session.epoch = session.epoch === 0x7fffffff ? 1 : session.epoch + 1;
    session.lastUsedMs = this.#clock.monotonicMs();
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
    for (const wanted of request.partitions) {
      const told = session.partitions.get(keyOf(wanted));
      if (told === undefined) session.partitions.set(keyOf(wanted), untold(wanted));
      else told.wanted = wanted;
    }
    for (const partition of request.forgotten) session.partitions.delete(keyOf(partition));
    return {
      sessionId: session.id,
      partitions: [...session.partitions.values()].map(({ wanted }) => wanted),
      tells: (outcome) => {
        const told = session.partitions.get(keyOf(outcome.wanted));
        const news =
          outcome.hasRecords ||
          outcome.diverges ||
          outcome.errorCode !== ErrorCode.NONE ||
          told === undefined ||
          told.highWatermark !== outcome.highWatermark ||
          told.logStartOffset !== outcome.logStartOffset ||
          told.errorCode !== outcome.errorCode;
        remember(session, outcome);
        return news;
      },
    };
  }

  #makeRoom(): boolean {
    if (this.#sessions.size < this.#slotsMax) return true;
    const oldest = this.#sessions.values().next().value;
    if (oldest === undefined || this.#clock.monotonicMs() - oldest.lastUsedMs < EVICTION_AGE_MS) return false;
    return this.#sessions.delete(oldest.id);
  }

  #newId(): number {
    for (;;) {
      const id = 1 + Math.floor(this.#random.float() * 0x7ffffffe);
      if (!this.#sessions.has(id)) return id;
    }
  }
}

function keyOf({ topic, topicId, partition }: Pick<FetchPartition, 'topic' | 'topicId' | 'partition'>): string {
  return `${topic}/${topicId}/${partition}`;
}

function untold(wanted: FetchPartition): Told {
  return { wanted, highWatermark: -1n, logStartOffset: -1n, errorCode: ErrorCode.NONE };
}

function remember(
  session: Session,
  { wanted, errorCode, highWatermark, logStartOffset, hasRecords }: PartitionOutcome,
) {
  const key = keyOf(wanted);
  const told = session.partitions.get(key);
  if (told === undefined) return;
  told.errorCode = errorCode;
  told.highWatermark = highWatermark;
  told.logStartOffset = logStartOffset;
  // Who has been served goes to the end, so that a full response does not starve the partitions behind it.
  if (!hasRecords) return;
  session.partitions.delete(key);
  session.partitions.set(key, told);
}

function sessionless(partitions: readonly FetchPartition[]): SessionFetch {
  return { sessionId: 0, partitions, tells: () => true };
}
