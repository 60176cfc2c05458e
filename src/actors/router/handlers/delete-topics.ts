// DeleteTopics: by name, and from version 6 on by id (KIP-516). A name or id that occurs twice is refused, and so is a
// topic that is meant by both its name and its id.

import type { deleteTopics } from '../../../protocol/apis/delete-topics.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { ZERO_TOPIC_ID } from '../../admin/topic-ids.ts';
import { TIMED_OUT, withinMs } from '../deadline.ts';
import { errorCodeOf } from '../faults.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof deleteTopics>;
type Response = ResponseOf<typeof deleteTopics>;
type Answer = Response['responses'][number];

export async function handleDeleteTopics(
  request: Request,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const answers: Answer[] = [];
  const names = new Occurrences();
  const ids = new Occurrences();
  for (const name of request.topicNames) names.add(name);
  for (const { name, topicId } of request.topics) {
    if (name === null && topicId !== ZERO_TOPIC_ID) ids.add(topicId);
    else if (name === null) answers.push(refusal(null, topicId, 'Neither topic name nor id were specified.'));
    else if (topicId === ZERO_TOPIC_ID) names.add(name);
    else answers.push(refusal(name, topicId, 'You may not specify both topic name and topic id.'));
  }
  if (!services.config.deleteTopicEnable) {
    // KIP-322: up to version 2 there is no code for this.
    const errorCode = context.apiVersion < 3 ? ErrorCode.INVALID_REQUEST : ErrorCode.TOPIC_DELETION_DISABLED;
    const disabled = (name: string | null, topicId: string): Answer => ({
      name,
      topicId,
      errorCode,
      errorMessage: null,
    });
    const byName = [...request.topicNames].map((name) => disabled(name, ZERO_TOPIC_ID));
    return {
      throttleTimeMs: 0,
      responses: [...byName, ...request.topics.map((topic) => disabled(topic.name, topic.topicId))],
    };
  }
  for (const name of names.repeated) answers.push(refusal(name, ZERO_TOPIC_ID, 'Duplicate topic name.'));
  for (const id of ids.repeated) answers.push(refusal(null, id, 'Duplicate topic id.'));

  const wanted = new Map<string, string>();
  for (const id of ids.single) {
    const topic = services.catalog.byId(id);
    if (topic === undefined) answers.push({ name: null, topicId: id, errorCode: ErrorCode.UNKNOWN_TOPIC_ID });
    else wanted.set(id, topic.name);
  }
  for (const name of names.single) {
    const topic = services.catalog.byName(name);
    if (topic === undefined) {
      answers.push({ name, topicId: ZERO_TOPIC_ID, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION });
    } else if (wanted.delete(topic.id) || ids.repeated.has(topic.id)) {
      answers.push(refusal(name, topic.id, 'The provided topic name maps to an ID that was already supplied.'));
    } else wanted.set(topic.id, name);
  }
  const deleting = [...wanted].map(([id, name]) => deleteOne(name, id, request.timeoutMs, services));
  return { throttleTimeMs: 0, responses: [...answers, ...(await Promise.all(deleting))] };
}

async function deleteOne(name: string, id: string, timeoutMs: number, services: Services): Promise<Answer> {
  const answer = (errorCode: number, errorMessage: string | null = null): Answer => ({
    name,
    topicId: id,
    errorCode,
    errorMessage,
  });
  try {
    const outcome = await withinMs(services.clock, timeoutMs, services.topics.delete(name, id));
    return outcome === TIMED_OUT
      ? answer(ErrorCode.REQUEST_TIMED_OUT)
      : answer(outcome.errorCode, outcome.errorMessage);
  } catch (fault) {
    services.logger.log('warn', 'topic not deleted', { topic: name, error: fault });
    return answer(errorCodeOf(fault, 'broker'));
  }
}

/** What occurs once and what more than once. */
class Occurrences {
  readonly single = new Set<string>();
  readonly repeated = new Set<string>();

  add(item: string): void {
    if (this.repeated.has(item)) return;
    if (this.single.delete(item)) this.repeated.add(item);
    else this.single.add(item);
  }
}

function refusal(name: string | null, topicId: string, errorMessage: string): Answer {
  return { name, topicId, errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
}
