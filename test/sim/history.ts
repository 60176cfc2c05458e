// What the clients of a world did and saw, in the order in which it happened. It is all that the checkers judge by. An
// operation has two events: its begin and its end, tied by `operation`; one without an end has an unknown outcome.

import { createHash } from 'node:crypto';

/** `<topic id>/<partition>`: a topic made anew under an old name is another one. */
export type PartitionId = string;

export type HistoryEntry =
  /** A producer hands a batch to its client. */
  | {
      readonly kind: 'send';
      readonly operation: number;
      readonly partition: PartitionId;
      readonly values: readonly string[];
      /** Repeating it must not store it twice. */
      readonly idempotent: boolean;
      /** The client keeps its batches to this partition in order. */
      readonly ordered: boolean;
    }
  /** `fail`: it is certain that nothing was stored; `unknown`: nothing is certain. */
  | {
      readonly kind: 'sent';
      readonly operation: number;
      readonly outcome: 'ok' | 'fail' | 'unknown';
      /** -1n unless ok and told. */
      readonly baseOffset: bigint;
      readonly attempts: number;
      readonly errorCode: number;
    }
  | { readonly kind: 'fetch'; readonly operation: number }
  /** A consumer got an answer of a fetch for one partition. Successive polls of one span follow one another. */
  | {
      readonly kind: 'poll';
      readonly operation: number;
      readonly partition: PartitionId;
      readonly span: number;
      readonly position: bigint;
      readonly records: readonly (readonly [offset: bigint, value: string])[];
      readonly highWatermark: bigint;
      readonly logStartOffset: bigint;
    }
  | {
      readonly kind: 'deleteRecords';
      readonly operation: number;
      readonly partition: PartitionId;
      readonly beforeOffset: bigint;
    }
  | {
      readonly kind: 'recordsDeleted';
      readonly operation: number;
      readonly outcome: 'ok' | 'unknown';
      readonly logStartOffset: bigint;
    }
  | { readonly kind: 'topicGone'; readonly topicId: string }
  | {
      readonly kind: 'assigned';
      readonly group: string;
      readonly generation: number;
      readonly member: string;
      readonly partitions: readonly PartitionId[];
    }
  | {
      readonly kind: 'commit';
      readonly operation: number;
      readonly group: string;
      readonly generation: number;
      readonly offsets: readonly (readonly [PartitionId, bigint])[];
    }
  | {
      readonly kind: 'committed';
      readonly operation: number;
      readonly outcome: 'ok' | 'fail' | 'unknown';
      readonly errorCode: number;
    }
  | { readonly kind: 'fetchOffsets'; readonly operation: number; readonly group: string }
  | {
      readonly kind: 'offsetsFetched';
      readonly operation: number;
      readonly offsets: readonly (readonly [PartitionId, bigint])[];
    }
  /** Whole partitions read from their start to their end, after everything has come to rest. */
  | {
      readonly kind: 'finalRead';
      readonly partition: PartitionId;
      readonly logStartOffset: bigint;
      readonly highWatermark: bigint;
      readonly records: readonly (readonly [offset: bigint, value: string])[];
    }
  /** Where a consumer stands that has read all it could. */
  | { readonly kind: 'finalPosition'; readonly partition: PartitionId; readonly offset: bigint }
  /** Something that a client must never see, whatever the faults. */
  | { readonly kind: 'anomaly'; readonly what: string }
  | { readonly kind: 'fault'; readonly what: string };

export type HistoryEvent = HistoryEntry & { readonly index: number; readonly atMs: number; readonly client: string };
export type EventOf<Kind extends HistoryEntry['kind']> = Extract<HistoryEvent, { kind: Kind }>;

/** One value with its place in a log. */
export type LogRecordSeen = readonly [offset: bigint, value: string];

export class History {
  readonly events: HistoryEvent[] = [];
  readonly #nowMs: () => number;
  #operations = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** A number for an operation that begins. */
  operation(): number {
    return ++this.#operations;
  }

  add(client: string, entry: HistoryEntry): void {
    this.events.push({ ...entry, index: this.events.length, atMs: this.#nowMs(), client } as HistoryEvent);
  }
}

/** Digest of a history: two runs of one seed must agree on it. */
export function hashOf(events: readonly HistoryEvent[]): string {
  const hash = createHash('sha256');
  for (const event of events) hash.update(line(event));
  return hash.digest('hex');
}

/** One event as a line of text. */
export function line(event: HistoryEvent): string {
  return `${JSON.stringify(event, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value))}\n`;
}

/** The events of one kind. */
export function eventsOf<Kind extends HistoryEntry['kind']>(
  events: readonly HistoryEvent[],
  kind: Kind,
): EventOf<Kind>[] {
  return events.filter((event): event is EventOf<Kind> => event.kind === kind);
}
