// From a frame to its handler and back to a response frame. Decides what happens to what cannot be served: an unknown
// version of ApiVersions is answered in version 0 (KIP-511); any other unknown API or version, and a body that does not
// decode, close the connection with a logged reason, as Kafka does, since no response could be understood.

import { apiVersions } from '../../protocol/apis/api-versions.ts';
import { ErrorCode } from '../../protocol/errors.ts';
import { decodeRequestHeader, encodeResponseFrame } from '../../protocol/header.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { Connection, Dispatch, PendingRequest } from '../connection/connection.ts';
import { advertisedApis, type Route, routeByKey } from './routes.ts';
import { NO_RESPONSE, type RequestContext, type Services } from './services.ts';

/** Told of each request that has been answered: for metrics. */
export interface RequestObserver {
  onRequest(apiName: string, apiVersion: number, elapsedMs: number): void;
}

/** The dispatcher of a node. */
export function createDispatch(services: Services, observer?: RequestObserver): Dispatch {
  return (frame: Buffer, connection: Connection): PendingRequest => {
    const header = decodeRequestHeader(frame);
    const route = routeByKey.get(header.apiKey);
    if (route === undefined) throw new ProtocolError('apiKey', `API ${header.apiKey} is not served`);
    const { min, max } = route.api.versions;
    if (header.apiVersion < min || header.apiVersion > max) {
      if (header.apiKey !== apiVersions.key) {
        throw new ProtocolError(
          'apiVersion',
          `${route.api.name} version ${header.apiVersion} is not served (${min} to ${max} are)`,
        );
      }
      const unsupported = { errorCode: ErrorCode.UNSUPPORTED_VERSION, apiKeys: advertisedApis };
      return {
        header,
        pipelined: false,
        run: async () => encodeResponseFrame(apiVersions, 0, header.correlationId, unsupported),
      };
    }
    const context: RequestContext = {
      apiKey: header.apiKey,
      apiVersion: header.apiVersion,
      correlationId: header.correlationId,
      clientId: header.clientId,
      clientHost: connection.clientHost,
      connectionId: connection.id,
      listener: connection.listener,
      isClosing: () => connection.closing,
      trace: undefined,
    };
    return {
      header,
      pipelined: route.pipelined,
      run: () => run(route, frame, header.bodyOffset, context, services, observer),
    };
  };
}

async function run(
  route: Route,
  frame: Buffer,
  bodyOffset: number,
  context: RequestContext,
  services: Services,
  observer: RequestObserver | undefined,
): Promise<readonly Uint8Array[] | undefined> {
  const startMs = observer === undefined ? 0 : services.clock.monotonicMs();
  const request = route.api.decodeRequest(context.apiVersion, frame, bodyOffset);
  const response = await route.handle(request, context, services);
  observer?.onRequest(route.api.name, context.apiVersion, services.clock.monotonicMs() - startMs);
  if (response === NO_RESPONSE) return undefined;
  return encodeResponseFrame(route.api, context.apiVersion, context.correlationId, response);
}
