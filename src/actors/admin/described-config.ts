// One config as DescribeConfigs tells it, and the codes of that API: where a value comes from, of what type it is, and the
// synonyms behind it (ConfigHelper, DescribeConfigsResponse).

import type { BrokerConfig } from '../../config/broker-config.ts';
import { optionDefinition } from '../../config/broker-options.ts';
import type { Definition } from '../../config/definition.ts';
import type { ConfigType } from '../../config/value-types.ts';

/** DescribeConfigsResponse.ConfigSource. */
export const configSource = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
  dynamicBrokerLogger: 6,
} as const;

/** DescribeConfigsResponse.ConfigType. */
const configTypeCodes: Record<ConfigType, number> = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
};

export interface DescribedSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: number;
}

/** Fields as in DescribeConfigsResponse.DescribeConfigsResourceResult; `isDefault` is version 0's. */
export interface DescribedConfig {
  readonly name: string;
  /** null when unset or secret. */
  readonly value: string | null;
  readonly readOnly: boolean;
  readonly configSource: number;
  readonly isDefault: boolean;
  readonly isSensitive: boolean;
  readonly synonyms: readonly DescribedSynonym[];
  readonly configType: number;
  readonly documentation: string | null;
}

export interface DescribeOptions {
  readonly includeSynonyms?: boolean;
  readonly includeDocumentation?: boolean;
}

/** The answer for one config; its source is that of its first synonym. */
export function describe(
  name: string,
  definition: Definition,
  state: { value: string | null; synonyms: readonly DescribedSynonym[]; readOnly: boolean },
  { includeSynonyms = false, includeDocumentation = false }: DescribeOptions,
): DescribedConfig {
  const source = state.synonyms[0]?.source ?? configSource.default;
  const isSensitive = definition.sensitive === true;
  return {
    name,
    value: isSensitive ? null : state.value,
    readOnly: state.readOnly,
    configSource: source,
    isDefault: source === configSource.default,
    isSensitive,
    synonyms: includeSynonyms ? state.synonyms : [],
    configType: configTypeCodes[definition.type],
    documentation: includeDocumentation ? documentation(definition) : null,
  };
}

/** Meaning, unit, what is allowed, and whether it has an effect. */
export function documentation(definition: Definition): string {
  const unit = definition.unit === undefined ? '' : ` Unit: ${definition.unit}.`;
  const effect = definition.withoutEffect === undefined ? '' : ` Accepted without effect: ${definition.withoutEffect}.`;
  const refused = definition.refused === undefined ? '' : ` Only the default is taken: ${definition.refused}.`;
  return `${definition.meaning}${unit} Allowed: ${definition.allowed}.${effect}${refused}`;
}

/**
 * Where broker options of these names get values from, the strongest first. What comes before the first mention of
 * `names[0]` is left out, as Kafka does (ConfigHelper.configSynonyms).
 */
export function layerSynonyms(names: readonly string[], broker: BrokerConfig, own = names[0]): DescribedSynonym[] {
  const { dynamicBroker, dynamicDefault, given } = broker.layers;
  const layers = [
    { source: configSource.dynamicBroker, textOf: (name: string) => dynamicBroker.get(name) },
    { source: configSource.dynamicDefaultBroker, textOf: (name: string) => dynamicDefault.get(name) },
    { source: configSource.staticBroker, textOf: (name: string) => given.get(name) },
    { source: configSource.default, textOf: (name: string) => optionDefinition(name)?.defaultText ?? undefined },
  ];
  const synonyms = layers.flatMap(({ source, textOf }) =>
    names.flatMap((name) => {
      const value = textOf(name);
      const secret = optionDefinition(name)?.sensitive === true;
      return value === undefined ? [] : [{ name, value: secret ? null : value, source }];
    }),
  );
  const first = synonyms.findIndex(({ name }) => name === own);
  return first < 0 ? [] : synonyms.slice(first);
}
