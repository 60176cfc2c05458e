// Rows for Kafka's broker properties that this broker takes without effect, in short form: name, type, default, range.
// A file for Apache Kafka starts this broker too; each such property in it is checked and named in a warning.

import { type Definition, type DynamicScope, define } from '../definition.ts';
import {
  type ConfigType,
  printDouble,
  type Reading,
  readBoolean,
  readDouble,
  readInteger,
  splitList,
} from '../value-types.ts';

interface Extra {
  readonly min?: number;
  readonly max?: number;
  readonly words?: readonly string[];
  readonly dynamic?: DynamicScope;
  readonly sensitive?: boolean;
  readonly internal?: boolean;
}

type AcceptedType = ConfigType;
export type AcceptedRow = readonly [name: string, type: AcceptedType, defaultText: string | null, extra?: Extra];

/** Definitions of the rows, all without effect for the same reason. Values are texts. */
export function acceptedRows(withoutEffect: string, rows: readonly AcceptedRow[]): Record<string, Definition> {
  return definitionsOf(rows, { withoutEffect, meaning: 'Of Kafka.' });
}

/** Definitions of rows that stop the start when they are set to anything but the default. */
export function refusedRows(refused: string, rows: readonly AcceptedRow[]): Record<string, Definition> {
  return definitionsOf(rows, { refused, meaning: 'Of Kafka.' });
}

function definitionsOf(
  rows: readonly AcceptedRow[],
  traits: { meaning: string; withoutEffect?: string; refused?: string },
): Record<string, Definition> {
  return Object.fromEntries(
    rows.map(([name, type, defaultText, extra = {}]) => {
      const { dynamic, sensitive, internal } = extra;
      const parts = { type, allowed: allowedWords(type, extra), parse: reader(type, extra), print: String };
      return [
        name,
        define<string, string | null>(parts, { ...traits, dynamic, sensitive, internal, default: defaultText }),
      ];
    }),
  ) as Record<string, Definition>;
}

function reader(type: AcceptedType, extra: Extra): (text: string) => Reading<string> {
  return (text) => {
    const reading = readAs(type, text);
    if ('problem' in reading) return reading;
    const problem = outside(reading.value, extra);
    const value = type === 'DOUBLE' ? printDouble(reading.value as number) : String(reading.value);
    return problem === undefined ? { value } : { problem, shown: value };
  };
}

function readAs(type: AcceptedType, text: string): Reading<bigint | number | boolean | string> {
  switch (type) {
    case 'BOOLEAN':
      return readBoolean(text);
    case 'DOUBLE':
      return readDouble(text);
    case 'SHORT':
    case 'INT':
    case 'LONG':
      return readInteger(text, type);
    case 'LIST':
      return { value: splitList(text).join(',') };
    default:
      return { value: text.trim() };
  }
}

function outside(value: bigint | number | boolean | string, { min, max, words }: Extra): string | undefined {
  if (min !== undefined && (value as number) < min) return `Value must be at least ${min}`;
  if (max !== undefined && (value as number) > max) return `Value must be no more than ${max}`;
  if (words === undefined || splitList(String(value)).every((item) => words.includes(item))) return undefined;
  return `String must be one of: ${words.join(', ')}`;
}

const typeWords: Record<AcceptedType, string> = {
  BOOLEAN: 'true or false',
  DOUBLE: 'a number',
  SHORT: 'a whole number',
  INT: 'a whole number',
  LONG: 'a whole number',
  LIST: 'a list with commas',
  STRING: 'a text',
  CLASS: 'a class name',
  PASSWORD: 'a text',
};

function allowedWords(type: AcceptedType, { min, max, words }: Extra): string {
  if (words !== undefined) return words.join(', ');
  const from = min === undefined ? '' : ` from ${min}`;
  return `${typeWords[type]}${from}${max === undefined ? '' : ` to ${max}`}`;
}
