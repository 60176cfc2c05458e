// What the broker says of itself: every metric, every span, and the ports through which actors and stores tell of them.
// What is made of it (Prometheus, OpenTelemetry) is decided in cluster/telemetry. The tables are in src/events/.

export type { Health, HealthCheck, HealthReport } from './events/health.ts';
export {
  type MetricDefinition,
  type MetricName,
  metricSections,
  metrics,
  type StorageFigures,
} from './events/metrics.ts';
export { type Events, noEvents } from './events/port.ts';
export {
  noTracer,
  type Span,
  type SpanAttributes,
  type SpanDefinition,
  type SpanName,
  spans,
  type TraceContext,
  type Tracer,
} from './events/spans.ts';
