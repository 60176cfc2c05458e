// What must hold between what clients were told and what the log shows after crashes: the checker of the crash test.

export interface LoggedRecord {
  readonly partition: number;
  readonly offset: number;
  /** `<producer>:<number>`; a producer numbers its records in each partition from 0. */
  readonly value: string;
}

export interface AckedRecord {
  readonly producer: string;
  readonly partition: number;
  readonly number: number;
  readonly offset: number;
}

export interface History {
  /** The whole log at the end, as read from its start. */
  readonly log: readonly LoggedRecord[];
  readonly acked: readonly AckedRecord[];
  /** What a consumer was given at any time; repeats are allowed. */
  readonly seen: readonly LoggedRecord[];
}

const findingsMax = 20;

/**
 * Everything that contradicts the promises of an idempotent producer with acks=all:
 * offsets without holes, every acked record at the offset it was acked with, each producer's records in each partition
 * once, in order and without a gap, and no offset that ever showed something else than it does at the end.
 * @returns one sentence a finding, at most 20 of them; empty when all holds
 */
export function contradictions({ log, acked, seen }: History): string[] {
  const findings: string[] = [];
  const find = (finding: string) => {
    if (findings.length < findingsMax) findings.push(finding);
  };
  const at = new Map<string, string>();
  const offsetNext = new Map<number, number>();
  const numberNext = new Map<string, number>();
  const place = (partition: number, offset: number) => `partition ${partition}, offset ${offset}`;
  for (const { partition, offset, value } of [...log].sort(
    (a, b) => a.partition - b.partition || a.offset - b.offset,
  )) {
    const here = place(partition, offset);
    const expected = offsetNext.get(partition) ?? 0;
    if (offset !== expected) find(`${here}: expected offset ${expected} here`);
    offsetNext.set(partition, offset + 1);
    at.set(here, value);

    const [producer, number] = split(value);
    const sequence = `${producer} in partition ${partition}`;
    const due = numberNext.get(sequence) ?? 0;
    if (number < due) find(`${here}: ${value} is there again or out of order, ${producer}:${due} is due`);
    else if (number > due) find(`${here}: ${value} follows, but ${producer}:${due} to ${number - 1} are missing`);
    numberNext.set(sequence, Math.max(due, number + 1));
  }
  for (const { producer, partition, number, offset } of acked) {
    const found = at.get(place(partition, offset));
    const value = `${producer}:${number}`;
    if (found !== value) find(`${place(partition, offset)}: acked for ${value}, but holds ${found ?? 'nothing'}`);
  }
  for (const { partition, offset, value } of seen) {
    const found = at.get(place(partition, offset));
    if (found !== value)
      find(`${place(partition, offset)}: a consumer was given ${value}, but it holds ${found ?? 'nothing'}`);
  }
  return findings;
}

/** Partitions whose committed offset lies below the highest one that a member was told is committed. */
export function lostCommits(
  told: ReadonlyMap<number, number>,
  committed: ReadonlyMap<number, number | undefined>,
): string[] {
  return [...told]
    .filter(([partition, offset]) => (committed.get(partition) ?? -1) < offset)
    .map(
      ([partition, offset]) => `partition ${partition}: ${offset} was committed, it is ${committed.get(partition)} now`,
    );
}

function split(value: string): [string, number] {
  const colon = value.lastIndexOf(':');
  return [value.slice(0, colon), Number(value.slice(colon + 1))];
}
