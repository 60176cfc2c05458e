// AlterConfigs: replaces all overrides of each resource, each by itself. Deprecated since KIP-339, served for old clients.

import type { alterConfigs } from '../../../protocol/apis/alter-configs.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { replaceOverrides } from '../../admin/config-changes.ts';
import { alterResource } from '../../admin/config-resources.ts';
import { alterEach } from '../config-alterations.ts';
import type { RequestContext, Services } from '../services.ts';

export async function handleAlterConfigs(
  { resources, validateOnly }: RequestOf<typeof alterConfigs>,
  _context: RequestContext,
  services: Services,
): Promise<ResponseOf<typeof alterConfigs>> {
  const responses = await alterEach(resources, services, (resource) =>
    alterResource(resource, () => replaceOverrides(resource.configs), validateOnly, services),
  );
  return { throttleTimeMs: 0, responses };
}
