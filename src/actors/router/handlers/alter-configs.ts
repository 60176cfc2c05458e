// AlterConfigs: replaces all overrides of each resource, each by itself. Deprecated since KIP-339, served for old clients.

import type { alterConfigs } from '../../../protocol/apis/alter-configs.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { replaceOverrides } from '../../admin/config-changes.ts';
import {
  type AlterOutcome,
  alterResource,
  invalidRequest,
  repeatedResources,
  resourceKey,
} from '../../admin/config-resources.ts';
import { errorCodeOf } from '../faults.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof alterConfigs>;
type Response = ResponseOf<typeof alterConfigs>;
type Resource = Request['resources'][number];

export async function handleAlterConfigs(
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
  try {
    return await alterResource(resource, () => replaceOverrides(resource.configs), validateOnly, services);
  } catch (fault) {
    services.logger.log('warn', 'configs not altered', { resource: resource.resourceName, error: fault });
    return { errorCode: errorCodeOf(fault, 'broker'), errorMessage: null };
  }
}
