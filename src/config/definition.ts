// One row of a configuration table, and the builders that make rows short. A row says everything there is to say about an
// option: reading, checking, printing, `--help`, DescribeConfigs and docs/configuration.md all work from it.

import {
  type ConfigType,
  type IntegerType,
  longMax,
  printDouble,
  type Reading,
  readBoolean,
  readDouble,
  readInteger,
  splitList,
} from './value-types.ts';

/** Who may change a broker option while the broker runs, in Kafka's words (DynamicConfig update modes). */
export type DynamicScope = 'cluster-wide' | 'per-broker';

/** What can be said of an option besides its type and range. */
export interface Traits {
  /** What the option does, one or two sentences, for `--help`, the docs and DescribeConfigs. */
  readonly meaning: string;
  /** The unit of a number ('ms', 'bytes', …); left out where there is none. */
  readonly unit?: string;
  /** Set when AlterConfigs may change it on a running broker. */
  readonly dynamic?: DynamicScope;
  /** A secret: never printed, never described. */
  readonly sensitive?: boolean;
  /** Why a value is taken but changes nothing; absent on an effective option. */
  readonly withoutEffect?: string;
  /** Why the broker does not start with any value but the default; ignoring it would break a promise, e.g. of security. */
  readonly refused?: string;
  /** Where Kafka's default is another, why. */
  readonly defaultDiffers?: string;
  /** Kafka has no such option. */
  readonly own?: boolean;
  /** Kafka hides it from DescribeConfigs. */
  readonly internal?: boolean;
}

export interface Definition<T = unknown> extends Traits {
  readonly type: ConfigType;
  /** The default as text; null where there is none (an unset option). */
  readonly defaultText: string | null;
  /** What may be given, in words. */
  readonly allowed: string;
  /** Reads and checks a text; `null` gives null where the option may be unset, else a problem. */
  readonly read: (text: string | null) => Reading<T>;
  /** The text that means this value, in the form Kafka prints. */
  print(value: T): string | null;
}

export type Definitions = Readonly<Record<string, Definition>>;

/** `socket.request.max.bytes` as `socketRequestMaxBytes`. */
export type CamelCase<Name extends string> = Name extends `${infer Head}.${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** The typed values of a table, one field for each row. */
export type ValuesOf<Table extends Definitions> = {
  readonly [Name in keyof Table & string as CamelCase<Name>]: Table[Name] extends Definition<infer T> ? T : never;
};

/** The field of `ValuesOf` that holds the option's value. */
export function fieldName(name: string): string {
  return name.replace(/\.([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

interface Parts<T> {
  readonly type: ConfigType;
  readonly allowed: string;
  readonly parse: (text: string) => Reading<T>;
  readonly print: (value: T) => string;
  /** Kafka's words for a missing value. */
  readonly nullProblem?: string;
}

/** A row from its parts; `fallback` is the default, null meaning unset. */
export function define<T, D extends T | null>(
  parts: Parts<T>,
  traits: Traits & { readonly default: D },
): Definition<D extends null ? T | null : T> {
  const { default: fallback, ...rest } = traits;
  type Value = D extends null ? T | null : T;
  const read = (text: string | null): Reading<T | null> => {
    if (text !== null) return parts.parse(text);
    return fallback === null ? { value: null } : { problem: parts.nullProblem ?? 'Value must be non-null' };
  };
  return {
    ...rest,
    type: parts.type,
    defaultText: fallback === null ? null : parts.print(fallback as T),
    allowed: fallback === null ? `${parts.allowed}, or unset` : parts.allowed,
    read: read as (text: string | null) => Reading<Value>,
    print: (value) => (value === null ? null : parts.print(value as T)),
  };
}

interface Range {
  readonly min?: number | bigint;
  readonly max?: number | bigint;
  /** One value outside the range that is allowed too. */
  readonly or?: number;
}

function rangeProblem(value: bigint | number, { min, max, or }: Range): string | undefined {
  if (or !== undefined) {
    const inside = value === BigInt(or) || (value >= min! && value <= max!);
    return inside ? undefined : `Value must be between ${min} and ${max} or equal to ${or}`;
  }
  if (min !== undefined && value < min) return `Value must be at least ${min}`;
  if (max !== undefined && value > max) return `Value must be no more than ${max}`;
  return undefined;
}

function rangeWords(kind: string, { min, max, or }: Range, typeMax: bigint | undefined): string {
  const top = max ?? typeMax;
  const words = min !== undefined && top !== undefined ? `${kind} from ${min} to ${top}` : undefined;
  const open = min === undefined ? (top === undefined ? kind : `${kind} up to ${top}`) : `${kind} from ${min}`;
  return `${words ?? open}${or === undefined ? '' : `, or ${or}`}`;
}

const typeMaxima = { SHORT: 32767n, INT: 2147483647n, LONG: longMax } as const;

function integer<T>(type: IntegerType, range: Range, toValue: (value: bigint) => T): Parts<T> {
  return {
    type,
    allowed: rangeWords('a whole number', range, typeMaxima[type]),
    parse: (text) => {
      const reading = readInteger(text, type);
      if ('problem' in reading) return reading;
      const problem = rangeProblem(reading.value, range);
      return problem === undefined ? { value: toValue(reading.value) } : { problem, shown: String(reading.value) };
    },
    print: String,
  };
}

type Row<D> = Traits & { readonly default: D };

/** Kafka's INT: a number. */
export function int<D extends number | null>(
  traits: Row<D> & Range,
): Definition<D extends null ? number | null : number> {
  const { min, max, or, ...rest } = traits;
  return define(integer('INT', { min, max, or }, Number), rest as unknown as Row<D>);
}

/** Kafka's SHORT: a number. */
export function short<D extends number | null>(
  traits: Row<D> & Range,
): Definition<D extends null ? number | null : number> {
  const { min, max, or, ...rest } = traits;
  return define(integer('SHORT', { min, max, or }, Number), rest as unknown as Row<D>);
}

/** Kafka's LONG where it counts bytes or waits: a number; beyond 2^53 it is rounded, which no such use can tell. */
export function long<D extends number | null>(
  traits: Row<D> & Range,
): Definition<D extends null ? number | null : number> {
  const { min, max, or, ...rest } = traits;
  return define(integer('LONG', { min, max, or }, Number), rest as unknown as Row<D>);
}

/** Kafka's LONG where it is compared with offsets or record timestamps, which are bigint: a bigint. */
export function bigLong<D extends bigint | null>(
  traits: Row<D> & Range,
): Definition<D extends null ? bigint | null : bigint> {
  const { min, max, or, ...rest } = traits;
  return define<bigint, D>(
    integer('LONG', { min, max, or }, (value) => value),
    rest as unknown as Row<D>,
  );
}

/** Kafka's DOUBLE. */
export function double(traits: Row<number> & Range): Definition<number> {
  const { min, max, or, ...rest } = traits;
  return define<number, number>(
    {
      type: 'DOUBLE',
      allowed: rangeWords('a number', { min, max, or }, undefined),
      parse: (text) => {
        const reading = readDouble(text);
        if ('problem' in reading) return reading;
        const problem = rangeProblem(reading.value, { min, max, or });
        return problem === undefined ? reading : { problem, shown: printDouble(reading.value) };
      },
      print: printDouble,
    },
    rest,
  );
}

/** Kafka's BOOLEAN. */
export function boolean(traits: Row<boolean>): Definition<boolean> {
  return define<boolean, boolean>(
    { type: 'BOOLEAN', allowed: 'true or false', parse: readBoolean, print: String },
    traits,
  );
}

/** Kafka's STRING, checked by `check` if there is one (it returns what is wrong). */
export function string<D extends string | null>(
  traits: Row<D> & {
    readonly allowed?: string;
    readonly check?: (value: string) => string | undefined;
    readonly type?: 'STRING' | 'CLASS' | 'PASSWORD';
  },
): Definition<D extends null ? string | null : string> {
  const { allowed, check, type, ...rest } = traits;
  return define<string, D>(
    {
      type: type ?? 'STRING',
      allowed: allowed ?? 'a text',
      parse: (text) => {
        const value = text.trim();
        const problem = check?.(value);
        return problem === undefined ? { value } : { problem, shown: value };
      },
      print: (value) => value,
    },
    rest as unknown as Row<D>,
  );
}

/** One of a few words, spelt exactly so. The type of the value is the union of the words. */
export function oneOf<const Word extends string>(
  traits: Row<NoInfer<Word>> & { readonly words: readonly Word[] },
): Definition<Word> {
  const { words, ...rest } = traits;
  const nullProblem = `String must be one of: ${words.join(', ')}`;
  return define<Word, Word>(
    {
      type: 'STRING',
      allowed: words.join(', '),
      parse: (text) => {
        const found = words.find((word) => word === text.trim());
        return found === undefined ? { problem: nullProblem, shown: text.trim() } : { value: found };
      },
      print: (value) => value,
      nullProblem,
    },
    rest,
  );
}

/** Kafka's LIST: items between commas, `check` looking at all of them. */
export function list<const Item extends string = string>(
  traits: Row<readonly Item[]> & {
    readonly allowed?: string;
    readonly words?: readonly Item[];
    readonly check?: (items: readonly string[]) => string | undefined;
  },
): Definition<readonly Item[]> {
  const { allowed, words, check, ...rest } = traits;
  return define<readonly Item[], readonly Item[]>(
    {
      type: 'LIST',
      allowed: allowed ?? (words === undefined ? 'a list with commas' : `a list of ${words.join(', ')}`),
      parse: (text) => {
        const items = splitList(text);
        const problem = check?.(items);
        if (problem !== undefined) return { problem, shown: `[${items.join(', ')}]` };
        if (words === undefined) return { value: items as readonly string[] as readonly Item[] };
        if (items.includes('')) return { problem: 'values must not be empty' };
        const stranger = items.find((item) => !words.includes(item as Item));
        if (stranger !== undefined) return { problem: `String must be one of: ${words.join(', ')}`, shown: stranger };
        return { value: [...new Set(items as readonly string[] as readonly Item[])] };
      },
      print: (items) => items.join(','),
      nullProblem: 'values must not be null',
    },
    rest,
  );
}

/** Kafka's message for a wrong value of option `name` (ConfigException). */
export function invalidValueMessage(
  name: string,
  text: string | null,
  { problem, shown }: { readonly problem: string; readonly shown?: string },
): string {
  if (problem.startsWith('values must not be')) return `Configuration '${name}' ${problem}.`;
  return `Invalid value ${shown ?? text} for configuration ${name}: ${problem}`;
}
