// Traces as Jaeger's API gives them.

import { getJson } from './project.ts';

const jaeger = 'http://127.0.0.1:16686';
const tracesMax = 1_500;

export interface Trace {
  readonly traceID: string;
  readonly spans: readonly {
    readonly operationName: string;
    readonly processID: string;
    /** Its parent, and what it is linked to. */
    readonly references: readonly { readonly refType: string; readonly traceID: string }[];
  }[];
  readonly processes: Readonly<Record<string, { readonly tags: readonly { key: string; value: unknown }[] }>>;
}

/** The newest traces with such a span of a node. */
export async function tracesOf(operation: string): Promise<readonly Trace[]> {
  const query = new URLSearchParams({ service: 'sargasso', operation, limit: String(tracesMax), lookback: '1h' });
  return (await getJson<{ data: Trace[] }>(`${jaeger}/api/traces?${query}`)).data;
}

export function namesOf({ spans }: Trace): ReadonlySet<string> {
  return new Set(spans.map(({ operationName }) => operationName));
}

/** The numbers of the nodes that spans of the trace come from. */
export function nodesOf({ spans, processes }: Trace): ReadonlySet<unknown> {
  const used = spans.map(({ processID }) =>
    processes[processID]!.tags.find(({ key }) => key === 'service.instance.id'),
  );
  return new Set(used.map((tag) => tag?.value));
}
