// docs/metrics.md from the tables of metrics and spans. `npm run docs` writes it, a test finds it out of date.

import { type MetricDefinition, metricSections, type SpanDefinition, spans } from '../src/events.ts';

export const file = 'docs/metrics.md';

export function content(): string {
  return `<!-- Written by \`npm run docs\` from src/events; do not edit. -->

# Metrics and spans

What a node tells on \`/metrics\` (see \`admin.listeners\` in [configuration.md](configuration.md)) and in traces. What to make
of it is in [operations.md](operations.md#metrics).

${metricSections.map(section).join('\n\n')}

### Of the process, by prom-client

\`process_*\` (CPU seconds, resident and virtual memory, open file descriptors, start time) and \`nodejs_*\` (heap and heap
spaces, external memory, pauses of the garbage collector, version), under the names that Prometheus clients share.

## Histograms

Buckets of latencies, in seconds: ${bucketsOf(metricSections).join(', ')}.

## Spans

| span | kind | from when to when | attributes |
| --- | --- | --- | --- |
${(Object.values(spans) as readonly SpanDefinition[]).map(spanRow).join('\n')}

Every span has the resource attributes \`service.name\` (\`sargasso\`), \`service.version\` and \`service.instance.id\` (the node's
number).
`;
}

function section({ title, metrics }: (typeof metricSections)[number]): string {
  const rows = Object.entries(metrics).map(
    ([name, { type, help, labels }]) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${cell(help)} |`,
  );
  return `## ${title}\n\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n${rows.join('\n')}`;
}

function spanRow({ name, kind, meaning, attributes }: SpanDefinition): string {
  const listed = Object.entries(attributes).map(([attribute, text]) => `\`${attribute}\`: ${text}`);
  return `| ${name} | ${kind} | ${cell(meaning)} | ${cell(listed.join('; '))} |`;
}

function bucketsOf(sections: typeof metricSections): readonly number[] {
  const all = sections.flatMap(({ metrics }) => Object.values(metrics) as MetricDefinition[]);
  const different = new Set(all.map(({ buckets }) => buckets).filter((buckets) => buckets !== undefined));
  if (different.size !== 1) throw new Error('histograms differ in their buckets; list them with the metrics');
  return [...different][0] as readonly number[];
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
