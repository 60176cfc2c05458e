// InitProducerId: a new producer id for an idempotent producer. A producer that has one and asks again (KIP-360) gets a
// new one too, as from Kafka: without a transactional id there is nothing that its epoch could fence.

import type { initProducerId } from '../../../protocol/apis/init-producer-id.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { StorageFault } from '../../shard/ports.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof initProducerId>;
type Response = ResponseOf<typeof initProducerId>;

const noProducerId = -1n;
const noProducerEpoch = -1;

export async function handleInitProducerId(
  request: Request,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const { transactionalId, producerId, producerEpoch } = request;
  if (transactionalId !== null) {
    if (transactionalId === '') return failure(ErrorCode.INVALID_REQUEST);
    // Transactions are not served. This is the one code that every producer takes for final at once, instead of asking
    // again until its own time-out.
    services.logger.log('warn', 'transactional producer refused', {
      transactionalId,
      clientId: context.clientId,
      clientHost: context.clientHost,
    });
    return failure(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  }
  if ((producerId === noProducerId) !== (producerEpoch === noProducerEpoch)) return failure(ErrorCode.INVALID_REQUEST);
  try {
    return {
      errorCode: ErrorCode.NONE,
      producerId: await services.producerIds.next(),
      producerEpoch: 0,
    };
  } catch (fault) {
    if (!(fault instanceof StorageFault)) throw fault;
    services.logger.log('warn', 'no producer id', { error: fault });
    // What Kafka answers while it has no block of ids; also the oldest producers try again then.
    return failure(fault.retriable ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS : ErrorCode.KAFKA_STORAGE_ERROR);
  }
}

function failure(errorCode: number): Response {
  return { errorCode, producerId: noProducerId, producerEpoch: noProducerEpoch };
}
