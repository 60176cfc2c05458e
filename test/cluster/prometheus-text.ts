// A strict reader of Prometheus' text format (exposition format 0.0.4): what `promtool check metrics` refuses is refused
// here, so that a page that this reads can be scraped.

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ParsedMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: ParsedSample[];
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const types = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

/** @throws Error naming the line and what is wrong with it */
export function parsePrometheusText(text: string): Map<string, ParsedMetric> {
  if (!text.endsWith('\n')) throw new Error('the page does not end with a line feed');
  const found = new Map<string, ParsedMetric>();
  let current: { name: string; help: string; type: string | undefined; samples: ParsedSample[] } | undefined;
  for (const [index, line] of text.slice(0, -1).split('\n').entries()) {
    const fail = (problem: string): never => {
      throw new Error(`line ${index + 1} '${line}': ${problem}`);
    };
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      const [, name, help] = /^# HELP (\S+) (.+)$/.exec(line) ?? fail('no help');
      if (!metricName.test(name!)) fail('not a metric name');
      if (found.has(name!)) fail('a metric told twice');
      current = { name: name!, help: help!, type: undefined, samples: [] };
      continue;
    }
    if (line.startsWith('# TYPE ')) {
      const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? fail('no type');
      if (name !== current?.name || current?.type !== undefined) fail('a type without its help right before');
      if (!types.includes(type!)) fail('an unknown type');
      current!.type = type!;
      found.set(name!, current as ParsedMetric);
      continue;
    }
    if (line.startsWith('#')) fail('a comment');
    if (current?.type === undefined) return fail('a sample without a metric');
    const sample = parseSample(line, fail);
    if (!belongs(sample.name, current.name, current.type)) fail(`a sample that is not of ${current.name}`);
    current.samples.push(sample);
  }
  for (const metric of found.values()) checkMetric(metric);
  return found;
}

function parseSample(line: string, fail: (problem: string) => never): ParsedSample {
  const [, name, labelText, valueText] = /^([^{\s]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? fail('not a sample');
  if (!metricName.test(name!)) fail('not a metric name');
  const labels: Record<string, string> = {};
  let rest = labelText ?? '';
  while (rest !== '') {
    const [all, label, value] =
      /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=.)|$)/.exec(rest) ?? fail('labels');
    if (label! in labels) fail(`label ${label} twice`);
    labels[label!] = value!.replace(/\\(["\\n])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
    rest = rest.slice(all!.length);
  }
  const special: Record<string, number> = {
    '+Inf': Number.POSITIVE_INFINITY,
    '-Inf': Number.NEGATIVE_INFINITY,
    NaN: Number.NaN,
  };
  const value = special[valueText!] ?? Number(valueText);
  if (!(valueText! in special) && !/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(valueText!)) fail('not a value');
  return { name: name!, labels, value };
}

function belongs(sample: string, metric: string, type: string): boolean {
  if (type === 'histogram') return [`${metric}_bucket`, `${metric}_sum`, `${metric}_count`].includes(sample);
  if (type === 'summary') return [metric, `${metric}_sum`, `${metric}_count`].includes(sample);
  return sample === metric;
}

function checkMetric({ name, type, samples }: ParsedMetric): void {
  const seen = new Set<string>();
  for (const sample of samples) {
    const series = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (seen.has(series)) throw new Error(`${series} twice`);
    seen.add(series);
    if (type === 'counter' && !(sample.value >= 0)) throw new Error(`counter ${series} is ${sample.value}`);
  }
  // Lint rules of promtool, for this project's own.
  if (name.startsWith('sargasso_') && (type === 'counter') !== name.endsWith('_total')) {
    throw new Error(`${name} is a ${type}`);
  }
  if (type === 'histogram') checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly ParsedSample[]): void {
  const series = new Map<string, { buckets: [number, number][]; sum?: number; count?: number }>();
  for (const { name: sample, labels, value } of samples) {
    const { le, ...others } = labels;
    const key = JSON.stringify(Object.entries(others).sort());
    const one = series.get(key) ?? { buckets: [] };
    series.set(key, one);
    if (sample === `${name}_bucket`) one.buckets.push([le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value]);
    else if (sample === `${name}_sum`) one.sum = value;
    else one.count = value;
  }
  for (const [key, { buckets, sum, count }] of series) {
    const ordered = buckets.every(
      ([bound, value], index) => index === 0 || (bound > buckets[index - 1]![0] && value >= buckets[index - 1]![1]),
    );
    if (!ordered) throw new Error(`${name}${key}: buckets are not ascending`);
    const [lastBound, lastValue] = buckets.at(-1) ?? [];
    if (lastBound !== Number.POSITIVE_INFINITY || lastValue !== count || sum === undefined) {
      throw new Error(`${name}${key}: no +Inf bucket, sum and count that agree`);
    }
  }
}
