// IncrementalAlterConfigs (KIP-339): sets, deletes, appends to and subtracts from single configs of each resource, each
// resource by itself.

import { optionDefinition } from '../../../config/broker-options.ts';
import type { incrementalAlterConfigs } from '../../../protocol/apis/incremental-alter-configs.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { alterLoggers, loggerNodeProblem } from '../../admin/broker-loggers.ts';
import { applyIncremental } from '../../admin/config-changes.ts';
import {
  type AlterOutcome,
  alterResource,
  configResource,
  invalidRequest,
  repeatedResources,
  resourceKey,
} from '../../admin/config-resources.ts';
import { topicConfigDefinition } from '../../admin/topic-config-definitions.ts';
import { errorCodeOf } from '../faults.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof incrementalAlterConfigs>;
type Response = ResponseOf<typeof incrementalAlterConfigs>;
type Resource = Request['resources'][number];

export async function handleIncrementalAlterConfigs(
  request: Request,
  _context: RequestContext,
  services: Services,
): Promise<Response> {
  const repeated = repeatedResources(request.resources);
  const responses: Response['responses'][number][] = [];
  for (const resource of request.resources) {
    const { resourceType, resourceName } = resource;
    const outcome = repeated.has(resourceKey(resource))
      ? invalidRequest('Each resource must appear at most once.')
      : await alterOne(resource, request.validateOnly, services);
    responses.push({ ...outcome, resourceType, resourceName });
  }
  return { throttleTimeMs: 0, responses };
}

async function alterOne(resource: Resource, validateOnly: boolean, services: Services): Promise<AlterOutcome> {
  const { resourceType, resourceName, configs } = resource;
  const definitionOf = resourceType === configResource.topic ? topicConfigDefinition : optionDefinition;
  try {
    if (resourceType !== configResource.brokerLogger) {
      return await alterResource(
        resource,
        (overrides) => applyIncremental(overrides, configs, definitionOf),
        validateOnly,
        services,
      );
    }
    const { nodeId } = services.view;
    const problem = loggerNodeProblem(resourceName, nodeId);
    if (problem !== undefined) return invalidRequest(problem);
    return await alterLoggers(configs, nodeId, validateOnly, services.brokerConfigs);
  } catch (fault) {
    services.logger.log('warn', 'configs not altered', { resource: resourceName, error: fault });
    return { errorCode: errorCodeOf(fault, 'broker'), errorMessage: null };
  }
}
