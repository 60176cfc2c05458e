// CreatePartitions: raises the partition count of topics, each by itself.

import type { createPartitions } from '../../../protocol/apis/create-partitions.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { additionalAssignmentsProblem } from '../../admin/assignments.ts';
import type { TopicOutcome } from '../../admin/topics.ts';
import { TIMED_OUT, withinMs } from '../deadline.ts';
import { errorCodeOf } from '../faults.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof createPartitions>;
type Response = ResponseOf<typeof createPartitions>;
type Asked = Request['topics'][number];

export async function handleCreatePartitions(
  request: Request,
  _context: RequestContext,
  services: Services,
): Promise<Response> {
  const asked = new Map<string, Asked[]>();
  for (const topic of request.topics) asked.set(topic.name, [...(asked.get(topic.name) ?? []), topic]);
  const results = await Promise.all(
    [...asked].map(async ([name, [topic, ...others]]) => {
      const { errorCode, errorMessage = null } =
        others.length > 0
          ? { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: 'Duplicate topic name.' }
          : await createOne(topic!, request, services);
      return { name, errorCode, errorMessage };
    }),
  );
  return { throttleTimeMs: 0, results };
}

async function createOne(
  { name, count, assignments }: Asked,
  { timeoutMs, validateOnly }: Request,
  services: Services,
): Promise<TopicOutcome> {
  const { topics, view, clock, logger } = services;
  try {
    const creating = topics.createPartitions(name, count, {
      validateOnly,
      check:
        assignments === null
          ? undefined
          : (additional, replicationFactor) =>
              additionalAssignmentsProblem(assignments, additional, replicationFactor, view),
    });
    const outcome = await withinMs(clock, timeoutMs, creating);
    return outcome === TIMED_OUT ? { errorCode: ErrorCode.REQUEST_TIMED_OUT } : outcome;
  } catch (fault) {
    logger.log('warn', 'partitions not created', { topic: name, error: fault });
    return { errorCode: errorCodeOf(fault, 'broker') };
  }
}
