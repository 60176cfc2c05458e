// What Prometheus, a probe or a person does on the admin port of a broker process.

import { expect } from 'chai';
import { type BrokerOptions, type BrokerProcess, startBroker } from '../support/broker-process.ts';
import { type ParsedMetric, parsePrometheusText } from './prometheus-text.ts';

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: any page's JSON
  readonly json: any;
}

/** One scrape: the value of a metric, or of those of its series that have these labels, added up. */
export class Scrape {
  readonly metrics: ReadonlyMap<string, ParsedMetric>;

  constructor(text: string) {
    this.metrics = parsePrometheusText(text);
  }

  /** @param name of the sample, e.g. `x_count` of histogram `x` */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    let sum = 0;
    for (const { samples } of this.metrics.values()) {
      for (const sample of samples) {
        const fits = Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
        if (sample.name === name && fits) sum += sample.value;
      }
    }
    return sum;
  }
}

export class AdminClient {
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  async get(path: string): Promise<Answer> {
    const response = await fetch(`${this.#base}${path}`, { signal: AbortSignal.timeout(20_000) });
    return { status: response.status, json: await response.json() };
  }

  async scrape(): Promise<Scrape> {
    const response = await fetch(`${this.#base}/metrics`, { signal: AbortSignal.timeout(20_000) });
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.equal('text/plain; version=0.0.4; charset=utf-8');
    return new Scrape(await response.text());
  }
}

/** Starts a broker with an admin port on a free port. */
export async function startAdministered(
  options: BrokerOptions = {},
): Promise<{ readonly broker: BrokerProcess; readonly admin: AdminClient }> {
  const config = { 'admin.listeners': 'http://127.0.0.1:0', ...options.config };
  const broker = await startBroker({ ...options, config });
  return { broker, admin: new AdminClient(adminBase(broker)) };
}

/** Where a running broker has said last that its admin port is. @throws Error when it has not */
export function adminBase(broker: BrokerProcess): string {
  if (broker.admin === undefined) throw new Error(`no admin port is said:\n${broker.output()}`);
  return broker.admin;
}
