// A frame: several requests, or several replies, to one process, as bytes.
//
//   version u8 | kind u8 | flags u16 | head length u32 | total length u32 | head (msgpack) | attached bytes …
//
// It is cut into parts that each make one NATS message. Parts are far below max_payload because the NATS client reads a
// message that comes in one piece without copying it; one that does not is copied several times.
//
// A version, kind or flag that is not known is refused with a frame of version 0, whose form never changes:
//   0 u8 | JSON { frame, versions: [lowest, highest], reason }

import { Packr } from 'msgpackr';
import type { FaultData } from '../../src/actors/remote/faults.ts';
import type { TraceContext } from '../../src/actors/runtime/ports.ts';
import { type Prepared, withAttachments } from './attachments.ts';

export const FRAME_VERSION = 1;
const REFUSAL_VERSION = 0;
const PREFIX_BYTES = 12;

export type FrameKind = 'requests' | 'replies' | 'gap';
const kinds: readonly (FrameKind | undefined)[] = [undefined, 'requests', 'replies', 'gap'];

export interface RequestsHead {
  /** The sender's monotonic clock when the frame was made, ms. */
  readonly sentAtMs: number;
  readonly nodeId: number;
  /** Number of the last request that the receiver must have had before these; 0 in a frame that is sent again. */
  readonly after: number;
  /** The frame repeats requests that may have arrived before. */
  readonly again: boolean;
  /** Replies to requests below this number have arrived. */
  readonly repliedBelow: number;
}

export interface RequestEnvelope {
  /** Number of the request among those of its sender to this process in this lane; grows by one. */
  readonly id: number;
  readonly service: string;
  readonly key: string;
  readonly kind: string;
  /** What was left of the time-out when the frame was made, ms. */
  readonly remainingMs: number;
  readonly trace: TraceContext | undefined;
  readonly message: unknown;
}

export interface ReplyEnvelope {
  readonly id: number;
  readonly fault: FaultData | undefined;
  readonly value: unknown;
}

/** The receiver has not had a request that came before those of this frame. */
export interface Gap {
  readonly frame: number;
  readonly lastId: number;
}

export interface Refusal {
  readonly frame: number;
  readonly versions: readonly [lowest: number, highest: number];
  readonly reason: string;
}

/** A frame that this version cannot read. */
export class UnreadableFrame extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'UnreadableFrame';
  }
}

const packr = new Packr({
  useRecords: false,
  moreTypes: true,
  useBigIntExtension: true,
  copyBuffers: true,
} as ConstructorParameters<typeof Packr>[0]);

/** Envelope fields, in order; a longer envelope is of a later version that this one cannot serve rightly. */
const REQUEST_FIELDS = 7;
const REPLY_FIELDS = 3;

export interface OutgoingRequest extends Omit<RequestEnvelope, 'message'> {
  readonly message: Prepared;
}

export interface OutgoingReply extends Omit<ReplyEnvelope, 'value'> {
  readonly value: Prepared;
}

/** The bytes of a frame of requests, in segments. */
export function encodeRequests(head: RequestsHead, requests: readonly OutgoingRequest[]): Uint8Array[] {
  const { sentAtMs, nodeId, after, again, repliedBelow } = head;
  const envelopes = requests.map(({ id, service, key, kind, remainingMs, trace, message }) => [
    id,
    service,
    key,
    kind,
    remainingMs,
    trace === undefined ? null : [trace.traceparent, trace.tracestate],
    message.value,
  ]);
  return encode(
    'requests',
    [sentAtMs, nodeId, after, again, repliedBelow, envelopes],
    requests.flatMap(({ message }) => message.attachments),
  );
}

/** The bytes of a frame of replies, in segments. */
export function encodeReplies(replies: readonly OutgoingReply[]): Uint8Array[] {
  return encode(
    'replies',
    replies.map(({ id, fault, value }) => [id, fault, value.value]),
    replies.flatMap(({ value }) => value.attachments),
  );
}

export function encodeGap({ frame, lastId }: Gap): Uint8Array[] {
  return encode('gap', [frame, lastId], []);
}

export function encodeRefusal(refusal: Refusal): Uint8Array[] {
  return [Buffer.concat([Buffer.from([REFUSAL_VERSION]), Buffer.from(JSON.stringify(refusal))])];
}

function encode(kind: FrameKind, head: unknown, attachments: readonly Uint8Array[]): Uint8Array[] {
  const packed = packr.pack(head);
  const total = attachments.reduce((bytes, { length }) => bytes + length, PREFIX_BYTES + packed.length);
  const start = Buffer.allocUnsafe(PREFIX_BYTES + packed.length);
  start.writeUInt8(FRAME_VERSION, 0);
  start.writeUInt8(kinds.indexOf(kind), 1);
  start.writeUInt16BE(0, 2);
  start.writeUInt32BE(packed.length, 4);
  start.writeUInt32BE(total, 8);
  packed.copy(start, PREFIX_BYTES);
  return [start, ...attachments];
}

/**
 * Cuts a frame into parts of at most `bytesMax`. Only what lies across two segments is copied.
 */
export function cut(segments: readonly Uint8Array[], bytesMax: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let pieces: Uint8Array[] = [];
  let held = 0;
  const close = (): void => {
    parts.push(pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces, held));
    pieces = [];
    held = 0;
  };
  for (const segment of segments) {
    for (let offset = 0; offset < segment.length; ) {
      const piece = segment.subarray(offset, offset + bytesMax - held);
      pieces.push(piece);
      held += piece.length;
      offset += piece.length;
      if (held === bytesMax) close();
    }
  }
  if (held > 0) close();
  return parts;
}

/** How long the whole frame is by its first part; undefined when the part cannot tell (another version). */
export function frameBytes(firstPart: Buffer): number | undefined {
  if (firstPart.length < PREFIX_BYTES || firstPart[0] !== FRAME_VERSION) return undefined;
  return firstPart.readUInt32BE(8);
}

export type Frame =
  | { readonly kind: 'requests'; readonly head: RequestsHead; readonly requests: readonly RequestEnvelope[] }
  | { readonly kind: 'replies'; readonly replies: readonly ReplyEnvelope[] }
  | { readonly kind: 'gap'; readonly gap: Gap }
  | { readonly kind: 'refusal'; readonly refusal: Refusal };

/** Reads a whole frame; bytes in it are views of `frame`. @throws UnreadableFrame */
export function decodeFrame(frame: Buffer): Frame {
  if (frame[0] === REFUSAL_VERSION) return decodeRefusal(frame);
  if (frame[0] !== FRAME_VERSION) {
    throw new UnreadableFrame(`frames of version ${frame[0]} are not known here, only of version ${FRAME_VERSION}`);
  }
  if (frame.length < PREFIX_BYTES) throw new UnreadableFrame('a frame of too few bytes');
  const kind = kinds[frame.readUInt8(1)];
  if (kind === undefined) throw new UnreadableFrame(`frames of kind ${frame[1]} are not known here`);
  const flags = frame.readUInt16BE(2);
  if (flags !== 0) throw new UnreadableFrame(`frames with the flags ${flags} are not known here`);
  const attachedAt = PREFIX_BYTES + frame.readUInt32BE(4);
  if (frame.readUInt32BE(8) !== frame.length || attachedAt > frame.length) {
    throw new UnreadableFrame('a frame whose length is not the one it tells');
  }
  try {
    const head = withAttachments(frame.subarray(attachedAt), () =>
      packr.unpack(frame.subarray(PREFIX_BYTES, attachedAt)),
    );
    return read(kind, head as never);
  } catch (error) {
    if (error instanceof UnreadableFrame) throw error;
    throw new UnreadableFrame(`a frame that is not packed as it must be: ${(error as Error).message}`, error);
  }
}

type PackedRequest = [number, string, string, string, number, [string, string | undefined] | null, unknown];
type PackedReply = [number, FaultData | undefined, unknown];

function read(kind: FrameKind, head: never): Frame {
  if (kind === 'gap') {
    const [frame, lastId] = head as [number, number];
    return { kind, gap: { frame, lastId } };
  }
  if (kind === 'replies') {
    const replies = (head as PackedReply[]).map((reply) => {
      if (reply.length !== REPLY_FIELDS) throw new UnreadableFrame('a reply with fields that are not known here');
      const [id, fault, value] = reply;
      return { id, fault, value };
    });
    return { kind, replies };
  }
  const [sentAtMs, nodeId, after, again, repliedBelow, envelopes] = head as [
    number,
    number,
    number,
    boolean,
    number,
    PackedRequest[],
  ];
  const requests = envelopes.map((envelope) => {
    if (envelope.length !== REQUEST_FIELDS) throw new UnreadableFrame('a request with fields that are not known here');
    const [id, service, key, requestKind, remainingMs, trace, message] = envelope;
    return {
      id,
      service,
      key,
      kind: requestKind,
      remainingMs,
      trace: trace === null ? undefined : traceOf(trace),
      message,
    };
  });
  return { kind, head: { sentAtMs, nodeId, after, again, repliedBelow }, requests };
}

function traceOf([traceparent, tracestate]: [string, string | undefined]): TraceContext {
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

function decodeRefusal(frame: Buffer): Frame {
  try {
    return { kind: 'refusal', refusal: JSON.parse(frame.subarray(1).toString()) as Refusal };
  } catch (error) {
    throw new UnreadableFrame('a refusal that is not JSON', error);
  }
}
