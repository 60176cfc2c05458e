// What other clients' libraries made of the same five records, kept in fixtures/ (see the programs in fixtures/generate).
import { readFileSync } from 'node:fs';
import type { CompressionType } from '../../../src/protocol/records/compression.ts';
import type { LogRecord } from '../../../src/protocol/records/record.ts';

export interface ForeignBatch {
  readonly name: string;
  readonly magic: 0 | 1 | 2;
  readonly compression: CompressionType;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  readonly bytes: Buffer;
}

export const BASE_MS = 1_700_000_000_000n;
export const APPEND_MS = BASE_MS + 5000n;
export const BASE_OFFSET = 40n;

function load(client: string): (ForeignBatch | (Omit<ForeignBatch, 'compression'> & { compression: 'marker' }))[] {
  const text = readFileSync(new URL(`./fixtures/${client}-batches.json`, import.meta.url), 'utf8');
  return JSON.parse(text).map((entry: ForeignBatch & { bytes: string }) => ({
    ...entry,
    name: `${client}, magic ${entry.magic}, ${entry.compression}, ${entry.timestampType}`,
    bytes: Buffer.from(entry.bytes, 'base64'),
  }));
}

const all = [...load('java'), ...load('franz')];

/** Batches and message sets of the records below. */
export const foreignBatches = all.filter((each): each is ForeignBatch => each.compression !== 'marker');

/** A COMMIT marker at offset 77 of producer 4711, epoch 5, coordinator epoch 9. */
export const foreignMarker = all.find(({ compression }) => compression === 'marker')?.bytes as Buffer;

const records: Omit<LogRecord, 'offset'>[] = [
  { timestampMs: BASE_MS, key: null, value: Buffer.from('first'), headers: [] },
  {
    timestampMs: BASE_MS + 7n,
    key: Buffer.from('key'),
    value: null,
    headers: [
      { key: 'trace', value: Buffer.from('abc') },
      { key: 'empty', value: null },
    ],
  },
  {
    timestampMs: BASE_MS - 1000n,
    key: Buffer.alloc(0),
    value: Buffer.alloc(0),
    headers: [{ key: '', value: Buffer.alloc(0) }],
  },
  {
    timestampMs: BASE_MS + 900n,
    key: Buffer.from('ü中'),
    value: Buffer.from('😀'),
    headers: [{ key: 'ü', value: Buffer.from('中') }],
  },
  {
    timestampMs: BASE_MS + 1n,
    key: Buffer.from('large'),
    value: Buffer.from('0123456789'.repeat(7000)),
    headers: [],
  },
];

/** The records that a batch holds, as its format can hold them. The large one is in compressed batches only. */
export function recordsOf({ magic, compression, timestampType }: ForeignBatch, baseOffset: bigint): LogRecord[] {
  return records.slice(0, compression === 'none' ? 4 : 5).map((record, index) => ({
    ...record,
    offset: baseOffset + BigInt(index),
    timestampMs: magic === 0 ? -1n : timestampType === 'LogAppendTime' ? APPEND_MS : record.timestampMs,
    headers: magic < 2 ? [] : record.headers,
  }));
}
