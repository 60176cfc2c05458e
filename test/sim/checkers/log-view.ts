// The history sorted by partition: what was sent, how it ended, and every place at which a value was seen. The checkers
// of logs look at this.

import { type EventOf, eventsOf, type HistoryEvent, type PartitionId } from '../history.ts';

/** What is wrong, in one line, and the event that shows it. */
export interface Violation {
  readonly checker: string;
  readonly what: string;
  readonly eventIndex: number;
}

export interface SendSeen {
  readonly begin: EventOf<'send'>;
  /** Undefined: the history ends before it. */
  readonly end: EventOf<'sent'> | undefined;
}

/** A value at an offset, as an acknowledgement or a read showed it. */
export interface Sighting {
  readonly partition: PartitionId;
  readonly offset: bigint;
  readonly value: string;
  readonly eventIndex: number;
  readonly read: boolean;
}

export interface LogView {
  readonly events: readonly HistoryEvent[];
  readonly sends: readonly SendSeen[];
  /** Which send each value came from. */
  readonly sendOf: ReadonlyMap<string, SendSeen>;
  readonly sightings: readonly Sighting[];
  /** Highest offset below which somebody asked to delete, by partition, whether told that it was done or not. */
  readonly deletedBelow: ReadonlyMap<PartitionId, bigint>;
  /** Topics that somebody tried to delete. */
  readonly goneTopics: ReadonlySet<string>;
  readonly finalReads: ReadonlyMap<PartitionId, EventOf<'finalRead'>>;
}

export function logView(events: readonly HistoryEvent[]): LogView {
  const ends = new Map(eventsOf(events, 'sent').map((end) => [end.operation, end]));
  const sends = eventsOf(events, 'send').map((begin) => ({ begin, end: ends.get(begin.operation) }));
  const sendOf = new Map(sends.flatMap((send) => send.begin.values.map((value) => [value, send] as const)));
  const deletedBelow = new Map<PartitionId, bigint>();
  for (const { partition, beforeOffset } of eventsOf(events, 'deleteRecords')) {
    if (beforeOffset > (deletedBelow.get(partition) ?? 0n)) deletedBelow.set(partition, beforeOffset);
  }
  return {
    events,
    sends,
    sendOf,
    sightings: sightingsOf(events, new Map(sends.map((send) => [send.begin.operation, send]))),
    deletedBelow,
    goneTopics: new Set(eventsOf(events, 'topicGone').map(({ topicId }) => topicId)),
    finalReads: new Map(eventsOf(events, 'finalRead').map((read) => [read.partition, read])),
  };
}

function sightingsOf(events: readonly HistoryEvent[], sends: ReadonlyMap<number, SendSeen>): Sighting[] {
  const sightings: Sighting[] = [];
  for (const event of events) {
    if (event.kind === 'sent' && event.outcome === 'ok' && event.baseOffset >= 0n) {
      const begin = sends.get(event.operation)?.begin;
      for (const [index, value] of (begin?.values ?? []).entries()) {
        const offset = event.baseOffset + BigInt(index);
        sightings.push({
          partition: (begin as EventOf<'send'>).partition,
          offset,
          value,
          eventIndex: event.index,
          read: false,
        });
      }
    } else if (event.kind === 'poll' || event.kind === 'finalRead') {
      for (const [offset, value] of event.records) {
        sightings.push({ partition: event.partition, offset, value, eventIndex: event.index, read: true });
      }
    }
  }
  return sightings;
}
