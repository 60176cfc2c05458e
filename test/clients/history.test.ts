import { expect } from 'chai';
import { contradictions, type History, type LoggedRecord, lostCommits } from './history.ts';

/** Two producers, one after the other, in two partitions; all acked, all seen. */
function sound(): History {
  const log: LoggedRecord[] = [0, 1].flatMap((partition) =>
    Array.from({ length: 8 }, (_, offset) => ({ partition, offset, value: `p${offset >> 2}:${offset & 3}` })),
  );
  const acked = log.map(({ partition, offset }) => ({
    producer: `p${offset >> 2}`,
    partition,
    number: offset & 3,
    offset,
  }));
  return { log, acked, seen: [...log, ...log.slice(0, 3)] };
}

describe('the checker of the crash test', () => {
  it('finds nothing in a sound history', () => {
    expect(contradictions(sound())).to.deep.equal([]);
  });

  it('lets a producer that was killed end anywhere after its last ack', () => {
    const { log, acked, seen } = sound();
    expect(contradictions({ log, acked: acked.slice(0, 13), seen })).to.deep.equal([]);
  });

  const faults: Record<string, [(history: History) => History, RegExp]> = {
    'a lost tail': [({ log, ...rest }) => ({ ...rest, log: log.slice(0, -1) }), /acked for p1:3, but holds nothing/],
    'a hole': [({ log, ...rest }) => ({ ...rest, log: log.filter((_, at) => at !== 2) }), /expected offset 2 here/],
    'a record lost and its offset reused': [
      ({ log, ...rest }) => ({ ...rest, log: renumbered(log.filter((_, at) => at !== 9)) }),
      /p0:2 follows, but p0:1 to 1 are missing/,
    ],
    'a record twice': [
      ({ log, ...rest }) => ({ ...rest, log: renumbered([...log.slice(0, 3), ...log.slice(2)]) }),
      /p0:2 is there again/,
    ],
    'two records swapped': [
      ({ log, ...rest }) => ({ ...rest, log: renumbered([log[1]!, log[0]!, ...log.slice(2)]) }),
      /p0:0 is there again or out of order/,
    ],
    'an ack with a wrong offset': [
      ({ acked, ...rest }) => ({ ...rest, acked: [{ ...acked[0]!, offset: 3 }] }),
      /acked for p0:0, but holds p0:3/,
    ],
    'a record that a consumer saw and that is gone': [
      ({ seen, ...rest }) => ({ ...rest, seen: [...seen, { partition: 1, offset: 8, value: 'p1:4' }] }),
      /a consumer was given p1:4, but it holds nothing/,
    ],
  };
  for (const [name, [harm, finding]] of Object.entries(faults))
    it(`finds ${name}`, () => {
      expect(contradictions(harm(sound())).join('\n')).to.match(finding);
    });

  it('finds a commit that went back, and one that is gone', () => {
    const told = new Map([
      [0, 5],
      [1, 5],
      [2, 5],
    ]);
    const committed = new Map([
      [0, 4],
      [1, 6],
    ]);
    expect(lostCommits(told, committed)).to.deep.equal([
      'partition 0: 5 was committed, it is 4 now',
      'partition 2: 5 was committed, it is undefined now',
    ]);
  });
});

function renumbered(log: readonly LoggedRecord[]): LoggedRecord[] {
  const next = new Map<number, number>();
  return log.map(({ partition, value }) => {
    const offset = next.get(partition) ?? 0;
    next.set(partition, offset + 1);
    return { partition, offset, value };
  });
}
