// IncrementalAlterConfigs (KIP-339): sets, deletes, appends to and subtracts from single configs of each resource, each
// resource by itself.

import { optionDefinition } from '../../../config/broker-options.ts';
import type { incrementalAlterConfigs } from '../../../protocol/apis/incremental-alter-configs.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { alterLoggers, loggerNodeProblem } from '../../admin/broker-loggers.ts';
import { applyIncremental } from '../../admin/config-changes.ts';
import { type AlterOutcome, alterResource, configResource, invalidRequest } from '../../admin/config-resources.ts';
import { topicConfigDefinition } from '../../admin/topic-config-definitions.ts';
import { alterEach } from '../config-alterations.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof incrementalAlterConfigs>;

export async function handleIncrementalAlterConfigs(
  { resources, validateOnly }: Request,
  _context: RequestContext,
  services: Services,
): Promise<ResponseOf<typeof incrementalAlterConfigs>> {
  const responses = await alterEach(resources, services, (resource) => alterOne(resource, validateOnly, services));
  return { throttleTimeMs: 0, responses };
}

async function alterOne(
  resource: Request['resources'][number],
  validateOnly: boolean,
  services: Services,
): Promise<AlterOutcome> {
  const { resourceType, resourceName, configs } = resource;
  if (resourceType === configResource.brokerLogger) {
    const { nodeId } = services.view;
    const problem = loggerNodeProblem(resourceName, nodeId);
    if (problem !== undefined) return invalidRequest(problem);
    return alterLoggers(configs, nodeId, validateOnly, services.brokerConfigs);
  }
  const definitionOf = resourceType === configResource.topic ? topicConfigDefinition : optionDefinition;
  return alterResource(
    resource,
    (overrides) => applyIncremental(overrides, configs, definitionOf),
    validateOnly,
    services,
  );
}
