// Checkers of what is in the logs, after Jepsen's Kafka workload: a log holds each acknowledged value, once, at one
// offset, where it was sent to, and nothing else.

import type { LogView, SendSeen, Sighting, Violation } from './log-view.ts';

/** One offset of a partition never has two values. */
export function inconsistentOffsets({ sightings }: LogView): Violation[] {
  const first = new Map<string, Sighting>();
  const violations: Violation[] = [];
  for (const sighting of sightings) {
    const place = `${sighting.partition}@${sighting.offset}`;
    const known = first.get(place);
    if (known === undefined) first.set(place, sighting);
    else if (known.value !== sighting.value) {
      violations.push({
        checker: 'inconsistent offsets',
        what: `${place} is ${known.value} (event ${known.eventIndex}) and ${sighting.value}`,
        eventIndex: sighting.eventIndex,
      });
    }
  }
  return violations;
}

/** A value is at one offset only, unless its producer may have stored it twice. */
export function duplicates({ sightings, sendOf }: LogView): Violation[] {
  const first = new Map<string, Sighting>();
  const violations: Violation[] = [];
  for (const sighting of sightings) {
    const known = first.get(sighting.value);
    if (known === undefined) first.set(sighting.value, sighting);
    else if (known.offset !== sighting.offset && !mayRepeat(sendOf.get(sighting.value))) {
      violations.push({
        checker: 'duplicate',
        what: `${sighting.value} is at ${known.partition}@${known.offset} and ${sighting.partition}@${sighting.offset}`,
        eventIndex: sighting.eventIndex,
      });
    }
  }
  return violations;
}

function mayRepeat(send: SendSeen | undefined): boolean {
  if (send === undefined || send.begin.idempotent) return false;
  return send.end === undefined || send.end.attempts > 1;
}

/** What is read was sent, to this partition, and was not refused for certain. */
export function unexpectedValues({ sightings, sendOf }: LogView): Violation[] {
  const violations: Violation[] = [];
  for (const { read, partition, offset, value, eventIndex } of sightings) {
    if (!read) continue;
    const send = sendOf.get(value);
    const report = (checker: string, what: string) =>
      violations.push({ checker, what: `${value} at ${partition}@${offset} ${what}`, eventIndex });
    if (send === undefined) report('phantom', 'was never sent');
    else if (send.begin.index > eventIndex) report('phantom', 'was read before it was sent');
    else if (send.begin.partition !== partition) report('misplaced', `was sent to ${send.begin.partition}`);
    else if (send.end?.outcome === 'fail') report('failed write visible', `was refused with ${send.end.errorCode}`);
  }
  return violations;
}

/** Every acknowledged value is in the final read of its partition, unless somebody asked for its deletion. */
export function lostWrites({ sends, finalReads, deletedBelow, goneTopics }: LogView): Violation[] {
  const violations: Violation[] = [];
  const present = new Map(
    [...finalReads].map(([partition, { records }]) => [partition, new Set(records.map(([, value]) => value))]),
  );
  for (const { begin, end } of sends) {
    if (end?.outcome !== 'ok' || goneTopics.has(begin.partition.split('/')[0] as string)) continue;
    const log = present.get(begin.partition);
    if (log === undefined) continue;
    const deleted = deletedBelow.get(begin.partition) ?? 0n;
    for (const [index, value] of begin.values.entries()) {
      const offset = end.baseOffset + BigInt(index);
      if (log.has(value) || end.baseOffset < 0n || offset < deleted) continue;
      violations.push({
        checker: 'lost write',
        what: `${value} was acknowledged at ${begin.partition}@${offset} and is not there`,
        eventIndex: end.index,
      });
    }
  }
  return violations;
}

/** A log, read whole, has every offset from its start to its end. */
export function holes({ finalReads }: LogView): Violation[] {
  const violations: Violation[] = [];
  for (const [partition, { logStartOffset, highWatermark, records, index }] of finalReads) {
    let expected = logStartOffset;
    for (const [offset] of records) {
      if (offset !== expected) {
        const what = `${partition} goes on with ${offset} where ${expected} is due`;
        violations.push({ checker: 'hole', what, eventIndex: index });
      }
      expected = offset + 1n;
    }
    if (expected !== highWatermark) {
      const what = `${partition} can be read up to ${expected}, its high watermark is ${highWatermark}`;
      violations.push({ checker: 'hole', what, eventIndex: index });
    }
  }
  return violations;
}

/** What a client sent to a partition in order lies there in that order. */
export function sendOrder({ sends }: LogView): Violation[] {
  const last = new Map<string, SendSeen>();
  const violations: Violation[] = [];
  for (const send of sends) {
    const { begin, end } = send;
    if (!begin.ordered || end?.outcome !== 'ok' || end.baseOffset < 0n) continue;
    const lane = `${begin.client} to ${begin.partition}`;
    const before = last.get(lane)?.end;
    if (before !== undefined && before.baseOffset >= end.baseOffset) {
      violations.push({
        checker: 'nonmonotonic send',
        what: `${lane}: ${begin.values[0]} is at ${end.baseOffset}, what was sent before it at ${before.baseOffset}`,
        eventIndex: end.index,
      });
    }
    last.set(lane, send);
  }
  return violations;
}

/** A batch sent after an offset was known to be taken gets a higher one, whatever crashed in between. */
export function reusedOffsets({ sends, sightings }: LogView): Violation[] {
  const violations: Violation[] = [];
  const byPartition = groupBy(sightings, ({ partition }) => partition);
  const sendsByPartition = groupBy(sends, ({ begin }) => begin.partition);
  for (const [partition, sent] of sendsByPartition) {
    const seen = byPartition.get(partition) ?? [];
    let next = 0;
    let highest: Sighting | undefined;
    for (const { begin, end } of sent) {
      for (; next < seen.length && (seen[next] as Sighting).eventIndex < begin.index; next++) {
        const sighting = seen[next] as Sighting;
        if (highest === undefined || sighting.offset > highest.offset) highest = sighting;
      }
      if (highest === undefined || end?.outcome !== 'ok' || end.baseOffset < 0n) continue;
      if (end.baseOffset > highest.offset) continue;
      violations.push({
        checker: 'offset reused',
        what: `${begin.values[0]} got ${partition}@${end.baseOffset}, though ${highest.value} had ${highest.offset} before`,
        eventIndex: end.index,
      });
    }
  }
  return violations;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
