// Options of what the node tells of itself: the admin port with health and metrics, and traces.

import { define, double, int, string } from '../definition.ts';
import { type AdminListener, adminListenerForm, printAdminListeners, readAdminListeners } from '../listeners.ts';

export const telemetryOptions = {
  'admin.listeners': define<readonly AdminListener[], readonly AdminListener[]>(
    {
      type: 'LIST',
      allowed: adminListenerForm,
      parse: readAdminListeners,
      print: printAdminListeners,
    },
    {
      own: true,
      default: [{ host: '', port: 9644 }],
      meaning:
        'Where the node answers /healthz, /readyz and /metrics over HTTP, to anybody who can connect. Empty: nowhere. Port 0 takes a free one. A given port that is taken stops the start; without this option the node then only warns, so that several can run on one machine.',
    },
  ),
  'metrics.topics.max': int({
    own: true,
    default: 1000,
    min: 1,
    meaning: "Topics with figures of their own in /metrics; those beyond are counted together, as topic ''.",
  }),
  'metrics.consumer.lag.partitions.max': int({
    own: true,
    default: 2000,
    min: 0,
    meaning:
      'Partitions of consumer groups whose committed offset and lag are shown in /metrics; those beyond are only counted. 0: none.',
  }),
  'tracing.endpoint': string({
    own: true,
    default: '',
    allowed: 'an http or https URL, or empty',
    check: endpointProblem,
    meaning:
      'The OpenTelemetry collector (or Jaeger) that takes traces as OTLP over HTTP, e.g. http://localhost:4318; /v1/traces is appended. Empty: no traces.',
  }),
  'tracing.sample.ratio': double({
    own: true,
    default: 0.01,
    min: 0,
    max: 1,
    meaning:
      'Share of client requests that are traced. A Produce whose first record has a traceparent header is traced as that says instead.',
  }),
  'tracing.queue.spans.max': int({
    own: true,
    default: 8192,
    min: 512,
    meaning: 'Spans that may wait to be sent; further ones are dropped and counted.',
  }),
} as const;

function endpointProblem(value: string): string | undefined {
  if (value === '') return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? undefined : 'not an http or https URL';
}
