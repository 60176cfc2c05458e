// The vocabulary in which an API's messages are written down: one object for all versions, from which the static types
// of both sides are inferred here and the codecs compiled in compile.ts.
//
// The rules of Kafka's message JSONs hold (clients/src/main/resources/common/message/README.md): each field names the
// versions that have it; in the others it decodes to its default, and cannot be encoded with any other value unless it
// is ignorable.

import { type Codec, compileMessage } from './compile.ts';
import { type VersionRange, type VersionSpec, versionRange } from './versions.ts';

export type PrimitiveName =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'string'
  | 'uuid'
  | 'bytes'
  | 'records';

/** What a decoded value of each primitive is. */
interface PrimitiveRead {
  bool: boolean;
  int8: number;
  int16: number;
  uint16: number;
  int32: number;
  uint32: number;
  int64: bigint;
  float64: number;
  string: string;
  uuid: string;
  bytes: Buffer;
  records: Buffer;
}

/** What each primitive may be encoded from. */
interface PrimitiveWrite extends Omit<PrimitiveRead, 'bytes' | 'records'> {
  bytes: Uint8Array;
  records: Uint8Array | readonly Uint8Array[];
}

export interface FieldOptions {
  /** Versions in which the value may be null. */
  readonly nullable?: VersionSpec;
  /** The value in versions without the field, and of a field left out when encoding. Otherwise 0, false, '', empty. */
  readonly default?: unknown;
  /** A value that the version lacks is dropped instead of refused. */
  readonly ignorable?: true;
  /** Tag number of a tagged field (KIP-482). */
  readonly tag?: number;
  /** Versions in which the field is tagged; all of its versions unless given. */
  readonly tagged?: VersionSpec;
}

export type FieldType =
  | { readonly kind: 'primitive'; readonly name: PrimitiveName }
  | { readonly kind: 'struct'; readonly fields: StructFields }
  | { readonly kind: 'array'; readonly element: Exclude<FieldType, { kind: 'array' }> };

/** A field. `Read` and `Write` exist for inference only; `Optional`: may be left out when encoding. */
export interface Field<Read = unknown, Write = unknown, Optional extends boolean = boolean> {
  readonly type: FieldType;
  readonly versions: VersionSpec;
  readonly options: FieldOptions;
  readonly __read?: Read;
  readonly __write?: Write;
  readonly __optional?: Optional;
}

export interface StructFields {
  readonly [name: string]: Field;
}

type NullIf<Options extends FieldOptions> = Options extends { readonly nullable: VersionSpec } ? null : never;

// A field may be left out when it has a default of its own, is tagged, or is missing in some version anyway.
type IsOptional<Versions extends VersionSpec, Options extends FieldOptions> = Options extends
  | { readonly default: unknown }
  | { readonly tag: number }
  ? true
  : Versions extends '0+'
    ? false
    : true;

/** A struct as decoded: every field is there. */
export type Decoded<Fields extends StructFields> = {
  [Name in keyof Fields]: Fields[Name] extends Field<infer Read, unknown, boolean> ? Read : never;
};

type OptionalNames<Fields extends StructFields> = {
  [Name in keyof Fields]: Fields[Name] extends Field<unknown, unknown, true> ? Name : never;
}[keyof Fields];

/** A struct as it may be given to an encoder. */
export type Encodable<Fields extends StructFields> = {
  readonly [Name in Exclude<keyof Fields, OptionalNames<Fields>>]: Fields[Name] extends Field<
    unknown,
    infer Write,
    boolean
  >
    ? Write
    : never;
} & {
  readonly [Name in OptionalNames<Fields>]?: Fields[Name] extends Field<unknown, infer Write, boolean> ? Write : never;
};

type PrimitiveField<Name extends PrimitiveName, Versions extends VersionSpec, Options extends FieldOptions> = Field<
  PrimitiveRead[Name] | NullIf<Options>,
  PrimitiveWrite[Name] | NullIf<Options>,
  IsOptional<Versions, Options>
>;

function primitive<Name extends PrimitiveName>(name: Name) {
  return <const Versions extends VersionSpec, const Options extends FieldOptions = Record<never, never>>(
    versions: Versions,
    options?: Options,
  ): PrimitiveField<Name, Versions, Options> => ({
    type: { kind: 'primitive', name },
    versions,
    options: options ?? {},
  });
}

export const bool = primitive('bool');
export const int8 = primitive('int8');
export const int16 = primitive('int16');
export const uint16 = primitive('uint16');
export const int32 = primitive('int32');
export const uint32 = primitive('uint32');
export const int64 = primitive('int64');
export const float64 = primitive('float64');
export const string = primitive('string');
export const uuid = primitive('uuid');
export const bytes = primitive('bytes');
export const records = primitive('records');

/** Fields that several messages or versions share. */
export function struct<const Fields extends StructFields>(fields: Fields): Fields {
  return fields;
}

/** A field that is itself a struct. */
export function object<
  const Versions extends VersionSpec,
  const Fields extends StructFields,
  const Options extends FieldOptions = Record<never, never>,
>(
  versions: Versions,
  fields: Fields,
  options?: Options,
): Field<Decoded<Fields> | NullIf<Options>, Encodable<Fields> | NullIf<Options>, IsOptional<Versions, Options>> {
  return { type: { kind: 'struct', fields }, versions, options: options ?? {} };
}

type ElementRead<Element> = Element extends PrimitiveName
  ? PrimitiveRead[Element]
  : Element extends StructFields
    ? Decoded<Element>
    : never;
type ElementWrite<Element> = Element extends PrimitiveName
  ? PrimitiveWrite[Element]
  : Element extends StructFields
    ? Encodable<Element>
    : never;

/** An array of a primitive (by name) or of structs (by their fields). */
export function array<
  const Versions extends VersionSpec,
  const Element extends PrimitiveName | StructFields,
  const Options extends FieldOptions = Record<never, never>,
>(
  versions: Versions,
  element: Element,
  options?: Options,
): Field<
  ElementRead<Element>[] | NullIf<Options>,
  readonly ElementWrite<Element>[] | NullIf<Options>,
  IsOptional<Versions, Options>
> {
  return {
    type: {
      kind: 'array',
      element: typeof element === 'string' ? { kind: 'primitive', name: element } : { kind: 'struct', fields: element },
    },
    versions,
    options: options ?? {},
  };
}

export interface ApiDefinition<Request extends StructFields, Response extends StructFields> {
  readonly key: number;
  readonly name: string;
  /** The versions served, and so advertised. */
  readonly versions: VersionSpec;
  /** Versions with compact lengths, tagged fields and the newer headers (KIP-482). */
  readonly flexible: VersionSpec | 'none';
  readonly request: Request;
  readonly response: Response;
}

/** An API, ready to encode and decode both directions in all its versions. */
export interface Api<Request extends StructFields = StructFields, Response extends StructFields = StructFields> {
  readonly key: number;
  readonly name: string;
  readonly versions: VersionRange;
  /** First flexible version; Infinity if there is none. */
  readonly flexibleFrom: number;
  readonly definition: ApiDefinition<Request, Response>;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;

  /**
   * Decodes a request body that starts at `offset`. Bytes after it are ignored, as Kafka does. Byte fields are views.
   * @throws ProtocolError naming the field
   */
  decodeRequest(version: number, buffer: Buffer, offset: number): Decoded<Request>;
  /** The body, without size or header, in chunks. @throws EncodeError */
  encodeRequest(version: number, message: Encodable<Request>): Uint8Array[];
  /** @throws ProtocolError naming the field */
  decodeResponse(version: number, buffer: Buffer, offset: number): Decoded<Response>;
  /** The body, without size or header, in chunks. @throws EncodeError */
  encodeResponse(version: number, message: Encodable<Response>): Uint8Array[];
}

/** Any API, its message types forgotten. */
// biome-ignore lint/suspicious/noExplicitAny: the field types stand on both sides of the codec functions
export type AnyApi = Api<any, any>;

/** What a handler of this API is given. */
export type RequestOf<A> = A extends Api<infer Request, StructFields> ? Decoded<Request> : never;
/** What a handler of this API returns: fields with a default may be left out. */
export type ResponseOf<A> = A extends Api<StructFields, infer Response> ? Encodable<Response> : never;
/** What a client may send. */
export type RequestInputOf<A> = A extends Api<infer Request, StructFields> ? Encodable<Request> : never;
/** What a client receives. */
export type DecodedResponseOf<A> = A extends Api<StructFields, infer Response> ? Decoded<Response> : never;

/** Makes an API of its definition. Codecs are compiled when first used. */
export function defineApi<const Request extends StructFields, const Response extends StructFields>(
  definition: ApiDefinition<Request, Response>,
): Api<Request, Response> {
  const versions = versionRange(definition.versions);
  const flexible = versionRange(definition.flexible);
  const request = compileMessage(`${definition.name}Request`, versions, flexible, definition.request);
  const response = compileMessage(`${definition.name}Response`, versions, flexible, definition.response);
  return {
    key: definition.key,
    name: definition.name,
    versions,
    flexibleFrom: flexible.min,
    definition,
    request,
    response,
    decodeRequest: request.decode,
    encodeRequest: request.encode,
    decodeResponse: response.decode,
    encodeResponse: response.encode,
  };
}
