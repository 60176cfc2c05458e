// The one table of broker options: everything that can be set, in sections. A new option is a row in src/config/options/.

import * as cluster from './accepted/cluster.ts';
import * as coordinators from './accepted/coordinators.ts';
import * as refused from './accepted/refused.ts';
import * as runtime from './accepted/runtime.ts';
import * as security from './accepted/security.ts';
import * as storage from './accepted/storage.ts';
import type { Definition, Definitions } from './definition.ts';
import { clusterOptions } from './options/cluster.ts';
import { groupOptions } from './options/group.ts';
import { logOptions } from './options/log.ts';
import { networkOptions, nodeOptions } from './options/network.ts';
import { processOptions, storageOptions } from './options/node.ts';
import { seaweedOptions } from './options/seaweed.ts';
import { telemetryOptions } from './options/telemetry.ts';

/** The options that the broker acts on; `BrokerConfig` has a field for each. */
export const brokerOptions = {
  ...nodeOptions,
  ...networkOptions,
  ...storageOptions,
  ...clusterOptions,
  ...seaweedOptions,
  ...processOptions,
  ...logOptions,
  ...groupOptions,
  ...telemetryOptions,
} as const;

/** The same in sections, for `--help` and the docs. */
export const brokerOptionSections: readonly { readonly title: string; readonly options: Definitions }[] = [
  { title: 'Node', options: nodeOptions },
  { title: 'Listeners and connections', options: networkOptions },
  { title: 'Storage', options: storageOptions },
  { title: 'Cluster', options: clusterOptions },
  { title: 'SeaweedFS', options: seaweedOptions },
  { title: 'Process', options: processOptions },
  { title: 'Topics and logs', options: logOptions },
  { title: 'Consumer groups', options: groupOptions },
  { title: 'Health, metrics and traces', options: telemetryOptions },
];

/** Kafka's remaining broker properties: taken without effect, or refused. */
export const acceptedOptions: Definitions = Object.assign(
  {},
  ...[storage, cluster, runtime, coordinators, security, refused].flatMap((module) => Object.values(module)),
);

const everyOption = new Map<string, Definition>([
  ...Object.entries(acceptedOptions),
  ...(Object.entries(brokerOptions) as [string, Definition][]),
]);

/** Every name that can be set. */
export const optionNames: readonly string[] = [...everyOption.keys()].sort();

/** The row of an option, if there is such an option. */
export function optionDefinition(name: string): Definition | undefined {
  return everyOption.get(name) ?? listenerOption(name);
}

/** Kafka's options of a single listener, `listener.name.<listener>.[<mechanism>.]<option>` (KIP-103): without effect. */
function listenerOption(name: string): Definition | undefined {
  const [, afterListener, afterMechanism] = /^listener\.name\.[^.]+\.((?:[^.]+\.)?(.+))$/.exec(name) ?? [];
  if (afterListener === undefined) return undefined;
  const definition = everyOption.get(afterListener) ?? everyOption.get(afterMechanism!);
  return definition && { ...definition, withoutEffect: 'options of single listeners are not supported' };
}

/** Options of this broker that Kafka does not know. */
export const ownOptionNames: ReadonlySet<string> = new Set([
  ...Object.keys(storageOptions),
  ...Object.keys(processOptions),
  ...optionNames.filter((name) => optionDefinition(name)?.own),
]);
