// Log levels as Kafka's tools see them (KIP-412). There is one logger, `root`; its level is the broker option `log.level`,
// so that setting either sets both, and the level outlives a restart, which Kafka's does not.

import { effectiveText } from '../../config/broker-config.ts';
import { ErrorCode } from '../../protocol/errors.ts';
import type { BrokerConfigs } from './broker-configs.ts';
import { configOperation, type IncrementalChange } from './config-changes.ts';
import { type AlterOutcome, done, invalidRequest } from './config-resources.ts';
import { configSource, type DescribedConfig } from './described-config.ts';

const rootLogger = 'root';
const levelOption = 'log.level';

/** LogLevelConfig.VALID_LOG_LEVELS, and what each means here. */
const levels: Readonly<Record<string, string>> = {
  DEBUG: 'debug',
  ERROR: 'error',
  FATAL: 'error',
  INFO: 'info',
  TRACE: 'debug',
  WARN: 'warn',
};

/** The loggers of this node. */
export function describeLoggers(brokerConfigs: BrokerConfigs): DescribedConfig[] {
  const level = effectiveText(brokerConfigs.current.layers, levelOption) as string;
  return [
    {
      name: rootLogger,
      value: level.toUpperCase(),
      readOnly: false,
      configSource: configSource.dynamicBrokerLogger,
      isDefault: false,
      isSensitive: false,
      synonyms: [],
      configType: 0,
      documentation: '',
    },
  ];
}

/** What Kafka says against `name` as the node whose loggers are meant, if anything. */
export function loggerNodeProblem(name: string, nodeId: number): string | undefined {
  if (!/^[+-]?[0-9]+$/.test(name)) return `Node id must be an integer, but it is: ${name}`;
  return Number(name) === nodeId ? undefined : `Unexpected node id. Expected ${nodeId}, but received ${name}`;
}

/** Sets log levels (RuntimeLoggerManager). @throws StorageFault */
export async function alterLoggers(
  changes: readonly IncrementalChange[],
  nodeId: number,
  validateOnly: boolean,
  brokerConfigs: BrokerConfigs,
): Promise<AlterOutcome> {
  let level: string | undefined;
  for (const { name, configOperation: operation, value } of changes) {
    if (operation === configOperation.append || operation === configOperation.subtract) {
      const word = operation === configOperation.append ? 'APPEND' : 'SUBTRACT';
      return invalidRequest(`${word} operation is not allowed for the BROKER_LOGGER resource`);
    }
    if (operation !== configOperation.set && operation !== configOperation.delete) {
      return invalidRequest(`Unknown operation type ${operation} is not allowed for the BROKER_LOGGER resource`);
    }
    if (name !== rootLogger) return invalidConfig(`Logger ${name} does not exist!`);
    if (operation === configOperation.delete) {
      return invalidRequest(`Removing the log level of the ${rootLogger} logger is not allowed`);
    }
    if (value === null || levels[value] === undefined) {
      return invalidConfig(
        `Cannot set the log level of ${name} to ${value} as it is not a supported log level. Valid log levels are ` +
          Object.keys(levels).join(', '),
      );
    }
    level = levels[value];
  }
  if (level === undefined) return done;
  const refusal = await brokerConfigs.alter(
    String(nodeId),
    (overrides) => new Map([...overrides, [levelOption, level]]),
    validateOnly,
  );
  return refusal ?? done;
}

function invalidConfig(errorMessage: string): AlterOutcome {
  return { errorCode: ErrorCode.INVALID_CONFIG, errorMessage };
}
