// A mailbox whose requests are measured and traced: a span for each hop on the node that asks and on the one that answers.

import type { Events, TraceContext, Tracer } from '../../events.ts';
import type { Clock } from '../runtime/ports.ts';
import { encodeFault } from './faults.ts';
import type { Mailbox, RemoteRequest } from './mailbox.ts';

export interface MailboxObservers {
  readonly clock: Clock;
  readonly events: Events;
  readonly tracer: Tracer;
}

export function observedMailbox(mailbox: Mailbox, { clock, events, tracer }: MailboxObservers): Mailbox {
  return {
    async request(nodeId, request) {
      const { service, trace } = request;
      const span =
        trace === undefined
          ? undefined
          : tracer.startSpan('remoteRequest', `mailbox ${service} ${request.kind}`, trace, {
              ...attributesOf(request),
              'sargasso.node.id': nodeId,
            });
      const startMs = clock.monotonicMs();
      try {
        const reply = await mailbox.request(nodeId, span === undefined ? request : withTrace(request, span.context));
        events.remoteRequest(service, clock.monotonicMs() - startMs, undefined);
        span?.end();
        return reply;
      } catch (error) {
        events.remoteRequest(service, clock.monotonicMs() - startMs, encodeFault(error).code);
        span?.end(error);
        throw error;
      }
    },

    serve(handler) {
      mailbox.serve(async (request) => {
        events.remoteServed(request.service);
        if (request.trace === undefined) return handler(request);
        const name = `serve ${request.service} ${request.kind}`;
        const span = tracer.startSpan('remoteServe', name, request.trace, attributesOf(request));
        try {
          const reply = await handler(withTrace(request, span.context));
          span.end();
          return reply;
        } catch (error) {
          span.end(error);
          throw error;
        }
      });
    },
  };
}

function withTrace(request: RemoteRequest, trace: TraceContext): RemoteRequest {
  return { ...request, trace };
}

function attributesOf({ service, key, kind }: RemoteRequest): Readonly<Record<string, string>> {
  return { 'sargasso.actor.kind': service, 'sargasso.actor.key': key, 'sargasso.message.kind': kind };
}
