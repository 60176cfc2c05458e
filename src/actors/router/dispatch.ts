// From a frame to its handler and back to a response frame. Decides what happens to what cannot be served: an unknown
// version of ApiVersions is answered in version 0 (KIP-511); any other unknown API or version, and a body that does not
// decode, close the connection with a logged reason, as Kafka does, since no response could be understood.

import type { Span } from '../../events.ts';
import { apiVersions } from '../../protocol/apis/api-versions.ts';
import { describeError, ErrorCode } from '../../protocol/errors.ts';
import { decodeRequestHeader, encodeResponseFrame } from '../../protocol/header.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { Connection, Dispatch, PendingRequest } from '../connection/connection.ts';
import { clientTrace } from './client-trace.ts';
import { forEachErrorCode } from './response-errors.ts';
import { advertisedApis, type Route, routeByKey } from './routes.ts';
import { NO_RESPONSE, type RequestContext, type Services } from './services.ts';

/** The dispatcher of a node. */
export function createDispatch(services: Services): Dispatch {
  return (frame: Buffer, connection: Connection): PendingRequest => {
    const startMs = services.clock.monotonicMs();
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
      run: () => run(route, frame, header.bodyOffset, context, services, startMs),
    };
  };
}

async function run(
  route: Route,
  frame: Buffer,
  bodyOffset: number,
  context: RequestContext,
  services: Services,
  startMs: number,
): Promise<readonly Uint8Array[] | undefined> {
  const request = route.api.decodeRequest(context.apiVersion, frame, bodyOffset);
  const span = services.tracer.enabled ? startSpan(route, request, context, services, startMs) : undefined;
  try {
    const traced = span === undefined ? context : { ...context, trace: span.context };
    const answer = await route.handle(request, traced, services);
    const response = answer === NO_RESPONSE ? undefined : answer;
    const chunks = response && encodeResponseFrame(route.api, context.apiVersion, context.correlationId, response);
    const elapsedMs = services.clock.monotonicMs() - startMs;
    let responseBytes = 0;
    if (chunks !== undefined) for (const chunk of chunks) responseBytes += chunk.length;
    services.events.requestServed(route.api, context.apiVersion, elapsedMs, frame.length, responseBytes, response);
    if (span !== undefined) endSpan(span, route, response);
    return chunks;
  } catch (error) {
    span?.end(error);
    throw error;
  }
}

function startSpan(
  { api }: Route,
  request: unknown,
  context: RequestContext,
  { tracer }: Services,
  startMs: number,
): Span | undefined {
  const span = tracer.startRequest(api.name, clientTrace(api, request), startMs);
  span?.set({
    'messaging.system': 'kafka',
    'messaging.client.id': context.clientId ?? '',
    'network.peer.address': context.clientHost.replace('/', ''),
    'sargasso.api.version': context.apiVersion,
    'sargasso.connection.id': context.connectionId,
  });
  return span;
}

function endSpan(span: Span, { api }: Route, response: unknown): void {
  const names = new Set<string>();
  if (response !== undefined) forEachErrorCode(api, response, (errorCode) => names.add(describeError(errorCode).name));
  if (names.size > 0) span.set({ 'sargasso.response.errors': [...names].join(',') });
  span.end();
}
