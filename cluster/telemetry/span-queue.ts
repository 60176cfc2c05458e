// Spans on their way to the collector: bounded, counted, and a collector that is away is said once.

import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Logger } from '../../src/actors/runtime/ports.ts';

export interface SpanCounts {
  /** Ended and not sent. */
  waiting: number;
  exported: number;
  dropped: number;
}

type Processed = Parameters<SpanProcessor['onEnd']>[0];

/** Drops what exceeds the queue before the queue does, which would not tell. */
export class DroppingProcessor implements SpanProcessor {
  readonly #next: SpanProcessor;
  readonly #counts: SpanCounts;
  readonly #spansMax: number;

  constructor(next: SpanProcessor, counts: SpanCounts, spansMax: number) {
    this.#next = next;
    this.#counts = counts;
    this.#spansMax = spansMax;
  }

  onStart(): void {}

  onEnd(span: Processed): void {
    if (this.#counts.waiting >= this.#spansMax) {
      this.#counts.dropped++;
      return;
    }
    this.#counts.waiting++;
    this.#next.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}

type ExportResult = Parameters<Parameters<SpanExporter['export']>[1]>[0];

export class CountingExporter implements SpanExporter {
  readonly #next: SpanExporter;
  readonly #counts: SpanCounts;
  readonly #logger: Logger;
  readonly #endpoint: string;
  #failing = false;

  constructor(next: SpanExporter, counts: SpanCounts, logger: Logger, endpoint: string) {
    this.#next = next;
    this.#counts = counts;
    this.#logger = logger;
    this.#endpoint = endpoint;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.#next.export(spans, (result) => {
      this.#counts.waiting -= spans.length;
      const taken = result.code === 0;
      if (taken) this.#counts.exported += spans.length;
      else this.#counts.dropped += spans.length;
      if (taken === this.#failing) {
        this.#failing = !taken;
        if (taken) this.#logger.log('info', 'trace collector takes spans again', { endpoint: this.#endpoint });
        else {
          this.#logger.log('warn', 'trace collector does not take spans', {
            endpoint: this.#endpoint,
            error: result.error,
          });
        }
      }
      // Said here; the SDK would say it for every batch.
      done({ code: 0 });
    });
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush?.() ?? Promise.resolve();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}
