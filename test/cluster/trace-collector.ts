// A collector that takes traces as OTLP over HTTP in JSON, and tells what it was given.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: none. */
  readonly parentSpanId: string;
  readonly name: string;
  /** As OTLP numbers them: 1 internal, 2 server, 3 client, 4 producer. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly events: readonly string[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Whether its status is an error. */
  readonly failed: boolean;
  /** Of the node: `service.instance.id` and so on. */
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

const waitMs = 20_000;
const checkMs = 20;

export class TraceCollector {
  readonly spans: CollectedSpan[] = [];
  /** Requests that came, whatever became of them. */
  requests = 0;
  /** Answered to every export while set. */
  failure: number | undefined;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests++;
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const refused = request.method !== 'POST' || request.url !== '/v1/traces' ? 404 : this.failure;
        if (refused === undefined) this.#take(JSON.parse(Buffer.concat(chunks).toString()));
        response.writeHead(refused ?? 200, { 'content-type': 'application/json' }).end('{}');
      });
    });
  }

  static async start(): Promise<TraceCollector> {
    const collector = new TraceCollector();
    await new Promise<void>((resolve) => {
      collector.#server.listen(0, '127.0.0.1', resolve);
    });
    return collector;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** The whole trace of the first span that matches, once as many spans of it have come as are expected. */
  async trace(what: string, spanCount: number, matches: (span: CollectedSpan) => boolean): Promise<Trace> {
    const deadlineMs = Date.now() + waitMs;
    for (;;) {
      const first = this.spans.find(matches);
      const ofTrace = this.spans.filter(({ traceId }) => traceId === first?.traceId);
      if (first !== undefined && ofTrace.length >= spanCount) return new Trace(ofTrace);
      if (Date.now() > deadlineMs) {
        const names = ofTrace.map(({ name }) => name).join(', ');
        throw new Error(`no ${spanCount} spans of the trace of ${what} within ${waitMs} ms, but: ${names || 'none'}`);
      }
      await new Promise((resolve) => setTimeout(resolve, checkMs));
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: OTLP's JSON
  #take(body: any): void {
    for (const { resource, scopeSpans } of body.resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          this.spans.push({
            traceId: span.traceId,
            spanId: span.spanId,
            parentSpanId: span.parentSpanId ?? '',
            name: span.name,
            kind: span.kind,
            attributes: attributesOf(span.attributes),
            events: (span.events ?? []).map(({ name }: { name: string }) => name),
            links: span.links ?? [],
            startNs: BigInt(span.startTimeUnixNano),
            endNs: BigInt(span.endTimeUnixNano),
            failed: span.status?.code === 2,
            resource: attributesOf(resource.attributes),
          });
        }
      }
    }
  }
}

/** Spans of one trace. */
export class Trace {
  readonly spans: readonly CollectedSpan[];

  constructor(spans: readonly CollectedSpan[]) {
    this.spans = spans;
  }

  /** The only span of this name. */
  span(name: string): CollectedSpan {
    const [found, ...others] = this.spans.filter((span) => span.name === name);
    if (found === undefined || others.length > 0) throw new Error(`${others.length} or no spans are named ${name}`);
    return found;
  }

  /** The names as a tree of parents: `Produce(partition append(journal append))`. */
  get shape(): string {
    const ids = new Set(this.spans.map(({ spanId }) => spanId));
    const print = (span: CollectedSpan): string => {
      const inner = this.spans.filter(({ parentSpanId }) => parentSpanId === span.spanId).map(print);
      return inner.length === 0 ? span.name : `${span.name}(${inner.sort().join(' ')})`;
    };
    return this.spans
      .filter(({ parentSpanId }) => !ids.has(parentSpanId))
      .map(print)
      .sort()
      .join(' ');
  }
}

// biome-ignore lint/suspicious/noExplicitAny: OTLP's JSON
function attributesOf(attributes: any[] = []): Record<string, string | number | boolean> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? Number(value.intValue ?? value.doubleValue),
    ]),
  );
}
