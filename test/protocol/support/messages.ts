// Random messages of any definition, and what a decoder has to make of them.

import fc from 'fast-check';
import { apis } from '../../../src/protocol/apis/index.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../src/protocol/coordinator-records/consumer-protocol.ts';
import type { RecordCodec } from '../../../src/protocol/coordinator-records/define.ts';
import { groupMetadataKey, groupMetadataValue } from '../../../src/protocol/coordinator-records/group-metadata.ts';
import { offsetCommitKey, offsetCommitValue } from '../../../src/protocol/coordinator-records/offset-commit.ts';
import { transactionLogKey, transactionLogValue } from '../../../src/protocol/coordinator-records/transaction-log.ts';
import type { Codec } from '../../../src/protocol/schema/compile.ts';
import { defaultOf } from '../../../src/protocol/schema/defaults.ts';
import type { AnyApi, FieldType, PrimitiveName, StructFields } from '../../../src/protocol/schema/define.ts';
import { shapeOf } from '../../../src/protocol/schema/shape.ts';

/** What lies in records of the coordinators' topics, in the order that kmsg-oracle/ knows. */
export const recordCodecs: readonly RecordCodec<StructFields>[] = [
  offsetCommitKey,
  offsetCommitValue,
  groupMetadataKey,
  groupMetadataValue,
  transactionLogKey,
  transactionLogValue,
  consumerProtocolSubscription,
  consumerProtocolAssignment,
] as readonly RecordCodec<StructFields>[];

export type Direction = 'request' | 'response';
export type Message = Record<string, unknown>;

export interface Variant {
  readonly api: AnyApi;
  readonly direction: Direction;
  readonly version: number;
  readonly codec: Codec<StructFields>;
  /** As in `Fetch v12 response`. */
  readonly title: string;
}

/** Every API, version and direction there is. */
export function variants(): Variant[] {
  return apis.flatMap((api) =>
    (['request', 'response'] as const).flatMap((direction) =>
      Array.from({ length: api.versions.max - api.versions.min + 1 }, (_, index) => {
        const version = api.versions.min + index;
        return { api, direction, version, codec: api[direction], title: `${api.name} v${version} ${direction}` };
      }),
    ),
  );
}

function signed(bits: number): fc.Arbitrary<number> {
  return fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
}

function bytesOf(long: boolean): fc.Arbitrary<Uint8Array> {
  // Some from the size on that encoders no longer copy (`spliceBytesMin`).
  return long
    ? fc.oneof(
        { weight: 4, arbitrary: fc.uint8Array({ maxLength: 20 }) },
        { weight: 1, arbitrary: fc.uint8Array({ minLength: 500, maxLength: 700 }) },
      )
    : fc.uint8Array({ maxLength: 20 });
}

const text = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 12 }) },
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  // Around the lengths at which the writer changes its way and the varint its size.
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 15, maxLength: 70 }) },
  { weight: 1, arbitrary: fc.string({ minLength: 120, maxLength: 300 }) },
);

const primitives: Readonly<Record<PrimitiveName, fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  int8: signed(8),
  int16: signed(16),
  uint16: fc.integer({ min: 0, max: 0xffff }),
  int32: signed(32),
  uint32: fc.integer({ min: 0, max: 0xffffffff }),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  float64: fc.double({ noNaN: true }),
  string: text,
  uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
  bytes: bytesOf(true),
  records: bytesOf(true),
};

function arbitraryOf(type: FieldType, version: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'primitive':
      return primitives[type.name];
    case 'array':
      return fc.array(arbitraryOf(type.element, version), { maxLength: 3 });
    case 'struct':
      return messageOf(type.fields, version);
  }
}

/** Messages that fill every field the version has. */
export function messageOf(fields: StructFields, version: number): fc.Arbitrary<Message> {
  const record: Record<string, fc.Arbitrary<unknown>> = {};
  for (const { name, field, present, nullable } of shapeOf(fields, version)) {
    if (!present) continue;
    const value = arbitraryOf(field.type, version);
    record[name] = nullable ? fc.option(value, { nil: null, freq: 4 }) : value;
  }
  return fc.record(record);
}

function decodedValue(type: FieldType, version: number, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  switch (type.kind) {
    case 'primitive':
      return value instanceof Uint8Array ? Buffer.from(value) : value;
    case 'array':
      return (value as unknown[]).map((element) => decodedValue(type.element, version, element));
    case 'struct':
      return decodedForm(type.fields, version, value as Message);
  }
}

/** What decoding gives for a message encoded in this version: all fields, defaults where it has none. */
export function decodedForm(fields: StructFields, version: number, message: Message): Message {
  const result: Message = {};
  for (const { name, field, present } of shapeOf(fields, version)) {
    const value = present && message[name] !== undefined ? message[name] : defaultOf(field);
    result[name] = decodedValue(field.type, version, value);
  }
  return result;
}

/** A seed for this run: `SEED` from the environment to repeat one. */
export function seedOfRun(): number {
  const wanted = process.env.SEED;
  return wanted === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(wanted);
}
