// The resources that have configs, as DescribeConfigs and the two AlterConfigs name them (ConfigResource.Type), and the
// one way a change of such a resource is made, whichever request asks for it.

import { ErrorCode } from '../../protocol/errors.ts';
import type { BrokerConfigs } from './broker-configs.ts';
import { type ConfigOverrides, type ConfigRefusal, isRefusal } from './config-changes.ts';
import { topicNameProblem } from './topic-names.ts';
import type { TopicAdmin } from './topics.ts';

export const configResource = {
  unknown: 0,
  topic: 2,
  broker: 4,
  brokerLogger: 8,
  clientMetrics: 16,
  group: 32,
} as const;

/** Kafka's name of a type of resource, for messages. */
export function configResourceName(type: number): string {
  const names: Record<number, string> = {
    [configResource.topic]: 'TOPIC',
    [configResource.broker]: 'BROKER',
    [configResource.brokerLogger]: 'BROKER_LOGGER',
    [configResource.clientMetrics]: 'CLIENT_METRICS',
    [configResource.group]: 'GROUP',
  };
  return names[type] ?? 'UNKNOWN';
}

/** The next overrides from the present ones, or why they are refused. */
export type OverridesChange = (overrides: ConfigOverrides) => ConfigOverrides | ConfigRefusal;

/** What is told of one resource. */
export interface AlterOutcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/**
 * Changes the overrides of a topic or of brokers.
 * @throws StorageFault
 */
export async function alterResource(
  resource: { readonly resourceType: number; readonly resourceName: string },
  change: OverridesChange,
  validateOnly: boolean,
  { topics, brokerConfigs }: { readonly topics: TopicAdmin; readonly brokerConfigs: BrokerConfigs },
): Promise<AlterOutcome> {
  const { resourceType, resourceName } = resource;
  switch (resourceType) {
    case configResource.topic:
      return alterTopic(resourceName, change, validateOnly, topics);
    case configResource.broker:
      return (await brokerConfigs.alter(resourceName, change, validateOnly)) ?? done;
    case configResource.clientMetrics:
    case configResource.group:
      return invalidRequest(`Configs of resource type ${configResourceName(resourceType)} are not served.`);
    default:
      return invalidRequest(`Unknown resource type ${resourceType}`);
  }
}

export const done: AlterOutcome = { errorCode: ErrorCode.NONE, errorMessage: null };

export function invalidRequest(errorMessage: string): AlterOutcome & { readonly errorMessage: string } {
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
}

async function alterTopic(
  name: string,
  change: OverridesChange,
  validateOnly: boolean,
  topics: TopicAdmin,
): Promise<AlterOutcome> {
  if (name === '') return invalidRequest('Default topic resources are not allowed.');
  const nameProblem = topicNameProblem(name);
  if (nameProblem !== undefined) return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, errorMessage: nameProblem };
  // What is wrong with the request by itself is told even of a topic that does not exist.
  const outOfNothing = change(new Map());
  if (isRefusal(outOfNothing)) return outOfNothing;
  const { errorCode, errorMessage = null } = await topics.alterConfigs(name, change, validateOnly);
  if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
    return { errorCode, errorMessage: `The topic '${name}' does not exist.` };
  }
  return { errorCode, errorMessage };
}
