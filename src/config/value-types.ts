// How a configuration value is read from text and printed again: Kafka's nine types, with the messages that Kafka's
// ConfigDef gives for a wrong one, because clients see them (AlterConfigs, CreateTopics). Knows no option by name.

/** Kafka's names of the types (ConfigDef.Type). */
export type ConfigType = 'BOOLEAN' | 'STRING' | 'INT' | 'SHORT' | 'LONG' | 'DOUBLE' | 'LIST' | 'CLASS' | 'PASSWORD';

/**
 * A value read from text, or what is wrong with it in Kafka's words. `shown` is how Kafka's message shows the value, where
 * that is not the text as given.
 */
export type Reading<T> = { readonly value: T } | { readonly problem: string; readonly shown?: string };

const integerTypes = {
  SHORT: { min: -(2n ** 15n), max: 2n ** 15n - 1n },
  INT: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  LONG: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
} as const;

export type IntegerType = keyof typeof integerTypes;

/** The largest value of a Kafka LONG; many options use it for 'no limit'. */
export const longMax = integerTypes.LONG.max;

/** Reads a whole number of the type's width; blanks around it do not matter, a sign may lead. */
export function readInteger(text: string, type: IntegerType): Reading<bigint> {
  const trimmed = text.trim();
  const value = /^[+-]?[0-9]+$/.test(trimmed) ? BigInt(trimmed.replace(/^\+/, '')) : undefined;
  const { min, max } = integerTypes[type];
  if (value === undefined || value < min || value > max) return { problem: `Not a number of type ${type}` };
  return { value };
}

/** Reads a decimal number. Unlike Kafka it takes neither NaN nor a Java suffix (`0.5f`). */
export function readDouble(text: string): Reading<number> {
  const trimmed = text.trim();
  if (!/^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(trimmed)) {
    return { problem: 'Not a number of type DOUBLE' };
  }
  return { value: Number(trimmed) };
}

/** Reads `true` or `false`, in any case. */
export function readBoolean(text: string): Reading<boolean> {
  const lower = text.trim().toLowerCase();
  if (lower === 'true' || lower === 'false') return { value: lower === 'true' };
  return { problem: 'Expected value to be either true or false' };
}

/** Splits at commas, blanks around an item removed; an empty text is an empty list. */
export function splitList(text: string): string[] {
  const trimmed = text.trim();
  return trimmed === '' ? [] : trimmed.split(',').map((item) => item.trim());
}

/** Prints a double as Java does, so that a described value equals Kafka's (`0.5`, `1.0`, `1.0E10`). */
export function printDouble(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return `${value}.0`;
  const text = String(value);
  const [mantissa, exponent] = text.split('e');
  if (exponent !== undefined) {
    const digits = mantissa!.includes('.') ? mantissa : `${mantissa}.0`;
    return `${digits}E${exponent.replace('+', '')}`;
  }
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-3 && magnitude < 1e7) return text;
  const [head, power] = value.toExponential().split('e');
  return `${head!.includes('.') ? head : `${head}.0`}E${power!.replace('+', '')}`;
}
