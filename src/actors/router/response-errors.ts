// The error codes in a response, wherever the API has them: found once from the API's definition, then by going straight
// to them. Kafka's counterpart is AbstractResponse.errorCounts.

import type { AnyApi, StructFields } from '../../protocol/schema/define.ts';

type Visit = (errorCode: number) => void;
type Walk = (message: Readonly<Record<string, unknown>>, visit: Visit) => void;

const walks = new Map<AnyApi, Walk>();

/**
 * Calls `visit` with each error code but NONE.
 * @param response as the handler gave it, in the latest shape
 */
export function forEachErrorCode(api: AnyApi, response: unknown, visit: Visit): void {
  let walk = walks.get(api);
  if (walk === undefined) {
    walk = compile(api.definition.response) ?? (() => {});
    walks.set(api, walk);
  }
  walk(response as Readonly<Record<string, unknown>>, visit);
}

/** @returns undefined when there is no error code in there. */
function compile(fields: StructFields): Walk | undefined {
  const steps: Walk[] = [];
  for (const [name, { type }] of Object.entries(fields)) {
    if (type.kind === 'primitive') {
      if (/^(partitionE|e)rrorCode$/.test(name)) steps.push(codeOf(name));
      continue;
    }
    const struct = type.kind === 'array' ? type.element : type;
    const inner = struct.kind === 'struct' ? compile(struct.fields) : undefined;
    if (inner !== undefined) steps.push(type.kind === 'array' ? eachOf(name, inner) : oneOf(name, inner));
  }
  if (steps.length <= 1) return steps[0];
  return (message, visit) => {
    for (const step of steps) step(message, visit);
  };
}

function codeOf(name: string): Walk {
  return (message, visit) => {
    const errorCode = message[name];
    if (errorCode !== undefined && errorCode !== 0) visit(errorCode as number);
  };
}

function eachOf(name: string, inner: Walk): Walk {
  return (message, visit) => {
    const elements = message[name] as readonly Readonly<Record<string, unknown>>[] | null | undefined;
    if (elements === null || elements === undefined) return;
    for (const element of elements) inner(element, visit);
  };
}

function oneOf(name: string, inner: Walk): Walk {
  return (message, visit) => {
    const value = message[name] as Readonly<Record<string, unknown>> | null | undefined;
    if (value !== null && value !== undefined) inner(value, visit);
  };
}
