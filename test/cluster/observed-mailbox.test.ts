// A hop between nodes leaves a span on either side, its duration, and the fault it ended in; the context goes along.

import { expect } from 'chai';
import type { Mailbox, RemoteHandler, RemoteRequest } from '../../src/actors/remote/mailbox.ts';
import { observedMailbox } from '../../src/actors/remote/observed-mailbox.ts';
import { ActorFault } from '../../src/actors/runtime/errors.ts';
import { noEvents, noTracer, type Span, type TraceContext, type Tracer } from '../../src/events.ts';
import { SimProcess } from '../sim/process.ts';
import { SeededRandom } from '../sim/random.ts';
import { Scheduler } from '../sim/scheduler.ts';

const hopMs = 7;
const root: TraceContext = { traceparent: 'of the client' };

interface SeenSpan {
  readonly name: string;
  readonly parent: string;
  readonly attributes: unknown;
  ended?: unknown;
}

/** A mailbox that leads to its own handler, `hopMs` later. */
class Loop implements Mailbox {
  readonly #clock: SimProcess;
  #handler: RemoteHandler | undefined;

  constructor(clock: SimProcess) {
    this.#clock = clock;
  }

  request(_nodeId: number, request: RemoteRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#clock.after(hopMs, () => this.#handler!(request).then(resolve, reject));
    });
  }

  serve(handler: RemoteHandler): void {
    this.#handler = handler;
  }
}

function observed(handler: RemoteHandler) {
  const scheduler = new Scheduler(new SeededRandom(1));
  const clock = new SimProcess(scheduler, 0);
  const spans: SeenSpan[] = [];
  const told: unknown[] = [];
  const startSpan: Tracer['startSpan'] = (_, name, parent, attributes): Span => {
    const seen: SeenSpan = { name, parent: parent.traceparent, attributes };
    spans.push(seen);
    return {
      context: { traceparent: name },
      set() {},
      event() {},
      end: (error) => {
        seen.ended = error ?? 'well';
      },
    };
  };
  const mailbox = observedMailbox(new Loop(clock), {
    clock,
    tracer: { ...noTracer, enabled: true, startSpan },
    events: {
      ...noEvents,
      remoteRequest: (...all) => told.push(['asked', ...all]),
      remoteServed: (service) => told.push(['served', service]),
    },
  });
  mailbox.serve(handler);
  const ask = async (trace: TraceContext | undefined) => {
    const request = { service: 'group', key: 'g', kind: 'join', message: 1, timeoutMs: 100, trace } as const;
    const reply = mailbox.request(2, request).catch((fault) => fault);
    await scheduler.runUntil(2 * hopMs);
    return reply;
  };
  return { ask, spans, told };
}

describe('an observed mailbox', () => {
  it('makes a span on each side, the one below the other, and measures the hop', async () => {
    const { ask, spans, told } = observed(async ({ trace }) => trace);
    expect(await ask(root)).to.deep.equal({ traceparent: 'serve group join' });
    const attributes = {
      'sargasso.actor.kind': 'group',
      'sargasso.actor.key': 'g',
      'sargasso.message.kind': 'join',
    };
    expect(spans).to.deep.equal([
      {
        name: 'mailbox group join',
        parent: 'of the client',
        attributes: { ...attributes, 'sargasso.node.id': 2 },
        ended: 'well',
      },
      { name: 'serve group join', parent: 'mailbox group join', attributes, ended: 'well' },
    ]);
    expect(told).to.deep.equal([
      ['served', 'group'],
      ['asked', 'group', hopMs, undefined],
    ]);
  });

  it('ends both in the fault that the other node answered with, and passes it on', async () => {
    const fault = new ActorFault('mailbox-full', 'no room');
    const { ask, spans, told } = observed(() => Promise.reject(fault));
    expect(await ask(root)).to.equal(fault);
    expect(spans.map(({ ended }) => ended)).to.deep.equal([fault, fault]);
    expect(told[1]).to.deep.equal(['asked', 'group', hopMs, 'mailbox-full']);
  });

  it('makes no span of what is not sampled, and measures it all the same', async () => {
    const { ask, spans, told } = observed(async ({ trace }) => trace);
    expect(await ask(undefined)).to.equal(undefined);
    expect(spans).to.deep.equal([]);
    expect(told).to.have.length(2);
  });
});
