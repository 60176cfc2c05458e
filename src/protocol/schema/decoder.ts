// Writes the source of a decoder: one function a struct, a straight line of reads for exactly one version, so that
// nothing is looked up while a frame is read. `f` follows the field and `i` the array element at hand; only a fault
// looks at them.

import { ProtocolError } from '../protocol-error.ts';
import { isNull, type WireReader } from '../wire/reader.ts';
import { defaultOf } from './defaults.ts';
import type { Field, FieldType, PrimitiveName, StructFields } from './define.ts';
import { bytesMin, type FieldShape, shapeOf, taggedOf, wireMethod } from './shape.ts';

export type Decoder = (reader: WireReader) => unknown;

/** Puts the field's name before whatever path the fault has gathered. */
function located(error: unknown, name: string, index: number): unknown {
  if (!(error instanceof ProtocolError)) return error;
  const here = index < 0 ? name : `${name}[${index}]`;
  return new ProtocolError(error.path === '' ? here : `${here}.${error.path}`, error.reason);
}

class DecoderSource {
  private readonly functions: string[] = [];
  private readonly names = new Map<StructFields, string>();
  /** Values the source refers to as `constants[n]`. */
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

  /** An expression for a fresh default. */
  private default(field: Field): string {
    const value = defaultOf(field);
    if (typeof value === 'bigint') return `${value}n`;
    if (Buffer.isBuffer(value)) return this.constant(value);
    if (Array.isArray(value)) return '[]';
    if (value !== null && typeof value === 'object') return `${this.constant(() => defaultOf(field))}()`;
    return JSON.stringify(value);
  }

  private readArray(element: FieldType, target: string, nullable: boolean): string {
    const count = `r.${this.flexible ? 'compactCount' : 'count'}(${bytesMin(element, this.version, this.flexible)})`;
    const read =
      element.kind === 'struct'
        ? `${this.struct(element.fields)}(r)`
        : element.kind === 'primitive'
          ? `r.${readMethod(element.name, this.flexible, false)}()`
          : '';
    return `{ const n = ${count};
      if (n < 0) { ${nullable ? `${target} = null;` : 'throw isNull();'} }
      else { const a = []; for (i = 0; i < n; i++) a.push(${read}); i = -1; ${target} = a; } }`;
  }

  private read(shape: FieldShape, target: string): string {
    const { type } = shape.field;
    switch (type.kind) {
      case 'primitive':
        return `${target} = r.${readMethod(type.name, this.flexible, shape.nullable)}();`;
      case 'array':
        return this.readArray(type.element, target, shape.nullable);
      case 'struct': {
        const read = `${this.struct(type.fields)}(r)`;
        // A nullable struct has a byte before it, negative for null (KIP-893).
        return shape.nullable ? `${target} = r.int8() < 0 ? null : ${read};` : `${target} = ${read};`;
      }
    }
  }

  private readTags(shapes: readonly FieldShape[]): string {
    const tagged = taggedOf(shapes);
    if (tagged.length === 0) return 'r.skipTags();';
    const cases = tagged.map(
      (shape) => `case ${shape.tag}: f = ${shapes.findIndex((each) => each.name === shape.name)};
        ${this.read(shape, `v_${shape.name}`)}
        if (r.position !== end) throw misfit(); break;`,
    );
    return `for (let left = r.unsignedVarint(); left > 0; left--) {
      f = ${shapes.length};
      const tag = r.unsignedVarint(); const end = r.tagEnd(r.unsignedVarint());
      switch (tag) { ${cases.join('\n')} default: r.skip(end - r.position); }
    }`;
  }

  /** Adds the function for a struct, once. @returns its name. */
  struct(fields: StructFields): string {
    const known = this.names.get(fields);
    if (known !== undefined) return known;
    const name = `s${this.names.size}`;
    this.names.set(fields, name);
    const shapes = shapeOf(fields, this.version);
    const declare = shapes.map((shape) =>
      shape.present && shape.tag === undefined
        ? `let v_${shape.name};`
        : `let v_${shape.name} = ${this.default(shape.field)};`,
    );
    const reads = shapes.map((shape, index) =>
      shape.present && shape.tag === undefined ? `f = ${index}; ${this.read(shape, `v_${shape.name}`)}` : '',
    );
    const tags = this.flexible ? `f = ${shapes.length}; ${this.readTags(shapes)}` : '';
    const fieldNames = this.constant([...shapes.map((shape) => shape.name), 'tagged fields']);
    this.functions.push(`const ${name}_fields = ${fieldNames};
    function ${name}(r) {
      let f = 0, i = -1;
      ${declare.join('\n')}
      try {
        ${reads.filter((line) => line !== '').join('\n')}
        ${tags}
      } catch (e) { throw located(e, ${name}_fields[f], i); }
      return { ${shapes.map((shape) => `${shape.name}: v_${shape.name}`).join(', ')} };
    }`);
    return name;
  }

  /** The whole source; evaluates to the root's decoder. */
  finish(root: string, label: string): string {
    return `'use strict';\n${this.functions.join('\n')}\nreturn ${root};\n//# sourceURL=sargasso/${label}.js`;
  }
}

/** Records are read like bytes; only writing them differs. */
function readMethod(name: PrimitiveName, flexible: boolean, nullable: boolean): string {
  return wireMethod(name === 'records' ? 'bytes' : name, flexible, nullable);
}

function misfit(): ProtocolError {
  return new ProtocolError('', 'tagged field is not as long as it says');
}

/** Compiles the decoder of a message in one version. `label` names it in profiles. */
export function compileDecoder(label: string, fields: StructFields, version: number, flexible: boolean): Decoder {
  const source = new DecoderSource(version, flexible);
  const text = source.finish(source.struct(fields), `${label}-v${version}-decode`);
  const make = new Function('constants', 'isNull', 'located', 'misfit', text);
  return make(source.constants, isNull, located, misfit) as Decoder;
}
