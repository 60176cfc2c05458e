// Traces by the OpenTelemetry SDK, sent to a collector as OTLP over HTTP. Loaded only when tracing is on: the SDK takes
// longer to load than the broker to start.
//
// Sampling is decided here, before the SDK is asked for anything, so that a request that is not sampled costs one random
// number. No context manager is installed: contexts travel by hand (src/events/spans.ts).

import {
  type Context,
  type Tracer as OpenTelemetryTracer,
  ROOT_CONTEXT,
  type Span as SdkSpan,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BatchSpanProcessor, type SpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Logger } from '../../src/actors/runtime/ports.ts';
import {
  type Span,
  type SpanAttributes,
  type SpanName,
  spans,
  type TraceContext,
  type Tracer,
} from '../../src/events.ts';
import { CountingExporter, DroppingProcessor, type SpanCounts } from './span-queue.ts';
import { parseTraceContext, printTraceparent } from './trace-context.ts';

export interface TracesOptions {
  /** Base URL of the collector; `/v1/traces` is appended. */
  readonly endpoint: string;
  /** Share of requests without a parent that are sampled, 0 to 1. */
  readonly sampleRatio: number;
  readonly queueSpansMax: number;
  readonly nodeId: number;
  readonly version: string;
  readonly logger: Logger;
}

export interface Traces {
  readonly tracer: Tracer;
  readonly counts: SpanCounts;
  /** Sends what waits, for a moment. */
  close(): Promise<void>;
}

/** How often spans are sent, ms, and how many at the most at a time. */
const EXPORT_INTERVAL_MS = 1_000;
const EXPORT_SPANS_MAX = 512;
/** How long one export may take, ms. */
const EXPORT_TIMEOUT_MS = 10_000;
/** How long a stop waits for the last export, ms. */
const CLOSE_TIMEOUT_MS = 2_000;

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
  producer: SpanKind.PRODUCER,
} as const;

/** Starts tracing; nothing is connected to before there are spans to send. */
export function startTraces(options: TracesOptions): Traces {
  const counts: SpanCounts = { waiting: 0, exported: 0, dropped: 0 };
  const exporter = new OTLPTraceExporter({
    url: `${options.endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const batches: SpanProcessor = new BatchSpanProcessor({
    exporter: new CountingExporter(exporter, counts, options.logger, options.endpoint),
    maxQueueSize: options.queueSpansMax,
    maxExportBatchSize: EXPORT_SPANS_MAX,
    scheduledDelayMillis: EXPORT_INTERVAL_MS,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new TracerProvider({
    sampler: new AlwaysOnSampler(),
    resource: resourceFromAttributes({
      'service.name': 'sargasso',
      'service.version': options.version,
      'service.instance.id': String(options.nodeId),
    }),
    spanProcessors: [new DroppingProcessor(batches, counts, options.queueSpansMax)],
  });
  return {
    tracer: new SamplingTracer(provider.getTracer('sargasso', options.version), options.sampleRatio),
    counts,
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      });
      // A collector that is away must not keep the node from stopping; what it misses was counted.
      await Promise.race([provider.shutdown().catch(() => {}), late]);
      clearTimeout(timer);
    },
  };
}

class SamplingTracer implements Tracer {
  readonly enabled = true;
  readonly #tracer: OpenTelemetryTracer;
  readonly #ratio: number;

  constructor(tracer: OpenTelemetryTracer, ratio: number) {
    this.#tracer = tracer;
    this.#ratio = ratio;
  }

  startRequest(name: string, parent: TraceContext | undefined, startMs: number): Span | undefined {
    const above = parent && parseTraceContext(parent);
    const sampled = above === undefined ? Math.random() < this.#ratio : (above.traceFlags & TraceFlags.SAMPLED) !== 0;
    if (!sampled) return undefined;
    const context = above === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, above);
    // Its start lies before this call, on performance.now's clock, so its end is given on that clock too.
    return new TracedSpan(this.#tracer.startSpan(name, { kind: SpanKind.SERVER, startTime: startMs }, context), true);
  }

  startSpan(span: SpanName, name: string, parent: TraceContext, attributes: SpanAttributes): Span {
    const options = { kind: kinds[spans[span].kind], attributes };
    return new TracedSpan(this.#tracer.startSpan(name, options, contextOf(parent)), false);
  }

  startLinked(span: SpanName, name: string, causes: readonly TraceContext[], attributes: SpanAttributes): Span {
    const links = causes
      .map(spanContextOf)
      .filter((context) => context !== undefined)
      .map((context) => ({ context }));
    const options = { kind: kinds[spans[span].kind], attributes, links };
    return new TracedSpan(this.#tracer.startSpan(name, options, ROOT_CONTEXT), false);
  }
}

/** The context of a span of this process: its text is made only when it leaves the process. */
class LocalContext implements TraceContext {
  readonly #spanContext: SpanContext;

  constructor(spanContext: SpanContext) {
    this.#spanContext = spanContext;
  }

  get traceparent(): string {
    return printTraceparent(this.#spanContext);
  }

  get tracestate(): string | undefined {
    return this.#spanContext.traceState?.serialize();
  }

  static spanContextOf(context: LocalContext): SpanContext {
    return context.#spanContext;
  }
}

function spanContextOf(context: TraceContext): SpanContext | undefined {
  return context instanceof LocalContext ? LocalContext.spanContextOf(context) : parseTraceContext(context);
}

function contextOf(parent: TraceContext): Context {
  const spanContext = spanContextOf(parent);
  return spanContext === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContext);
}

class TracedSpan implements Span {
  readonly context: TraceContext;
  readonly #span: SdkSpan;
  readonly #explicitTimes: boolean;

  constructor(span: SdkSpan, explicitTimes: boolean) {
    this.#span = span;
    this.#explicitTimes = explicitTimes;
    this.context = new LocalContext(span.spanContext());
  }

  set(attributes: SpanAttributes): void {
    this.#span.setAttributes(attributes);
  }

  event(name: string): void {
    this.#span.addEvent(name);
  }

  end(error?: unknown): void {
    if (error !== undefined) {
      const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message });
    }
    this.#span.end(this.#explicitTimes ? performance.now() : undefined);
  }
}
