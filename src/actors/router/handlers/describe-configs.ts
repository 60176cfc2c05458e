// DescribeConfigs: the configs of topics, of this broker (static and dynamic), of all brokers (the resource name ''), and
// the log levels.

import type { describeConfigs } from '../../../protocol/apis/describe-configs.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { describeLoggers } from '../../admin/broker-loggers.ts';
import { configResource, configResourceName, invalidRequest } from '../../admin/config-resources.ts';
import type { DescribedConfig, DescribeOptions } from '../../admin/described-config.ts';
import { describeTopicConfigs } from '../../admin/topic-configs.ts';
import { topicNameProblem } from '../../admin/topic-names.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof describeConfigs>;
type Response = ResponseOf<typeof describeConfigs>;
type Resource = Request['resources'][number];
type Refusal = { readonly errorCode: number; readonly errorMessage: string };

export function handleDescribeConfigs(request: Request, _context: RequestContext, services: Services): Response {
  const results = request.resources.map((resource) => {
    const { resourceType, resourceName, configurationKeys: keys } = resource;
    const described = describe(resource, request, services);
    if ('errorCode' in described) return { ...described, resourceType, resourceName, configs: [] };
    const asked = keys === null || keys.length === 0 ? described : described.filter(({ name }) => keys.includes(name));
    return { errorCode: ErrorCode.NONE, errorMessage: '', resourceType, resourceName, configs: asked };
  });
  return { throttleTimeMs: 0, results };
}

function describe(
  { resourceType, resourceName }: Resource,
  options: DescribeOptions,
  { catalog, config, brokerConfigs, view }: Services,
): readonly DescribedConfig[] | Refusal {
  switch (resourceType) {
    case configResource.topic: {
      const problem = topicNameProblem(resourceName);
      if (problem !== undefined) return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, errorMessage: problem };
      const topic = catalog.byName(resourceName);
      if (topic === undefined) return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: '' };
      return describeTopicConfigs(topic.configs, config, options);
    }
    case configResource.broker: {
      const expected = `${view.nodeId} or empty string,`;
      const problem = resourceName === '' ? undefined : brokerIdProblem(resourceName, view.nodeId, expected);
      return problem === undefined ? brokerConfigs.describe(resourceName, options) : invalidRequest(problem);
    }
    case configResource.brokerLogger: {
      if (resourceName === '') return invalidRequest('Broker id must not be empty');
      const problem = brokerIdProblem(resourceName, view.nodeId, String(view.nodeId));
      if (problem !== undefined) return invalidRequest(problem);
      return describeLoggers(brokerConfigs);
    }
    case configResource.clientMetrics:
    case configResource.group:
      return invalidRequest(`Configs of resource type ${configResourceName(resourceType)} are not served.`);
    default:
      return invalidRequest(
        `Unexpected resource type ${configResourceName(resourceType)} for resource ${resourceName}`,
      );
  }
}

/** What Kafka says against `name` as the number of this broker, if anything (ConfigHelper.resourceNameToBrokerId). */
function brokerIdProblem(name: string, nodeId: number, expected: string): string | undefined {
  if (!/^[+-]?[0-9]+$/.test(name)) return `Broker id must be an integer, but it is: ${name}`;
  return Number(name) === nodeId ? undefined : `Unexpected broker id, expected ${expected} but received ${name}`;
}
