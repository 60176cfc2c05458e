// AlterConfigs and IncrementalAlterConfigs alike: each resource is altered by itself, and what goes wrong with one is told of
// that one. A resource that is named twice is refused, as Kafka's ConfigAdminManager does.

import { type AlterOutcome, invalidRequest } from '../admin/config-resources.ts';
import { errorCodeOf } from './faults.ts';
import type { Services } from './services.ts';

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** @param alterOne its faults become the resource's error code */
export async function alterEach<One extends Resource>(
  resources: readonly One[],
  services: Services,
  alterOne: (resource: One) => Promise<AlterOutcome>,
): Promise<(AlterOutcome & Resource)[]> {
  const repeated = repeatedResources(resources);
  const outcomes: (AlterOutcome & Resource)[] = [];
  for (const resource of resources) {
    const { resourceType, resourceName } = resource;
    const outcome = repeated.has(keyOf(resource))
      ? invalidRequest('Each resource must appear at most once.')
      : await alterOne(resource).catch((fault: unknown) => {
          services.logger.log('warn', 'configs not altered', { resource: resourceName, error: fault });
          return { errorCode: errorCodeOf(fault, 'broker'), errorMessage: null };
        });
    outcomes.push({ ...outcome, resourceType, resourceName });
  }
  return outcomes;
}

function repeatedResources(resources: readonly Resource[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const resource of resources) {
    const key = keyOf(resource);
    if (seen.has(key)) repeated.add(key);
    seen.add(key);
  }
  return repeated;
}

function keyOf({ resourceType, resourceName }: Resource): string {
  return `${resourceType}/${resourceName}`;
}
