// What a message looks like in one version: which fields are on the wire, in which form, in which order. The decoder's
// and the encoder's sources are both written from this.

import type { Field, FieldType, PrimitiveName, StructFields } from './define.ts';
import { inRange, versionRange } from './versions.ts';

export interface FieldShape {
  readonly name: string;
  readonly field: Field;
  /** On the wire in this version, tagged or not. */
  readonly present: boolean;
  readonly nullable: boolean;
  /** Tag number if the field is tagged in this version. */
  readonly tag: number | undefined;
}

export function shapeOf(fields: StructFields, version: number): FieldShape[] {
  return Object.entries(fields).map(([name, field]) => {
    const { nullable, tag, tagged } = field.options;
    const isTagged = tag !== undefined && inRange(versionRange(tagged ?? field.versions), version);
    return {
      name,
      field,
      present: inRange(versionRange(field.versions), version),
      nullable: inRange(versionRange(nullable), version),
      tag: isTagged ? tag : undefined,
    };
  });
}

/** Tagged fields of this version, in the order of their tags. */
export function taggedOf(shapes: readonly FieldShape[]): (FieldShape & { readonly tag: number })[] {
  return shapes
    .filter((shape): shape is FieldShape & { readonly tag: number } => shape.present && shape.tag !== undefined)
    .sort((left, right) => left.tag - right.tag);
}

const fixedBytes: Readonly<Partial<Record<PrimitiveName, number>>> = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
};

/** The fewest bytes a value of the type takes: what an array's count is held against. */
export function bytesMin(type: FieldType, version: number, flexible: boolean): number {
  switch (type.kind) {
    case 'primitive':
      return fixedBytes[type.name] ?? (flexible ? 1 : type.name === 'string' ? 2 : 4);
    case 'array':
      return flexible ? 1 : 4;
    case 'struct': {
      let total = flexible ? 1 : 0;
      for (const { field, present, nullable, tag } of shapeOf(type.fields, version)) {
        if (!present || tag !== undefined) continue;
        total += nullable && field.type.kind === 'struct' ? 1 : bytesMin(field.type, version, flexible);
      }
      return total;
    }
  }
}

/** The reader's and writer's method for a primitive in this form. */
export function wireMethod(name: PrimitiveName, flexible: boolean, nullable: boolean): string {
  if (fixedBytes[name] !== undefined) return name;
  const base = flexible ? `compact${name[0]!.toUpperCase()}${name.slice(1)}` : name;
  return nullable ? `${base}OrNull` : base;
}
