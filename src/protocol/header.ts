// Request and response headers, and whole frames of them. The header's version follows from the API's: flexible
// versions have request header 2 and response header 1, the others 1 and 0 (KIP-482). Two exceptions: ApiVersions is
// always answered with response header 0, so that a client can read the answer to a version the broker does not serve
// (KIP-511); the client id is never compact.

import { apiByKey } from './apis/index.ts';
import { EncodeError, ProtocolError } from './protocol-error.ts';
import { sharedReader, sharedWriter } from './schema/compile.ts';
import type { Api, Decoded, Encodable, StructFields } from './schema/define.ts';
import type { WireReader } from './wire/reader.ts';
import type { WireWriter } from './wire/writer.ts';

const apiVersionsKey = 18;

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

export interface DecodedRequestHeader extends RequestHeader {
  /** Where the body starts. For an unknown API nobody can tell, so it is the frame's end. */
  readonly bodyOffset: number;
}

// What is asked of an API here; the definitions of all of them fit.
type HeaderRules = Pick<Api, 'key' | 'flexibleFrom'>;

function hasTaggedRequestHeader(api: HeaderRules, version: number): boolean {
  return version >= api.flexibleFrom;
}

function hasTaggedResponseHeader(api: HeaderRules, version: number): boolean {
  return version >= api.flexibleFrom && api.key !== apiVersionsKey;
}

/**
 * Decodes the header of a request frame (without its size). Key, version and correlation id come out even if API or
 * version are not known, since the answer needs them.
 * @throws ProtocolError when the frame ends before the header does
 */
export function decodeRequestHeader(frame: Buffer): DecodedRequestHeader {
  const reader = sharedReader;
  reader.open(frame, 0);
  let field = 'apiKey';
  try {
    const apiKey = reader.int16();
    field = 'apiVersion';
    const apiVersion = reader.int16();
    field = 'correlationId';
    const correlationId = reader.int32();
    const api = apiByKey.get(apiKey);
    if (api === undefined) return { apiKey, apiVersion, correlationId, clientId: null, bodyOffset: frame.length };
    field = 'clientId';
    const clientId = reader.stringOrNull();
    field = 'tagged fields';
    if (hasTaggedRequestHeader(api, apiVersion)) reader.skipTags();
    return { apiKey, apiVersion, correlationId, clientId, bodyOffset: reader.position };
  } catch (error) {
    throw error instanceof ProtocolError ? new ProtocolError(`header.${field}`, error.reason) : error;
  } finally {
    reader.close();
  }
}

function writeRequestHeader(writer: WireWriter, api: HeaderRules, header: Omit<RequestHeader, 'apiKey'>): void {
  writer.int16(api.key);
  writer.int16(header.apiVersion);
  writer.int32(header.correlationId);
  writer.stringOrNull(header.clientId);
  if (hasTaggedRequestHeader(api, header.apiVersion)) writer.unsignedVarint(0);
}

/** A request header, without the frame's size. @throws EncodeError also for an unknown API */
export function encodeRequestHeader(header: RequestHeader): Uint8Array[] {
  const api = apiByKey.get(header.apiKey);
  if (api === undefined) throw new EncodeError('apiKey', `no API has key ${header.apiKey}`);
  sharedWriter.begin();
  writeRequestHeader(sharedWriter, api, header);
  return sharedWriter.finish();
}

/** Puts the frame's size before what was written since `begin` and an int32 in its place. */
function finishFrame(writer: WireWriter): Uint8Array[] {
  writer.patchStart(writer.length - 4);
  return writer.finish();
}

/** A whole request frame, size first, as a client sends it. @throws EncodeError */
export function encodeRequestFrame<Request extends StructFields>(
  api: Api<Request, StructFields>,
  version: number,
  correlationId: number,
  clientId: string | null,
  message: Encodable<Request>,
): Uint8Array[] {
  const writer = sharedWriter;
  writer.begin();
  writer.int32(0);
  writeRequestHeader(writer, api, { apiVersion: version, correlationId, clientId });
  api.request.write(version, message, writer);
  return finishFrame(writer);
}

/** A whole response frame, size first, in chunks to be sent in order. @throws EncodeError */
export function encodeResponseFrame<Response extends StructFields>(
  api: Api<StructFields, Response>,
  version: number,
  correlationId: number,
  message: Encodable<Response>,
): Uint8Array[] {
  const writer = sharedWriter;
  writer.begin();
  writer.int32(0);
  writer.int32(correlationId);
  if (hasTaggedResponseHeader(api, version)) writer.unsignedVarint(0);
  api.response.write(version, message, writer);
  return finishFrame(writer);
}

export interface DecodedResponseFrame<Response extends StructFields> {
  readonly correlationId: number;
  readonly message: Decoded<Response>;
}

/** Decodes a response frame (without its size), as a client does. @throws ProtocolError */
export function decodeResponseFrame<Response extends StructFields>(
  api: Api<StructFields, Response>,
  version: number,
  frame: Buffer,
): DecodedResponseFrame<Response> {
  const reader: WireReader = sharedReader;
  reader.open(frame, 0);
  try {
    const correlationId = reader.int32();
    if (hasTaggedResponseHeader(api, version)) reader.skipTags();
    return { correlationId, message: api.response.read(version, reader) };
  } finally {
    reader.close();
  }
}
