// BrokerConfig: the typed, frozen values of the broker's options, worked out from layers of texts. Static texts come from
// the start (file, environment, flags), dynamic ones from AlterConfigs; per-broker beats cluster-wide beats static beats
// default, as in Kafka (KIP-226).

import { brokerOptions, optionDefinition } from './broker-options.ts';
import { fieldName, invalidValueMessage, type ValuesOf } from './definition.ts';
import { advertisedProblem, deriveAdvertised, type Listener, listenersProblem } from './listeners.ts';

type OptionValues = ValuesOf<typeof brokerOptions>;

/** Texts by option name, layer by layer. */
export interface ConfigLayers {
  /** Set at the start. */
  readonly given: ReadonlyMap<string, string>;
  /** Set by AlterConfigs for every broker. */
  readonly dynamicDefault: ReadonlyMap<string, string>;
  /** Set by AlterConfigs for this broker. */
  readonly dynamicBroker: ReadonlyMap<string, string>;
}

/** A field for each effective option, named like it in camel case. LONG options are numbers; bigint where compared with timestamps. */
export type BrokerConfig = Omit<OptionValues, 'advertisedListeners' | 'brokerId'> & {
  /** What clients are told, whether given or derived; a port 0 is filled in once bound (`advertisedWithPorts`). */
  readonly advertisedListeners: readonly Listener[];
  /** Where the values come from; for DescribeConfigs and topic defaults. */
  readonly layers: ConfigLayers;
};

/** One wrong option. */
export interface ConfigProblem {
  readonly name: string;
  /** The offending text; null where the option is unset or derived. */
  readonly text: string | null;
  /** What is wrong, in Kafka's words where Kafka has some. */
  readonly problem: string;
  /** The text as Kafka's message shows it, if otherwise. */
  readonly shown?: string;
  /** What would be right, if that is not said by `problem`. */
  readonly allowed?: string;
}

export const noLayers: ConfigLayers = { given: new Map(), dynamicDefault: new Map(), dynamicBroker: new Map() };

/** The text in force for an option, default included; null: unset. */
export function effectiveText(layers: ConfigLayers, name: string): string | null {
  for (const layer of [layers.dynamicBroker, layers.dynamicDefault, layers.given]) {
    const text = layer.get(name);
    if (text !== undefined) return text;
  }
  return optionDefinition(name)?.defaultText ?? null;
}

/** Works the configuration out. Every text must belong to a known option. */
export function buildBrokerConfig(
  layers: ConfigLayers,
): { readonly config: BrokerConfig } | { readonly problems: readonly ConfigProblem[] } {
  const problems: ConfigProblem[] = [];
  const fields: Record<string, unknown> = {};
  const checkedNames = new Set([...Object.keys(brokerOptions), ...layerNames(layers)]);
  for (const name of checkedNames) {
    const definition = optionDefinition(name);
    if (definition === undefined) throw new Error(`there is no option ${name}`);
    const text = effectiveText(layers, name);
    const reading = definition.read(text);
    if ('problem' in reading) {
      problems.push({ ...reading, name, text, allowed: definition.allowed });
    } else if (definition.refused !== undefined && definition.print(reading.value) !== definition.defaultText) {
      problems.push({ name, text, problem: definition.refused });
    } else if (name in brokerOptions) fields[fieldName(name)] = reading.value;
  }
  if (problems.length > 0) return { problems };
  const values = fields as unknown as OptionValues;
  const { brokerId, ...rest } = values;
  const listeners = openedListeners(values);
  const config: BrokerConfig = Object.freeze({
    ...rest,
    nodeId: layers.given.has('node.id') || brokerId < 0 ? values.nodeId : brokerId,
    listeners,
    advertisedListeners: openedAdvertised(values) ?? deriveAdvertised(listeners),
    layers,
  });
  const crossed = crossProblems(values, config);
  return crossed.length > 0 ? { problems: crossed } : { config };
}

/**
 * A configuration with these options set and the defaults otherwise, for tests and tools.
 * @throws Error naming what is wrong.
 */
export function brokerConfigWith(options: Readonly<Record<string, string>> = {}): BrokerConfig {
  const built = buildBrokerConfig({ ...noLayers, given: new Map(Object.entries(options)) });
  if ('config' in built) return built.config;
  throw new Error(built.problems.map((problem) => invalidValueMessage(problem.name, problem.text, problem)).join('; '));
}

function layerNames(layers: ConfigLayers): string[] {
  return [layers.given, layers.dynamicDefault, layers.dynamicBroker].flatMap((layer) => [...layer.keys()]);
}

/** Kafka's combined configurations list the controllers' listeners too; those are not for clients. */
function openedListeners(values: OptionValues): readonly Listener[] {
  return values.listeners.filter((listener) => !isControllers(values, listener));
}

function openedAdvertised(values: OptionValues): readonly Listener[] | undefined {
  return values.advertisedListeners?.filter((listener) => !isControllers(values, listener));
}

function isControllers(values: OptionValues, { name }: Listener): boolean {
  return values.controllerListenerNames.some((controller) => controller.toUpperCase() === name);
}

/** What a node of a cluster cannot do without, and what contradicts itself. */
function clusterProblems(values: OptionValues, { given }: ConfigLayers): [name: string, problem: string][] {
  if (values.storage === 'embedded') return [];
  const problems: [string, string][] = [];
  if (values.natsServers.length === 0) {
    problems.push(['nats.servers', `storage=${values.storage} needs the addresses of the NATS servers`]);
  }
  if (!given.has('node.id') && !given.has('broker.id')) {
    problems.push(['node.id', `storage=${values.storage} needs a node.id of its own on each node; none is given`]);
  }
  if (values.storage === 'seaweed') {
    if (values.seaweedBrokers.length === 0) {
      problems.push(['seaweed.brokers', 'storage=seaweed needs the addresses of SeaweedMQ brokers']);
    }
    if (values.seaweedFilers.length === 0) {
      problems.push(['seaweed.filers', 'storage=seaweed needs the addresses of SeaweedFS filers']);
    }
  }
  const logins = [values.natsUser, values.natsToken, values.natsCredsFile, values.natsNkeyFile];
  if (logins.filter((login) => login !== null).length > 1) {
    problems.push(['nats.user', 'give one of nats.user, nats.token, nats.creds.file and nats.nkey.file']);
  }
  if ((values.natsTlsCertFile === null) !== (values.natsTlsKeyFile === null)) {
    problems.push(['nats.tls.cert.file', 'nats.tls.cert.file and nats.tls.key.file go together']);
  }
  return problems;
}

function crossProblems(values: OptionValues, config: BrokerConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const add = (name: string, problem: string | undefined) => {
    if (problem !== undefined) problems.push({ name, text: effectiveText(config.layers, name), problem });
  };
  add('listeners', listenersProblem(config.listeners, values.listenerSecurityProtocolMap));
  const advertised = openedAdvertised(values);
  if (advertised !== undefined) {
    const missing = advertised.length === 0 ? 'it names no listener for clients' : undefined;
    add('advertised.listeners', missing ?? advertisedProblem(advertised, config.listeners));
  }
  const bothIds = config.layers.given.has('node.id') && values.brokerId >= 0 && values.brokerId !== values.nodeId;
  add('broker.id', bothIds ? `it differs from node.id, which is ${values.nodeId}` : undefined);
  for (const [name, problem] of clusterProblems(values, config.layers)) add(name, problem);
  const sessionBounds = values.groupMinSessionTimeoutMs > values.groupMaxSessionTimeoutMs;
  add('group.min.session.timeout.ms', sessionBounds ? 'it is above group.max.session.timeout.ms' : undefined);
  const lagMin = BigInt(effectiveText(config.layers, 'log.cleaner.min.compaction.lag.ms')!.trim());
  const lagMax = BigInt(effectiveText(config.layers, 'log.cleaner.max.compaction.lag.ms')!.trim());
  add('log.cleaner.min.compaction.lag.ms', lagMin > lagMax ? `it is above the largest lag, ${lagMax}` : undefined);
  for (const name of ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours']) {
    // Kafka: unlimited (-1) or at least 1 (AbstractKafkaConfig.getLogRetentionTimeMillis).
    const text = effectiveText(config.layers, name);
    add(name, text !== null && Number(text) === 0 ? 'it must be unlimited (-1) or at least 1' : undefined);
  }
  return problems;
}
