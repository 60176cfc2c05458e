// Every checker, applied to a history.

import type { HistoryEvent } from '../history.ts';
import { anomalies, commits, owners } from './group-checkers.ts';
import {
  duplicates,
  holes,
  inconsistentOffsets,
  lostWrites,
  reusedOffsets,
  sendOrder,
  unexpectedValues,
} from './log-checkers.ts';
import { logView, type Violation } from './log-view.ts';
import { overDeletion, pollOrder, staleReads, unseen, watermarks } from './poll-checkers.ts';

/** Everything that is wrong with a history, in the order of the events that show it. */
export function check(events: readonly HistoryEvent[]): Violation[] {
  const view = logView(events);
  return [
    ...anomalies(events),
    ...inconsistentOffsets(view),
    ...duplicates(view),
    ...unexpectedValues(view),
    ...lostWrites(view),
    ...holes(view),
    ...sendOrder(view),
    ...reusedOffsets(view),
    ...pollOrder(view),
    ...watermarks(view),
    ...staleReads(view),
    ...overDeletion(view),
    ...unseen(view),
    ...owners(view),
    ...commits(view),
  ].sort((a, b) => a.eventIndex - b.eventIndex);
}
