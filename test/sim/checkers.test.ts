// Each checker against a history made by hand that it must not let pass, and one that it must. A checker that cannot fail
// checks nothing.

import { expect } from 'chai';
import { check } from './checkers/all.ts';
import type { HistoryEntry, HistoryEvent } from './history.ts';

const P = 'topic/0';

type Told = HistoryEntry & { readonly client?: string };

function history(...entries: readonly Told[]): HistoryEvent[] {
  return entries.map((entry, index) => ({ client: 'client', ...entry, index, atMs: index }) as HistoryEvent);
}

function verdict(...entries: readonly Told[]): string[] {
  return [...new Set(check(history(...entries)).map(({ checker }) => checker))];
}

function send(operation: number, values: string[], more: Partial<Extract<HistoryEntry, { kind: 'send' }>> = {}): Told {
  return { kind: 'send', operation, partition: P, values, idempotent: true, ordered: true, ...more };
}

function sent(
  operation: number,
  baseOffset: bigint,
  more: Partial<Extract<HistoryEntry, { kind: 'sent' }>> = {},
): Told {
  return { kind: 'sent', operation, outcome: 'ok', baseOffset, attempts: 1, errorCode: 0, ...more };
}

function fetch(operation: number): Told {
  return { kind: 'fetch', operation };
}

function poll(
  operation: number,
  position: bigint,
  records: [bigint, string][],
  more: Partial<Extract<HistoryEntry, { kind: 'poll' }>> = {},
): Told {
  const highWatermark = (records.at(-1)?.[0] ?? position - 1n) + 1n;
  return {
    kind: 'poll',
    operation,
    partition: P,
    span: 1,
    position,
    records,
    highWatermark,
    logStartOffset: 0n,
    ...more,
  };
}

function finalRead(records: [bigint, string][], logStartOffset = 0n, end?: bigint): Told {
  const highWatermark = end ?? (records.at(-1)?.[0] ?? logStartOffset - 1n) + 1n;
  return { kind: 'finalRead', partition: P, logStartOffset, highWatermark, records };
}

function commit(operation: number, offset: bigint, generation = 1): Told {
  return { kind: 'commit', operation, group: 'g', generation, offsets: [[P, offset]] };
}

function committed(operation: number, outcome: 'ok' | 'fail' | 'unknown' = 'ok'): Told {
  return { kind: 'committed', operation, outcome, errorCode: 0 };
}

function fetched(operation: number, offset: bigint): Told[] {
  return [
    { kind: 'fetchOffsets', operation, group: 'g' },
    { kind: 'offsetsFetched', operation, offsets: [[P, offset]] },
  ];
}

function assigned(generation: number, member: string): Told {
  return { kind: 'assigned', group: 'g', generation, member, partitions: [P] };
}

function deletion(operation: number, beforeOffset: bigint, outcome: 'ok' | 'unknown' = 'ok'): Told[] {
  return [
    { kind: 'deleteRecords', operation, partition: P, beforeOffset },
    { kind: 'recordsDeleted', operation, outcome, logStartOffset: beforeOffset },
  ];
}

describe('the checkers', () => {
  it('let a good history pass', () => {
    const told = verdict(
      send(1, ['a', 'b']),
      sent(1, 0n),
      fetch(3),
      poll(3, 0n, [
        [0n, 'a'],
        [1n, 'b'],
      ]),
      send(2, ['c']),
      sent(2, 2n, { attempts: 3 }),
      fetch(4),
      poll(4, 2n, [[2n, 'c']]),
      ...deletion(5, 1n),
      send(6, ['d']),
      sent(6, -1n, { outcome: 'unknown' }),
      assigned(1, 'x'),
      commit(7, 2n),
      committed(7),
      ...fetched(8, 2n),
      assigned(2, 'y'),
      finalRead(
        [
          [1n, 'b'],
          [2n, 'c'],
          [3n, 'd'],
        ],
        1n,
      ),
      { kind: 'finalPosition', partition: P, offset: 4n },
    );
    expect(told).to.deep.equal([]);
  });

  const bad: [name: string, checker: string, entries: Told[]][] = [
    [
      'two values at one offset, by an acknowledgement and a read',
      'inconsistent offsets',
      [send(1, ['a']), send(2, ['b']), sent(1, 0n), sent(2, 5n), fetch(3), poll(3, 0n, [[0n, 'b']])],
    ],
    [
      'a value of an idempotent producer at two offsets',
      'duplicate',
      [
        send(1, ['a']),
        sent(1, 0n, { attempts: 2 }),
        finalRead([
          [0n, 'a'],
          [1n, 'a'],
        ]),
      ],
    ],
    [
      'a value sent once, without repeats, at two offsets',
      'duplicate',
      [
        send(1, ['a'], { idempotent: false }),
        sent(1, 0n),
        finalRead([
          [0n, 'a'],
          [1n, 'a'],
        ]),
      ],
    ],
    ['a value that nobody sent', 'phantom', [finalRead([[0n, 'a']])]],
    ['a value read before it was sent', 'phantom', [fetch(2), poll(2, 0n, [[0n, 'a']]), send(1, ['a']), sent(1, 0n)]],
    [
      'a value in another partition',
      'misplaced',
      [send(1, ['a'], { partition: 'topic/1' }), sent(1, 0n), finalRead([[0n, 'a']])],
    ],
    [
      'a refused value that is there',
      'failed write visible',
      [send(1, ['a']), sent(1, -1n, { outcome: 'fail', errorCode: 10 }), finalRead([[0n, 'a']])],
    ],
    [
      'an acknowledged value that is not there at the end',
      'lost write',
      [send(1, ['a', 'b']), sent(1, 0n), finalRead([[0n, 'a']])],
    ],
    [
      'an acknowledged value above a deletion that is not there',
      'lost write',
      [send(1, ['a', 'b']), sent(1, 0n), ...deletion(2, 1n), finalRead([], 2n)],
    ],
    [
      'a log with a hole',
      'hole',
      [
        send(1, ['a']),
        send(2, ['b']),
        finalRead([
          [0n, 'a'],
          [2n, 'b'],
        ]),
      ],
    ],
    ['a log that ends before its high watermark', 'hole', [send(1, ['a']), finalRead([[0n, 'a']], 0n, 2n)]],
    [
      "a client's batches in another order than sent",
      'nonmonotonic send',
      [send(1, ['a']), send(2, ['b']), sent(2, 0n), sent(1, 1n)],
    ],
    [
      'an offset given out again after it had been seen',
      'offset reused',
      [
        send(1, ['a'], { client: 'x' } as object),
        sent(1, 5n),
        { ...send(2, ['b']), client: 'y' },
        { ...sent(2, 4n), client: 'y' },
      ],
    ],
    [
      'an offset left out within a poll',
      'poll skip',
      [
        send(1, ['a']),
        send(2, ['b']),
        fetch(3),
        poll(3, 0n, [
          [0n, 'a'],
          [2n, 'b'],
        ]),
      ],
    ],
    [
      'an offset left out between two polls',
      'poll skip',
      [send(1, ['a']), send(2, ['b']), fetch(3), poll(3, 0n, [[0n, 'a']]), fetch(4), poll(4, 1n, [[2n, 'b']])],
    ],
    ['an offset left out at the beginning', 'poll skip', [send(1, ['a']), fetch(3), poll(3, 0n, [[1n, 'a']])]],
    [
      'an offset given twice',
      'nonmonotonic poll',
      [send(1, ['a']), fetch(3), poll(3, 0n, [[0n, 'a']]), fetch(4), poll(4, 1n, [[0n, 'a']])],
    ],
    [
      'a high watermark that falls',
      'watermark',
      [fetch(1), poll(1, 0n, [], { highWatermark: 5n }), fetch(2), poll(2, 0n, [], { highWatermark: 4n })],
    ],
    [
      'a log start that falls',
      'watermark',
      [
        ...deletion(9, 3n),
        fetch(1),
        poll(1, 3n, [], { logStartOffset: 3n, highWatermark: 5n }),
        fetch(2),
        poll(2, 3n, [], { logStartOffset: 2n, highWatermark: 5n }),
      ],
    ],
    [
      'a record above the high watermark',
      'watermark',
      [send(1, ['a']), fetch(2), poll(2, 0n, [[0n, 'a']], { highWatermark: 0n })],
    ],
    [
      'a fetch that does not see what was acknowledged before it',
      'stale read',
      [send(1, ['a']), sent(1, 0n), fetch(2), poll(2, 0n, [], { highWatermark: 0n })],
    ],
    [
      'a record that had been deleted',
      'stale read',
      [send(1, ['a']), sent(1, 0n), ...deletion(2, 1n), fetch(3), poll(3, 0n, [[0n, 'a']])],
    ],
    [
      'a log start that nobody asked for',
      'deleted too much',
      [...deletion(1, 1n), fetch(2), poll(2, 5n, [], { logStartOffset: 2n })],
    ],
    [
      'a consumer that stays behind',
      'unseen',
      [send(1, ['a']), sent(1, 0n), finalRead([[0n, 'a']]), { kind: 'finalPosition', partition: P, offset: 0n }],
    ],
    ['two owners in one generation', 'two owners', [assigned(1, 'x'), assigned(1, 'y')]],
    ['a commit that is not there', 'commit regressed', [commit(1, 5n), committed(1), ...fetched(2, -1n)]],
    [
      'a commit that goes back',
      'commit regressed',
      [commit(1, 4n), committed(1), commit(2, 5n), committed(2), ...fetched(3, 4n)],
    ],
    ['a committed offset that nobody committed', 'phantom commit', [commit(1, 4n), committed(1), ...fetched(2, 6n)]],
    ['a commit that was refused', 'phantom commit', [commit(1, 4n), committed(1, 'fail'), ...fetched(2, 4n)]],
    ['what a client says can never be', 'anomaly', [{ kind: 'anomaly', what: 'an answer to nothing' }]],
  ];
  for (const [name, checker, entries] of bad) {
    it(`catch ${name}`, () => {
      expect(verdict(...entries)).to.include(checker);
    });
  }

  const allowed: [name: string, entries: Told[]][] = [
    [
      'a plain producer that repeats itself',
      [
        send(1, ['a'], { idempotent: false }),
        sent(1, 1n, { attempts: 2 }),
        finalRead([
          [0n, 'a'],
          [1n, 'a'],
        ]),
      ],
    ],
    [
      'a write of unknown outcome, there',
      [send(1, ['a']), sent(1, -1n, { outcome: 'unknown' }), finalRead([[0n, 'a']])],
    ],
    ['a write of unknown outcome, not there', [send(1, ['a']), sent(1, -1n, { outcome: 'unknown' }), finalRead([])]],
    ['a write without an end', [send(1, ['a']), finalRead([])]],
    [
      'a log shortened by a deletion whose outcome is unknown',
      [send(1, ['a']), sent(1, 0n), ...deletion(2, 1n, 'unknown'), finalRead([], 1n)],
    ],
    [
      'a jump of the position in a new span',
      [
        ...deletion(9, 3n),
        send(1, ['a']),
        fetch(2),
        poll(2, 0n, [], { highWatermark: 4n, logStartOffset: 3n }),
        fetch(3),
        poll(3, 3n, [[3n, 'a']], { span: 2, logStartOffset: 3n }),
      ],
    ],
    [
      'writes that were under way together, in any order',
      [send(1, ['a'], { ordered: false }), send(2, ['b'], { ordered: false }), sent(2, 0n), sent(1, 1n)],
    ],
    ['a commit of unknown outcome', [commit(1, 4n), committed(1, 'unknown'), ...fetched(2, 4n)]],
    ['a commit without an end', [commit(1, 4n), ...fetched(2, -1n)]],
    ['a partition that moves with the generation', [assigned(1, 'x'), assigned(2, 'y')]],
    [
      'a fetch under way while a write is acknowledged',
      [send(1, ['a']), fetch(2), sent(1, 0n), poll(2, 0n, [], { highWatermark: 0n })],
    ],
  ];
  for (const [name, entries] of allowed) {
    it(`allow ${name}`, () => {
      expect(verdict(...entries)).to.deep.equal([]);
    });
  }
});
