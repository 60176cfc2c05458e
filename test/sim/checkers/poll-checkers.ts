// Checkers of what consumers see: records in order and without a gap, watermarks that only rise, nothing that was
// deleted, everything that was acknowledged, to the end.

import { type EventOf, eventsOf, type PartitionId } from '../history.ts';
import type { LogView, Violation } from './log-view.ts';

/** Polls of one span follow one another, without going back and without leaving anything out. */
export function pollOrder({ events }: LogView): Violation[] {
  const violations: Violation[] = [];
  const expectedOf = new Map<number, bigint>();
  for (const { span, partition, position, records, client, index } of eventsOf(events, 'poll')) {
    let expected = expectedOf.get(span) ?? position;
    for (const [offset, value] of records) {
      if (offset !== expected) {
        violations.push({
          checker: offset < expected ? 'nonmonotonic poll' : 'poll skip',
          what: `${client} got ${value} at ${partition}@${offset} where ${expected} was due`,
          eventIndex: index,
        });
      }
      expected = offset + 1n;
    }
    expectedOf.set(span, expected);
  }
  return violations;
}

/** A client never sees a high watermark or a log start go back, nor a record at or above the high watermark. */
export function watermarks({ events }: LogView): Violation[] {
  const violations: Violation[] = [];
  const seen = new Map<string, { highWatermark: bigint; logStartOffset: bigint }>();
  for (const { client, partition, highWatermark, logStartOffset, records, index } of eventsOf(events, 'poll')) {
    const report = (what: string) =>
      violations.push({ checker: 'watermark', what: `${client}, ${partition}: ${what}`, eventIndex: index });
    const before = seen.get(`${client} ${partition}`) ?? { highWatermark: -1n, logStartOffset: -1n };
    if (highWatermark >= 0n && highWatermark < before.highWatermark) {
      report(`high watermark ${highWatermark} after ${before.highWatermark}`);
    }
    if (logStartOffset >= 0n && logStartOffset < before.logStartOffset) {
      report(`log start ${logStartOffset} after ${before.logStartOffset}`);
    }
    const last = records.at(-1);
    if (last !== undefined && last[0] >= highWatermark) report(`record at ${last[0]}, high watermark ${highWatermark}`);
    seen.set(`${client} ${partition}`, {
      highWatermark: highWatermark > before.highWatermark ? highWatermark : before.highWatermark,
      logStartOffset: logStartOffset > before.logStartOffset ? logStartOffset : before.logStartOffset,
    });
  }
  return violations;
}

/** A fetch that begins after an acknowledgement sees the log at least as far, and nothing below an acknowledged log start. */
export function staleReads({ events }: LogView): Violation[] {
  const violations: Violation[] = [];
  const acknowledged = new Map<PartitionId, bigint>();
  const deleted = new Map<PartitionId, bigint>();
  const sends = new Map(eventsOf(events, 'send').map((send) => [send.operation, send]));
  const deletions = new Map(eventsOf(events, 'deleteRecords').map((deletion) => [deletion.operation, deletion]));
  const atBegin = new Map<
    number,
    { ends: ReadonlyMap<PartitionId, bigint>; starts: ReadonlyMap<PartitionId, bigint> }
  >();
  // Fetches that begin between two changes share one copy of what was known.
  let known: { ends: ReadonlyMap<PartitionId, bigint>; starts: ReadonlyMap<PartitionId, bigint> } | undefined;
  const raise = (map: Map<PartitionId, bigint>, partition: PartitionId, offset: bigint) => {
    if (offset <= (map.get(partition) ?? -1n)) return;
    map.set(partition, offset);
    known = undefined;
  };
  for (const event of events) {
    if (event.kind === 'sent' && event.outcome === 'ok' && event.baseOffset >= 0n) {
      const { partition, values } = sends.get(event.operation) as EventOf<'send'>;
      raise(acknowledged, partition, event.baseOffset + BigInt(values.length));
    } else if (event.kind === 'recordsDeleted' && event.outcome === 'ok') {
      raise(deleted, (deletions.get(event.operation) as EventOf<'deleteRecords'>).partition, event.logStartOffset);
    } else if (event.kind === 'fetch') {
      known ??= { ends: new Map(acknowledged), starts: new Map(deleted) };
      atBegin.set(event.operation, known);
    } else if (event.kind === 'poll') {
      const begin = atBegin.get(event.operation);
      const report = (what: string) =>
        violations.push({ checker: 'stale read', what: `${event.partition}: ${what}`, eventIndex: event.index });
      const end = begin?.ends.get(event.partition) ?? 0n;
      if (event.highWatermark >= 0n && event.highWatermark < end) {
        report(`high watermark ${event.highWatermark}, acknowledged up to ${end} before the fetch began`);
      }
      const start = begin?.starts.get(event.partition) ?? 0n;
      const [first] = event.records;
      if (first !== undefined && first[0] < start) report(`record at ${first[0]}, deleted below ${start} before`);
    }
  }
  return violations;
}

/** A log start moves only as far as somebody asked. */
export function overDeletion({ events, deletedBelow }: LogView): Violation[] {
  const violations: Violation[] = [];
  for (const event of events) {
    if (event.kind !== 'poll' && event.kind !== 'finalRead') continue;
    const asked = deletedBelow.get(event.partition) ?? 0n;
    if (event.logStartOffset <= asked) continue;
    violations.push({
      checker: 'deleted too much',
      what: `${event.partition} starts at ${event.logStartOffset}, deletion was asked below ${asked}`,
      eventIndex: event.index,
    });
  }
  return violations;
}

/** Whoever reads to the end gets to the end. */
export function unseen({ events, finalReads }: LogView): Violation[] {
  const violations: Violation[] = [];
  for (const { partition, offset, client, index } of eventsOf(events, 'finalPosition')) {
    const end = finalReads.get(partition)?.highWatermark;
    if (end === undefined || offset === end) continue;
    const what = `${client} stays at ${partition}@${offset}, the log ends at ${end}`;
    violations.push({ checker: 'unseen', what, eventIndex: index });
  }
  return violations;
}
