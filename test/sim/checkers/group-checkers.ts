// Checkers of consumer groups: one owner per partition and generation, and commits that never go back.

import { type EventOf, eventsOf, type HistoryEvent, type PartitionId } from '../history.ts';
import type { LogView, Violation } from './log-view.ts';

/** In one generation of a group a partition belongs to one member. */
export function owners({ events }: LogView): Violation[] {
  const violations: Violation[] = [];
  const ownerOf = new Map<string, string>();
  for (const { group, generation, member, partitions, index } of eventsOf(events, 'assigned')) {
    for (const partition of partitions) {
      const place = `${partition} in generation ${generation} of ${group}`;
      const owner = ownerOf.get(place);
      if (owner !== undefined && owner !== member) {
        violations.push({
          checker: 'two owners',
          what: `${place} belongs to ${owner} and ${member}`,
          eventIndex: index,
        });
      }
      ownerOf.set(place, member);
    }
  }
  return violations;
}

/** A fetch of offsets shows no less than what was acknowledged before it began, and only what somebody committed. */
export function commits({ events }: LogView): Violation[] {
  const violations: Violation[] = [];
  const begun = new Map(eventsOf(events, 'commit').map((commit) => [commit.operation, commit]));
  const acknowledged = new Map<string, bigint>();
  /** How many commits of each offset have not been refused, by group and partition. */
  const attempted = new Map<string, Map<bigint, number>>();
  const count = ({ group, offsets }: EventOf<'commit'>, change: 1 | -1): void => {
    for (const [partition, offset] of offsets) {
      const key = keyOf(group, partition);
      const counts = attempted.get(key) ?? new Map<bigint, number>();
      attempted.set(key, counts.set(offset, (counts.get(offset) ?? 0) + change));
    }
  };
  const fetches = new Map<number, { group: string; floor: ReadonlyMap<string, bigint> }>();
  for (const event of events) {
    switch (event.kind) {
      case 'commit':
        count(event, 1);
        break;
      case 'committed':
        if (event.outcome === 'ok') acknowledge(begun.get(event.operation) as EventOf<'commit'>, acknowledged);
        else if (event.outcome === 'fail') count(begun.get(event.operation) as EventOf<'commit'>, -1);
        break;
      case 'fetchOffsets':
        fetches.set(event.operation, { group: event.group, floor: new Map(acknowledged) });
        break;
      case 'offsetsFetched':
        violations.push(...judgeFetched(event, fetches.get(event.operation), attempted));
        break;
    }
  }
  return violations;
}

function keyOf(group: string, partition: PartitionId): string {
  return `${group} ${partition}`;
}

function acknowledge({ group, offsets }: EventOf<'commit'>, acknowledged: Map<string, bigint>): void {
  for (const [partition, offset] of offsets) {
    const key = keyOf(group, partition);
    if (offset > (acknowledged.get(key) ?? -1n)) acknowledged.set(key, offset);
  }
}

function judgeFetched(
  { offsets, index }: EventOf<'offsetsFetched'>,
  begun: { group: string; floor: ReadonlyMap<string, bigint> } | undefined,
  attempted: ReadonlyMap<string, ReadonlyMap<bigint, number>>,
): Violation[] {
  if (begun === undefined) return [];
  const violations: Violation[] = [];
  for (const [partition, offset] of offsets) {
    const key = keyOf(begun.group, partition);
    const floor = begun.floor.get(key) ?? -1n;
    if (offset < floor) {
      const what = `${key} is at ${offset}, ${floor} was acknowledged before`;
      violations.push({ checker: 'commit regressed', what, eventIndex: index });
    }
    if (offset >= 0n && (attempted.get(key)?.get(offset) ?? 0) === 0) {
      const what = `${key} is at ${offset}, never committed or refused`;
      violations.push({ checker: 'phantom commit', what, eventIndex: index });
    }
  }
  return violations;
}

/** Nothing happened that no client may ever see. */
export function anomalies(events: readonly HistoryEvent[]): Violation[] {
  return eventsOf(events, 'anomaly').map(({ client, what, index }) => ({
    checker: 'anomaly',
    what: `${client}: ${what}`,
    eventIndex: index,
  }));
}
