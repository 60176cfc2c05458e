// What a field is where it is not on the wire, and whether a value equals that.

import type { Field, FieldType, PrimitiveName, StructFields } from './define.ts';

export const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA';

const emptyBuffer = Buffer.alloc(0);

const primitiveDefault: Readonly<Record<PrimitiveName, unknown>> = {
  bool: false,
  int8: 0,
  int16: 0,
  uint16: 0,
  int32: 0,
  uint32: 0,
  int64: 0n,
  float64: 0,
  string: '',
  uuid: zeroUuid,
  bytes: emptyBuffer,
  records: null,
};

/** A field's default, made anew where it can be changed. */
export function defaultOf(field: Field): unknown {
  if ('default' in field.options) return field.options.default;
  return typeDefault(field.type);
}

function typeDefault(type: FieldType): unknown {
  switch (type.kind) {
    case 'primitive':
      return primitiveDefault[type.name];
    case 'array':
      return [];
    case 'struct':
      return structDefault(type.fields);
  }
}

export function structDefault(fields: StructFields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, defaultOf(field)]));
}

/** Whether leaving `value` off the wire loses nothing. */
export function isDefault(field: Field, value: unknown): boolean {
  if (value === undefined) return true;
  const wanted = defaultOf(field);
  if (value === null || wanted === null) return value === wanted;
  switch (field.type.kind) {
    case 'primitive':
      return field.type.name === 'bytes' ? (value as Uint8Array).length === 0 : value === wanted;
    case 'array':
      return (value as readonly unknown[]).length === 0;
    case 'struct':
      return Object.entries(field.type.fields).every(([name, inner]) =>
        isDefault(inner, (value as Record<string, unknown>)[name]),
      );
  }
}

/** Whether an encoder may be given an object without the field (the types say the same). */
export function isOptional(field: Field): boolean {
  return 'default' in field.options || field.options.tag !== undefined || field.versions !== '0+';
}
