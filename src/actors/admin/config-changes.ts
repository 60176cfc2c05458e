// Changes of configs as AlterConfigs and IncrementalAlterConfigs ask for them: what a resource's overrides are afterwards.
// Knows nothing of values being right, only of the operations (ConfigAdminManager, ConfigurationControlManager).

import type { Definition } from '../../config/definition.ts';
import { ErrorCode } from '../../protocol/errors.ts';

/** AlterConfigOp.OpType. */
export const configOperation = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

/** Why a change is refused, as the response tells it. */
export interface ConfigRefusal {
  readonly errorCode: number;
  readonly errorMessage: string;
}

/** One entry of IncrementalAlterConfigs. */
export interface IncrementalChange {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

export type ConfigOverrides = ReadonlyMap<string, string>;

/**
 * The overrides after incremental changes. A list grows from its default when it is not overridden.
 * @param definitionOf the row of a config of this resource.
 */
export function applyIncremental(
  overrides: ConfigOverrides,
  changes: readonly IncrementalChange[],
  definitionOf: (name: string) => Definition | undefined,
): ConfigOverrides | ConfigRefusal {
  const refusal = entriesRefusal(
    changes.filter(({ configOperation: code }) => code !== configOperation.delete),
    changes,
  );
  if (refusal !== undefined) return refusal;
  const result = new Map(overrides);
  for (const { name, configOperation: code, value } of changes) {
    switch (code) {
      case configOperation.set:
        result.set(name, value!);
        break;
      case configOperation.delete:
        result.delete(name);
        break;
      case configOperation.append:
      case configOperation.subtract: {
        const operation = code === configOperation.append ? 'APPEND' : 'SUBTRACT';
        const definition = definitionOf(name);
        if (definition?.type !== 'LIST') {
          const errorMessage = `Can't ${operation} to key ${name} because its type is not LIST.`;
          return { errorCode: ErrorCode.INVALID_CONFIG, errorMessage };
        }
        const items = splitAtCommas(result.get(name) ?? definition.defaultText ?? '').filter((item) => item !== '');
        const changed = code === configOperation.append ? appended(items, value!) : subtracted(items, value!);
        result.set(name, changed.join(','));
        break;
      }
      default:
        return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `Unknown operations type ${code}` };
    }
  }
  return result;
}

/** The overrides after AlterConfigs, which replaces all of them. */
export function replaceOverrides(
  entries: readonly { readonly name: string; readonly value: string | null }[],
): ConfigOverrides | ConfigRefusal {
  return entriesRefusal(entries, entries) ?? new Map(entries.map(({ name, value }) => [name, value!]));
}

export function isRefusal(outcome: object): outcome is ConfigRefusal {
  return 'errorCode' in outcome;
}

function entriesRefusal(
  valued: readonly { readonly name: string; readonly value: string | null }[],
  all: readonly { readonly name: string }[],
): ConfigRefusal | undefined {
  if (new Set(all.map(({ name }) => name)).size < all.length) {
    return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: 'Error due to duplicate config keys' };
  }
  const missing = valued.filter(({ value }) => value === null).map(({ name }) => name);
  if (missing.length === 0) return undefined;
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `Null value not supported for : ${missing.join(', ')}` };
}

function appended(items: readonly string[], value: string): string[] {
  return [...new Set([...items, ...splitAtCommas(value)])];
}

/** Of each subtracted item the first occurrence goes. */
function subtracted(items: readonly string[], value: string): string[] {
  const rest = [...items];
  for (const item of splitAtCommas(value)) {
    const index = rest.indexOf(item);
    if (index >= 0) rest.splice(index, 1);
  }
  return rest;
}

/** As Java's `split(",")`: blanks stay, empty items at the end go. */
function splitAtCommas(text: string): string[] {
  const items = text.split(',');
  while (items.length > 1 && items.at(-1) === '') items.pop();
  return items;
}
