// What a client asks, with the fields that a story does not care about filled in.

import { ZERO_TOPIC_ID } from '../../../src/actors/admin/topic-ids.ts';
import { handleCreateTopics } from '../../../src/actors/router/handlers/create-topics.ts';
import type { createTopics } from '../../../src/protocol/apis/create-topics.ts';
import type { metadata } from '../../../src/protocol/apis/metadata.ts';
import type { RequestOf } from '../../../src/protocol/schema/define.ts';
import type { World } from './world.ts';

type CreateTopicsRequest = RequestOf<typeof createTopics>;
type Creatable = CreateTopicsRequest['topics'][number];

/** A topic to be created: one partition, one replica, no configs, unless said otherwise. */
export function creatable(name: string, fields: Partial<Creatable> = {}): Creatable {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...fields };
}

export function createTopicsRequest(
  topics: readonly Creatable[],
  fields: Partial<CreateTopicsRequest> = {},
): CreateTopicsRequest {
  return { topics: [...topics], timeoutMs: 5_000, validateOnly: false, ...fields };
}

/** Creates one topic as a client would. @returns its part of the answer. */
export async function create(world: World, name: string, fields: Partial<Creatable> = {}, validateOnly = false) {
  const request = createTopicsRequest([creatable(name, fields)], { validateOnly });
  const { topics } = await world.call(handleCreateTopics, request);
  return topics[0]!;
}

export function configsOf(configs: Readonly<Record<string, string | null>>): { name: string; value: string | null }[] {
  return Object.entries(configs).map(([name, value]) => ({ name, value }));
}

type MetadataRequest = RequestOf<typeof metadata>;

/** A Metadata request for these names; null: for all topics. */
export function metadataRequest(
  names: readonly string[] | null,
  fields: Partial<MetadataRequest> = {},
): MetadataRequest {
  return {
    topics: names === null ? null : names.map((name) => ({ name, topicId: ZERO_TOPIC_ID })),
    allowAutoTopicCreation: true,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
    ...fields,
  };
}
