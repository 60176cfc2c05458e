// The records that every client is made to carry: what a client can express and a broker might damage.

/** A record as the client programs speak of it (see program.ts); bytes are base64. */
export interface SentRecord {
  readonly partition: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: ReadonlyArray<readonly [string, string | null]>;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** A record as a client program reports it. */
export interface SeenRecord extends SentRecord {
  readonly offset: number;
  /** The codec of the batch that it came in, from programs that can tell. */
  readonly codec?: string;
  /** Its producer id, -1 without one, from programs that can tell. */
  readonly producerId?: number;
}

/** What a client cannot express or tell, so that its records are made or compared without it. */
export type Lack =
  | 'ackedOffsets'
  | 'idempotence'
  | 'nullHeaders'
  | 'timestamps'
  /** The client reads what is empty as null. */
  | 'emptyBytesRead';

const firstTimestampMs = 1_700_000_000_000;

/** Records with every mix of null, empty, small and large keys, values and headers, over all partitions. */
export function sampleRecords(count: number, partitions: number, lacks: readonly Lack[] = []): SentRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    partition: index % partitions,
    key: pick(index, [null, '', base64(`key ${index}`), Buffer.from([0, 0xff, index & 0xff]).toString('base64')]),
    value: index === 7 ? largeValue() : pick(index >> 2, [base64(text(index)), null, '', base64(text(index))]),
    headers: headers(index, lacks),
    timestamp: firstTimestampMs + index * 1_000,
  }));
}

/** Small numbered records, `perPartition` for each partition; `round` tells them from those of other calls. */
export function numberedRecords(round: string, perPartition: number, partitions: number): SentRecord[] {
  return Array.from({ length: perPartition * partitions }, (_, index) => ({
    partition: index % partitions,
    key: base64(`${round} ${index}`),
    value: base64(`value of ${round} ${index}`),
    headers: [],
    timestamp: firstTimestampMs + index,
  }));
}

function headers(index: number, lacks: readonly Lack[]): SentRecord['headers'] {
  const empty = lacks.includes('nullHeaders') ? '' : null;
  const kinds = [
    [],
    [['trace', base64(`id ${index % 2}`)]],
    [
      ['again', base64('first')],
      ['again', base64('second')],
      ['empty', ''],
      ['nothing', empty],
    ],
  ] as const;
  return pick(index, kinds);
}

function text(index: number): string {
  return `{"index":${index},"text":"${'the same words over and over '.repeat(1 + (index % 9))}"}`;
}

/** Lines that every codec makes smaller, so that no client sends the batch uncompressed after all. */
function largeValue(): string {
  const lines = Array.from(
    { length: 4_000 },
    (_, index) => `line ${index}: the same words over and over, until it is large\n`,
  );
  return base64(lines.join(''));
}

function base64(words: string): string {
  return Buffer.from(words).toString('base64');
}

function pick<T>(index: number, from: readonly T[]): T {
  return from[index % from.length]!;
}
