// /metrics: the samples in Prometheus' text format, which prom-client writes, with its figures of process and Node.js.

import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import { type MetricName, metrics } from '../../src/events.ts';
import { Histogram } from './histogram.ts';
import type { Labels, Sample, Samples } from './samples.ts';

/**
 * Lists of open handles are a walk over every connection, for numbers that are there already; the event loop's delay is
 * among this project's own, since the library's has the period of its timer in it and forgets with each scrape.
 */
const leftOut = [
  ...['', '_min', '_max', '_mean', '_stddev', '_p50', '_p90', '_p99'].map(
    (part) => `nodejs_eventloop_lag${part}_seconds`,
  ),
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
];

/** One line, as prom-client takes it. */
interface Value {
  readonly labels: Labels;
  readonly sharedLabels?: Labels;
  readonly value: number;
  readonly metricName?: string;
}

export class Exposition {
  readonly #processRegistry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#processRegistry });
    for (const name of leftOut) this.#processRegistry.removeSingleMetric(name);
  }

  get contentType(): string {
    return this.#processRegistry.contentType;
  }

  /** @returns the page; a metric without samples is left out. */
  async print(samples: Samples): Promise<string> {
    const registry = new Registry();
    for (const name of Object.keys(metrics) as MetricName[]) {
      const ofMetric = samples[name];
      if (ofMetric !== undefined && ofMetric.length > 0) registry.registerMetric(metricOf(name, ofMetric));
    }
    return `${await registry.metrics()}\n${await this.#processRegistry.metrics()}`;
  }
}

/** The samples as a metric of the library's: a registry asks it for its name and its values. */
function metricOf(name: MetricName, samples: readonly Sample[]): Metric {
  const { type, help } = metrics[name];
  const values = samples.flatMap(({ labels = {}, value }): readonly Value[] =>
    value instanceof Histogram ? histogramValues(name, labels, value) : [{ labels, value }],
  );
  return { name, get: async () => ({ name, help, type, values, aggregator: 'sum' }) } as unknown as Metric;
}

function histogramValues(name: string, sharedLabels: Labels, { bounds, counts, sum }: Histogram): Value[] {
  const values: Value[] = [];
  let count = 0;
  for (const [index, inBucket] of counts.entries()) {
    count += inBucket;
    values.push({
      labels: { le: index < bounds.length ? (bounds[index] as number) : '+Inf' },
      sharedLabels,
      value: count,
      metricName: `${name}_bucket`,
    });
  }
  values.push({ labels: {}, sharedLabels, value: sum, metricName: `${name}_sum` });
  values.push({ labels: {}, sharedLabels, value: count, metricName: `${name}_count` });
  return values;
}
