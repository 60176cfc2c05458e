// Writes the source of an encoder: one function a struct, a straight line of writes for exactly one version. A field
// that the version lacks is looked at only if its loss would matter.

import { EncodeError } from '../protocol-error.ts';
import type { WireWriter } from '../wire/writer.ts';
import { defaultOf, isDefault, isOptional } from './defaults.ts';
import type { Field, FieldType, StructFields } from './define.ts';
import { type FieldShape, shapeOf, taggedOf, wireMethod } from './shape.ts';

export type Encoder = (writer: WireWriter, message: unknown) => void;

function located(error: unknown, name: string, index: number): EncodeError {
  const here = index < 0 ? name : `${name}[${index}]`;
  if (error instanceof EncodeError) {
    return new EncodeError(error.path === '' ? here : `${here}.${error.path}`, error.reason);
  }
  // A value of a wrong type, from a caller that the compiler did not hold back.
  return new EncodeError(here, error instanceof Error ? error.message : String(error));
}

class EncoderSource {
  private readonly functions: string[] = [];
  private readonly names = new Map<StructFields, string>();
  readonly constants: unknown[] = [];
  private readonly version: number;
  private readonly flexible: boolean;

  constructor(version: number, flexible: boolean) {
    this.version = version;
    this.flexible = flexible;
  }

  private constant(value: unknown): string {
    this.constants.push(value);
    return `constants[${this.constants.length - 1}]`;
  }

  private default(field: Field): string {
    const value = defaultOf(field);
    if (typeof value === 'bigint') return `${value}n`;
    return value !== null && typeof value === 'object' ? this.constant(value) : JSON.stringify(value);
  }

  /** The field's value, its default standing in for a field left out. */
  private value(shape: FieldShape): string {
    const value = `m.${shape.name}`;
    return isOptional(shape.field) ? `(${value} === undefined ? ${this.default(shape.field)} : ${value})` : value;
  }

  private writeElement(element: FieldType, value: string): string {
    if (element.kind === 'struct') return `${this.struct(element.fields)}(w, ${value});`;
    if (element.kind === 'primitive') return `w.${wireMethod(element.name, this.flexible, false)}(${value});`;
    return '';
  }

  private write(shape: FieldShape, value: string): string {
    const { type, options } = shape.field;
    // Where no version allows null the types keep it out.
    const refuse = options.nullable !== undefined && !shape.nullable;
    if (type.kind === 'primitive') {
      const write = `w.${wireMethod(type.name, this.flexible, shape.nullable)}`;
      return refuse ? `{ const v = ${value}; if (v === null) throw isNull(); ${write}(v); }` : `${write}(${value});`;
    }
    if (type.kind === 'struct') {
      const write = `${this.struct(type.fields)}(w, v);`;
      return shape.nullable
        ? `{ const v = ${value}; if (v === null) w.int8(-1); else { w.int8(1); ${write} } }`
        : `{ const v = ${value}; if (v === null) throw isNull(); ${write} }`;
    }
    const count = `w.${this.flexible ? 'compactCount' : 'count'}`;
    return `{ const v = ${value};
      if (v === null) { ${shape.nullable ? `${count}(-1);` : 'throw isNull();'} }
      else { ${count}(v.length); for (i = 0; i < v.length; i++) { ${this.writeElement(type.element, 'v[i]')} } i = -1; } }`;
  }

  private writeTags(shapes: readonly FieldShape[]): string {
    const tagged = taggedOf(shapes);
    if (tagged.length === 0) return 'w.unsignedVarint(0);';
    const present = tagged.map(
      (
        shape,
      ) => `const has_${shape.name} = !${this.constant((value: unknown) => isDefault(shape.field, value))}(m.${shape.name});
        if (has_${shape.name}) tags++;`,
    );
    const writes = tagged.map(
      (shape) => `if (has_${shape.name}) { f = ${shapes.findIndex((each) => each.name === shape.name)};
        const begun = w.beginTag(${shape.tag}); ${this.write(shape, `m.${shape.name}`)} w.endTag(begun); }`,
    );
    return `let tags = 0; ${present.join('\n')} w.unsignedVarint(tags); ${writes.join('\n')}`;
  }

  private refuseLoss(shape: FieldShape): string {
    const { name, field } = shape;
    if (field.options.ignorable) return '';
    const check = this.constant((value: unknown) => isDefault(field, value));
    return `if (m.${name} !== undefined && !${check}(m.${name})) throw lost(${this.version});`;
  }

  struct(fields: StructFields): string {
    const known = this.names.get(fields);
    if (known !== undefined) return known;
    const name = `s${this.names.size}`;
    this.names.set(fields, name);
    const shapes = shapeOf(fields, this.version);
    const lines = shapes.map((shape, index) => {
      if (shape.present && shape.tag !== undefined) return '';
      const line = shape.present ? this.write(shape, this.value(shape)) : this.refuseLoss(shape);
      return line === '' ? '' : `f = ${index}; ${line}`;
    });
    const tags = this.flexible ? this.writeTags(shapes) : '';
    this.functions.push(`const ${name}_fields = ${this.constant(shapes.map((shape) => shape.name))};
    function ${name}(w, m) {
      let f = 0, i = -1;
      try {
        ${lines.filter((line) => line !== '').join('\n')}
        ${tags}
      } catch (e) { throw located(e, ${name}_fields[f], i); }
    }`);
    return name;
  }

  finish(root: string, label: string): string {
    return `'use strict';\n${this.functions.join('\n')}\nreturn ${root};\n//# sourceURL=sargasso/${label}.js`;
  }
}

function isNull(): EncodeError {
  return new EncodeError('', 'is null, which this version does not allow');
}

function lost(version: number): EncodeError {
  return new EncodeError('', `has a value that version ${version} cannot carry`);
}

/** Compiles the encoder of a message in one version. `label` names it in profiles. */
export function compileEncoder(label: string, fields: StructFields, version: number, flexible: boolean): Encoder {
  const source = new EncoderSource(version, flexible);
  const text = source.finish(source.struct(fields), `${label}-v${version}-encode`);
  const make = new Function('constants', 'isNull', 'lost', 'located', text);
  return make(source.constants, isNull, lost, located) as Encoder;
}
