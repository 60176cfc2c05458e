// A topic's configuration: its own overrides over what the broker's options give. Decides which overrides are refused and
// in which words (LogConfig.validate), and what DescribeConfigs says of them.

import { type BrokerConfig, effectiveText } from '../../config/broker-config.ts';
import { type Definition, fieldName, invalidValueMessage } from '../../config/definition.ts';
import {
  configSource,
  type DescribedConfig,
  type DescribeOptions,
  describe,
  layerSynonyms,
} from './described-config.ts';
import {
  type TopicConfigValues,
  topicConfigDefinition,
  topicConfigNames,
  topicConfigSynonyms,
} from './topic-config-definitions.ts';

export { type TopicConfigValues, topicConfigDefinitions } from './topic-config-definitions.ts';

/** Why overrides are refused, in Kafka's words; to be answered with INVALID_CONFIG. */
export interface InvalidConfig {
  /** The config that is wrong. */
  readonly name: string;
  readonly message: string;
}

/** The effective configuration under these overrides, or the first thing that is wrong with them. */
export function parseTopicConfigs(
  overrides: ReadonlyMap<string, string>,
  broker: BrokerConfig,
): { readonly values: TopicConfigValues } | { readonly invalid: InvalidConfig } {
  for (const name of overrides.keys()) {
    if (topicConfigDefinition(name) === undefined) {
      return { invalid: { name, message: `Unknown topic config name: ${name}` } };
    }
  }
  const fields: Record<string, unknown> = {};
  for (const name of topicConfigNames) {
    const definition = topicConfigDefinition(name)!;
    const text = overrides.get(name) ?? brokerDefault(name, definition, broker);
    const reading = definition.read(text);
    if ('problem' in reading) return { invalid: { name, message: invalidValueMessage(name, text, reading) } };
    fields[fieldName(name)] = reading.value;
  }
  const values = fields as unknown as TopicConfigValues;
  const crossed = crossProblem(values);
  return crossed === undefined ? { values: Object.freeze(values) } : { invalid: crossed };
}

/**
 * The effective configuration of a stored topic. Never fails: an override that this release does not take (another one may
 * have stored it) counts as unset.
 */
export function topicConfigValues(overrides: ReadonlyMap<string, string>, broker: BrokerConfig): TopicConfigValues {
  const remaining = new Map(overrides);
  for (let attempt = 0; attempt <= overrides.size; attempt++) {
    const parsed = parseTopicConfigs(remaining, broker);
    if ('values' in parsed) return parsed.values;
    if (!remaining.delete(parsed.invalid.name)) break;
  }
  const parsed = parseTopicConfigs(new Map(), broker);
  if ('values' in parsed) return parsed.values;
  throw new Error(`the broker's own defaults are refused: ${parsed.invalid.message}`);
}

/** What DescribeConfigs answers for a topic with these overrides (ConfigHelper.createTopicConfigEntry). */
export function describeTopicConfigs(
  overrides: ReadonlyMap<string, string>,
  broker: BrokerConfig,
  options: DescribeOptions = {},
): DescribedConfig[] {
  return topicConfigNames.flatMap((name) => {
    const definition = topicConfigDefinition(name)!;
    const override = overrides.get(name);
    if (definition.internal && override === undefined) return [];
    const value = printed(definition, override ?? brokerDefault(name, definition, broker));
    const own = override === undefined ? [] : [{ name, value, source: configSource.topic }];
    const names = (topicConfigSynonyms.get(name) ?? []).map((synonym) => synonym.name);
    const synonyms = [...own, ...layerSynonyms(names, broker)];
    return [describe(name, definition, { value, synonyms, readOnly: false }, options)];
  });
}

/** The level for the topic's own codec (KIP-390); undefined where the codec has none or its default is asked for. */
export function compressionLevel(values: TopicConfigValues): number | undefined {
  if (values.compressionType === 'zstd') return values.compressionZstdLevel;
  if (values.compressionType !== 'gzip' || values.compressionGzipLevel === -1) return undefined;
  return values.compressionGzipLevel;
}

/** The text that a topic config has when the topic does not set it; from the broker's options where they have one. */
function brokerDefault(name: string, definition: Definition, broker: BrokerConfig): string | null {
  for (const synonym of topicConfigSynonyms.get(name) ?? []) {
    const text = effectiveText(broker.layers, synonym.name);
    if (text === null) continue;
    if (synonym.factor === 1n) return text;
    const count = BigInt(text.trim());
    // Kafka: any negative number of hours or minutes means unlimited (AbstractKafkaConfig.logRetentionTimeMillis).
    return String(count < 0n ? -1n : count * synonym.factor);
  }
  return definition.defaultText;
}

function printed(definition: Definition, text: string | null): string | null {
  const reading = definition.read(text);
  return 'value' in reading ? definition.print(reading.value) : text;
}

function crossProblem(values: TopicConfigValues): InvalidConfig | undefined {
  const { minCompactionLagMs: min, maxCompactionLagMs: max } = values;
  if (min > max) {
    const message = `conflict topic config setting min.compaction.lag.ms (${min}) > max.compaction.lag.ms (${max})`;
    return { name: 'min.compaction.lag.ms', message };
  }
  if (values.remoteStorageEnable) {
    const message =
      'Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.';
    return { name: 'remote.storage.enable', message };
  }
  return undefined;
}
