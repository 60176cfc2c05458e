// Spans: what of a sampled request is traced, and the port for it. A trace context that is present means "sampled": what
// is not sampled has none, so an unsampled request costs nothing beyond the decision. It travels by hand, from the
// request through asks, envelopes and commits; nothing is kept per asynchronous context.

/** One W3C trace context as it travels in an envelope (https://www.w3.org/TR/trace-context/). */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

export interface SpanDefinition {
  /** OpenTelemetry's span kind. */
  readonly kind: 'server' | 'client' | 'internal' | 'producer';
  /** What its name looks like. */
  readonly name: string;
  /** From when to when, for the docs. */
  readonly meaning: string;
  /** Attributes with their meaning. */
  readonly attributes: Readonly<Record<string, string>>;
}

const actorAttributes = {
  'sargasso.actor.kind': 'kind of actor: partition or group',
  'sargasso.actor.key': 'which one: `topic id-partition`, or the group id',
  'sargasso.message.kind': 'the message',
} as const;

export const spans = {
  request: {
    kind: 'server',
    name: 'API, e.g. `Produce`',
    meaning: 'A client request, from its frame to its response; waits of a long poll or a rebalance are part of it.',
    attributes: {
      'messaging.system': 'kafka',
      'messaging.client.id': 'what the client calls itself',
      'network.peer.address': 'the client',
      'sargasso.api.version': 'version of the API',
      'sargasso.connection.id': 'number of the connection on this node',
      'sargasso.response.errors': 'Kafka error codes in the response, by name; absent without errors',
    },
  },
  actorMessage: {
    kind: 'internal',
    name: 'kind of actor and message, e.g. `partition append`',
    meaning:
      'A message to an actor of this node, from its delivery to the release of its reply; the event `turn` marks when its handler began.',
    attributes: actorAttributes,
  },
  journalAppend: {
    kind: 'internal',
    name: '`journal append`',
    meaning:
      'Records of one turn, from their submission to the shard until they are durable; the event `append` marks when the group commit that took them began.',
    attributes: {
      'sargasso.shard': 'the shard',
      'sargasso.shard.epoch': 'its epoch',
      'sargasso.append.bytes': 'bytes of batches of this turn',
      'sargasso.append.group.submissions': 'turns in the same group commit',
      'sargasso.append.group.bytes': 'bytes of the group commit',
    },
  },
  remoteRequest: {
    kind: 'client',
    name: 'e.g. `mailbox partition append`',
    meaning: 'A message to another node over the mailbox (NATS), from sending to reply.',
    attributes: { ...actorAttributes, 'sargasso.node.id': 'the node asked' },
  },
  remoteServe: {
    kind: 'server',
    name: 'e.g. `serve partition append`',
    meaning: 'The same message on the node that was asked.',
    attributes: actorAttributes,
  },
  seaweedPublish: {
    kind: 'producer',
    name: '`seaweedmq publish`',
    meaning:
      'The move of a run of batches from the journal to SeaweedMQ, until it is proven to be stored: a trace of its own, linked to the requests that brought the batches.',
    attributes: { 'sargasso.shard': 'the shard', 'sargasso.run.bytes': 'bytes of the run' },
  },
} as const satisfies Readonly<Record<string, SpanDefinition>>;

export type SpanName = keyof typeof spans;

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** A span that has begun. */
export interface Span {
  /** For what is done on its behalf. */
  readonly context: TraceContext;
  set(attributes: SpanAttributes): void;
  event(name: string): void;
  /** Ends it, as failed with an error. Once. */
  end(error?: unknown): void;
}

export interface Tracer {
  /** False: nothing is ever sampled, so that callers need not look for a client's context. */
  readonly enabled: boolean;
  /**
   * Begins the span of a client request, and decides whether it is sampled: as its parent says if it has one, else by
   * chance.
   * @param startMs monotonic
   * @returns undefined when it is not sampled
   */
  startRequest(name: string, parent: TraceContext | undefined, startMs: number): Span | undefined;
  /** Begins a span below a sampled one. @param name as printed */
  startSpan(span: SpanName, name: string, parent: TraceContext, attributes: SpanAttributes): Span;
  /** Begins the span of work that several sampled requests caused, as a trace of its own with a link to each. */
  startLinked(span: SpanName, name: string, causes: readonly TraceContext[], attributes: SpanAttributes): Span;
}

/** Records nothing, and passes on the context that it was given. */
function noSpan(context: TraceContext): Span {
  return { context, set() {}, event() {}, end() {} };
}

/** Tracing off. */
export const noTracer: Tracer = {
  enabled: false,
  startRequest: () => undefined,
  startSpan: (_span, _name, parent) => noSpan(parent),
  startLinked: (_span, _name, causes) => noSpan(causes[0] ?? { traceparent: '' }),
};
