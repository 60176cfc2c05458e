// The broker's configuration while it runs: the static one of the start, and over it what AlterConfigs has set for all
// brokers or for this one (KIP-226). Owns the two values in the metadata store that hold those; other nodes' changes of
// them arrive by watch. Decides which changes are refused (DynamicBrokerConfig).

import { type BrokerConfig, buildBrokerConfig, effectiveText } from '../../config/broker-config.ts';
import { optionDefinition, optionNames } from '../../config/broker-options.ts';
import { invalidValueMessage } from '../../config/definition.ts';
import { ErrorCode } from '../../protocol/errors.ts';
import type { Logger } from '../runtime/ports.ts';
import { type MetadataStore, StorageFault } from '../shard/ports.ts';
import { type ConfigOverrides, type ConfigRefusal, isRefusal } from './config-changes.ts';
import {
  configSource,
  type DescribedConfig,
  type DescribeOptions,
  describe,
  layerSynonyms,
} from './described-config.ts';

/** Keys in the metadata store: `broker-configs/default` for all brokers, `broker-configs/<node id>` for one. */
export const BROKER_CONFIGS_PREFIX = 'broker-configs/';

/** Compare-and-set attempts before a change gives way to whoever keeps winning. */
const attemptsMax = 16;

/** '' stands for all brokers, as in the resource name of the requests. */
type BrokerResource = string;

export class BrokerConfigs {
  readonly #store: MetadataStore;
  readonly #logger: Logger;
  readonly #listeners = new Set<(config: BrokerConfig) => void>();
  readonly #nodeId: string;
  #config: BrokerConfig;
  #stopWatch: (() => void) | undefined;

  /** @param initial the configuration of the start. */
  constructor(initial: BrokerConfig, store: MetadataStore, logger: Logger) {
    this.#config = initial;
    this.#nodeId = String(initial.nodeId);
    this.#store = store;
    this.#logger = logger;
  }

  /** The configuration as it is now. A new object after each change, so take it anew at each use. */
  get current(): BrokerConfig {
    return this.#config;
  }

  /** Calls `listener` after each change. @returns ends that. */
  onChange(listener: (config: BrokerConfig) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads what is stored and follows it from then on. @throws StorageFault */
  async start(): Promise<void> {
    // What the watch tells while the list is read is as new as the list or newer.
    const told = new Set<string>();
    this.#stopWatch = this.#store.watch(BROKER_CONFIGS_PREFIX, (key, value) => {
      told.add(key);
      this.#follow(key, value?.value);
    });
    for (const { key, value } of await this.#store.list(BROKER_CONFIGS_PREFIX)) {
      if (!told.has(key)) this.#follow(key, value);
    }
  }

  stop(): void {
    this.#stopWatch?.();
  }

  /**
   * Changes the overrides of all brokers (`resource` '') or of this one (its number).
   * @param change the next overrides from the present ones, or why they are refused.
   * @throws StorageFault
   */
  async alter(
    resource: BrokerResource,
    change: (overrides: ConfigOverrides) => ConfigOverrides | ConfigRefusal,
    validateOnly = false,
  ): Promise<ConfigRefusal | undefined> {
    const wrongName = this.#resourceRefusal(resource);
    if (wrongName !== undefined) return wrongName;
    const key = BROKER_CONFIGS_PREFIX + (resource === '' ? 'default' : this.#nodeId);
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const stored = await this.#store.get(key);
      const overrides = stored === undefined ? new Map<string, string>() : decodeOverrides(stored.value);
      if (overrides === undefined) throw new StorageFault('corrupt', `${key} is no set of configs`);
      const next = change(overrides);
      if (isRefusal(next)) return next;
      const refusal = this.#refusal(next, resource !== '');
      if (refusal !== undefined || validateOnly) return refusal;
      if ((await this.#store.put(key, encodeOverrides(next), stored?.revision ?? 0)) !== undefined) return undefined;
    }
    throw new StorageFault('unavailable', `${key} keeps being changed by others`);
  }

  /** What DescribeConfigs answers for this broker (its number) or, under '', for what is set for all brokers. */
  describe(resource: BrokerResource, options: DescribeOptions = {}): readonly DescribedConfig[] | ConfigRefusal {
    const wrongName = this.#resourceRefusal(resource);
    if (wrongName !== undefined) return wrongName;
    return resource === '' ? describeDefaults(this.#config, options) : describeBroker(this.#config, options);
  }

  #follow(key: string, value: Uint8Array | undefined): void {
    const name = key.slice(BROKER_CONFIGS_PREFIX.length);
    if (name !== 'default' && name !== this.#nodeId) return;
    const stored = value === undefined ? new Map<string, string>() : decodeOverrides(value);
    if (stored === undefined) {
      this.#logger.log('error', 'broker-config-corrupt', { key });
      return;
    }
    const overrides = this.#usable(stored, key);
    const { layers } = this.#config;
    const layer = name === 'default' ? { dynamicDefault: overrides } : { dynamicBroker: overrides };
    const built = buildBrokerConfig({ ...layers, ...layer });
    if ('problems' in built) {
      // The values fit each other when they were set; another node's start may bring others. The present ones stay.
      this.#logger.log('error', 'broker-config-refused', { key, problems: built.problems });
      return;
    }
    this.#config = built.config;
    for (const listener of this.#listeners) listener(this.#config);
  }

  /** Leaves out what this release does not know: another one may have stored it. */
  #usable(overrides: ConfigOverrides, key: string): ConfigOverrides {
    const known = [...overrides].filter(([name]) => optionDefinition(name) !== undefined);
    if (known.length < overrides.size) this.#logger.log('warn', 'broker-config-unknown', { key });
    return new Map(known);
  }

  /** @returns what ConfigAdminManager and ConfigHelper say of a resource that is not this broker. */
  #resourceRefusal(resource: BrokerResource): ConfigRefusal | undefined {
    if (resource === '') return undefined;
    if (!/^[+-]?[0-9]+$/.test(resource)) {
      return invalidRequest(`Node id must be an integer, but it is: ${resource}`);
    }
    if (Number(resource) === this.#config.nodeId) return undefined;
    return invalidRequest(`Unexpected broker id, expected ${this.#nodeId}, but received ${resource}`);
  }

  #refusal(next: ConfigOverrides, perBroker: boolean): ConfigRefusal | undefined {
    const refusal = dynamicRefusal(next, perBroker);
    if (refusal !== undefined) return refusal;
    const layer = perBroker ? { dynamicBroker: next } : { dynamicDefault: next };
    const built = buildBrokerConfig({ ...this.#config.layers, ...layer });
    if ('config' in built) return undefined;
    const problem = built.problems[0]!;
    return invalidRequest(invalidValueMessage(problem.name, problem.text, problem));
  }
}

/** Options that AlterConfigs may set; unlike Kafka, which keeps names that it does not know, an unknown one is refused. */
function dynamicRefusal(overrides: ConfigOverrides, perBroker: boolean): ConfigRefusal | undefined {
  const names = [...overrides.keys()];
  const unknown = names.find((name) => optionDefinition(name) === undefined);
  if (unknown !== undefined) {
    return { errorCode: ErrorCode.INVALID_CONFIG, errorMessage: `Unknown config name: ${unknown}` };
  }
  const refuse = (problem: string, isWrong: (name: string) => boolean) => {
    const wrong = names.filter(isWrong).sort();
    return wrong.length === 0 ? undefined : invalidRequest(`${problem}: [${wrong.join(', ')}]`);
  };
  const scope = (name: string) => optionDefinition(name)!.dynamic;
  return (
    refuse('Cannot update these configs dynamically', (name) => scope(name) === undefined) ??
    refuse(
      'These security configs can be dynamically updated only per-listener using the listener prefix',
      (name) => name.startsWith('ssl.') || name.startsWith('sasl.'),
    ) ??
    refuse(
      'Cannot update these configs at default cluster level, broker id must be specified',
      (name) => !perBroker && scope(name) === 'per-broker',
    )
  );
}

function describeBroker(config: BrokerConfig, options: DescribeOptions): DescribedConfig[] {
  return optionNames.flatMap((name) => {
    const definition = optionDefinition(name)!;
    const { dynamicBroker, dynamicDefault, given } = config.layers;
    const isSet = dynamicBroker.has(name) || dynamicDefault.has(name) || given.has(name);
    if (definition.internal && !isSet) return [];
    const reading = definition.read(effectiveText(config.layers, name));
    const value = 'value' in reading ? definition.print(reading.value) : null;
    const synonyms = layerSynonyms(synonymNames(name), config, name);
    return [describe(name, definition, { value, synonyms, readOnly: definition.dynamic === undefined }, options)];
  });
}

/** Only what AlterConfigs has set for all brokers. */
function describeDefaults(config: BrokerConfig, options: DescribeOptions): DescribedConfig[] {
  return [...config.layers.dynamicDefault].map(([name, text]) => {
    const definition = optionDefinition(name)!;
    const synonyms = layerSynonyms(synonymNames(name), config, name).filter(
      ({ source }) => source === configSource.dynamicDefaultBroker,
    );
    return describe(name, definition, { value: text, synonyms, readOnly: definition.dynamic === undefined }, options);
  });
}

const synonymGroups = [
  ['log.roll.ms', 'log.roll.hours'],
  ['log.roll.jitter.ms', 'log.roll.jitter.hours'],
  ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours'],
];

/** DynamicBrokerConfig.brokerConfigSynonyms. */
function synonymNames(name: string): readonly string[] {
  if (name === 'log.flush.interval.ms') return [name, 'log.flush.scheduler.interval.ms'];
  return synonymGroups.find((group) => group.includes(name)) ?? [name];
}

function invalidRequest(errorMessage: string): ConfigRefusal {
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
}

function encodeOverrides(overrides: ConfigOverrides): Uint8Array {
  return Buffer.from(JSON.stringify({ version: 1, configs: Object.fromEntries(overrides) }));
}

/** @returns undefined for anything but what `encodeOverrides` makes. */
function decodeOverrides(bytes: Uint8Array): Map<string, string> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
  const configs = (value as { configs?: unknown } | null)?.configs;
  const entries = typeof configs === 'object' && configs !== null ? Object.entries(configs) : undefined;
  const isText = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === 'string';
  return entries?.every(isText) ? new Map(entries) : undefined;
}
