// Stories of one connection: the order of its answers, when it reads no further, and what closes it.

import { expect } from 'chai';
import { Connection, RequestMemory } from '../../../src/actors/connection/connection.ts';
import { SimProcess } from '../../sim/process.ts';
import { SeededRandom } from '../../sim/random.ts';
import { Scheduler, settled } from '../../sim/scheduler.ts';

const PRODUCE = 0;
const FETCH = 1;
const IDLE_MS = 1_000;
const SLOW_READER_MS = 500;

/** A request frame of the stories: which API, and which number to answer with. */
function frame(api: number, number: number, bytes = 2): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer[0] = api;
  buffer[1] = number;
  return buffer;
}
const MALFORMED = 255;

interface Running {
  readonly number: number;
  answer(): void;
  answerNothing(): void;
  fail(): void;
}

function story({ inFlightMax = 10, memory = new RequestMemory(1_000) } = {}) {
  const scheduler = new Scheduler(new SeededRandom(1));
  const reclaimed: number[] = [];
  const socket = { written: [] as number[], sent: [] as (() => void)[], paused: false, closed: false, full: false };
  const running: Running[] = [];
  const logged: string[] = [];
  let closings = 0;
  const connection: Connection = new Connection(
    1,
    'PLAINTEXT',
    '/client',
    {
      write: (chunks, sent) => {
        socket.sent.push(sent);
        socket.written.push(...chunks.map(([number]) => number as number));
        return !socket.full;
      },
      pause: () => {
        socket.paused = true;
      },
      resume: () => {
        socket.paused = false;
      },
      close: () => {
        socket.closed = true;
      },
    },
    {
      clock: new SimProcess(scheduler, 0),
      logger: { log: (_level, _event, fields) => void logged.push(String(fields?.reason)) },
      limits: { requestsInFlightMax: inFlightMax, idleMs: IDLE_MS, slowReaderMs: SLOW_READER_MS },
      memory,
      reclaim: (chunks) => void reclaimed.push(...chunks.map(([number]) => number as number)),
      onClosed: () => void closings++,
      dispatch: (received) => {
        const [api, number] = received as unknown as [number, number];
        if (api === MALFORMED) throw new Error('not a request');
        return {
          header: { apiKey: api, apiVersion: 0, correlationId: number, clientId: null },
          pipelined: api === PRODUCE,
          run: () =>
            new Promise((resolve, reject) => {
              running.push({
                number,
                answer: () => resolve([Uint8Array.of(number)]),
                answerNothing: () => resolve(undefined),
                fail: () => reject(new Error('failed')),
              });
            }),
        };
      },
    },
  );
  const numbers = () => running.map(({ number }) => number);
  const run = (number: number) => running.find((request) => request.number === number) as Running;
  return { reclaimed, connection, scheduler, socket, running, numbers, run, logged, memory, closings: () => closings };
}

describe('a connection', () => {
  it('runs pipelined requests side by side and answers them in their order', async () => {
    const { connection, run, numbers, socket } = story();
    for (const number of [1, 2, 3]) connection.receive(frame(PRODUCE, number));
    expect(numbers()).to.deep.equal([1, 2, 3]);
    run(3).answer();
    run(2).answer();
    await settled();
    expect(socket.written).to.deep.equal([]);
    run(1).answer();
    await settled();
    expect(socket.written).to.deep.equal([1, 2, 3]);
  });

  it('starts any other request when all before it are answered', async () => {
    const { connection, run, numbers, socket } = story();
    connection.receive(frame(PRODUCE, 1));
    connection.receive(frame(FETCH, 2));
    connection.receive(frame(PRODUCE, 3));
    expect(numbers()).to.deep.equal([1]);
    run(1).answer();
    await settled();
    expect(numbers()).to.deep.equal([1, 2]);
    run(2).answer();
    await settled();
    expect(numbers()).to.deep.equal([1, 2, 3]);
    expect(socket.written).to.deep.equal([1, 2]);
  });

  it('sends nothing for a request that has no answer, and keeps the order of the others', async () => {
    const { connection, run, socket } = story();
    for (const number of [1, 2, 3]) connection.receive(frame(PRODUCE, number));
    run(2).answerNothing();
    run(3).answer();
    run(1).answer();
    await settled();
    expect(socket.written).to.deep.equal([1, 3]);
  });

  it('closes when a request fails, without the answers behind it in its place', async () => {
    const { connection, run, socket, closings } = story();
    for (const number of [1, 2]) connection.receive(frame(PRODUCE, number));
    run(2).answer();
    await settled();
    run(1).fail();
    await settled();
    expect(socket).to.include({ closed: true });
    expect(socket.written).to.deep.equal([]);
    expect(closings()).to.equal(1);
  });

  it('closes on a frame that is no request, after answering what was asked before', async () => {
    const { connection, run, socket, logged } = story();
    connection.receive(frame(PRODUCE, 1));
    connection.receive(frame(MALFORMED, 2));
    connection.receive(frame(PRODUCE, 3));
    expect(socket.closed).to.equal(false);
    run(1).answer();
    await settled();
    expect(socket.written).to.deep.equal([1]);
    expect(socket.closed).to.equal(true);
    expect(logged).to.deep.equal(['malformed request']);
  });

  it('reads no further at its bound of requests, and goes on below it', async () => {
    const { connection, run, socket } = story({ inFlightMax: 2 });
    connection.receive(frame(PRODUCE, 1));
    expect(socket.paused).to.equal(false);
    connection.receive(frame(PRODUCE, 2));
    expect(socket.paused).to.equal(true);
    run(1).answer();
    await settled();
    expect(socket.paused).to.equal(false);
  });

  it('reads no further while the node is over its bound of request bytes, and goes on when others are answered', async () => {
    const memory = new RequestMemory(100);
    const large = story({ memory });
    const small = story({ memory });
    large.connection.receive(frame(PRODUCE, 1, 90));
    small.connection.receive(frame(PRODUCE, 1, 20));
    expect(small.socket.paused).to.equal(true);
    expect(memory.bytes).to.equal(110);
    large.run(1).answer();
    await settled();
    expect(small.socket.paused).to.equal(false);
    expect(memory.bytes).to.equal(20);
  });

  it('always reads a first request, so that nobody waits for ever', () => {
    const memory = new RequestMemory(10);
    const { connection, socket } = story({ memory });
    memory.take(1_000);
    connection.reconsider();
    expect(socket.paused).to.equal(false);
  });

  it('gives back its share of the request bytes when it closes', async () => {
    const { connection, run, memory } = story();
    connection.receive(frame(FETCH, 1, 10));
    connection.receive(frame(FETCH, 2, 20));
    expect(memory.bytes).to.equal(30);
    connection.close('peer closed');
    expect(memory.bytes, 'what runs still holds its bytes').to.equal(10);
    run(1).answer();
    await settled();
    expect(memory.bytes).to.equal(0);
  });

  it('neither reads nor starts requests while the client does not read, and goes on when it does', async () => {
    const { connection, run, numbers, socket, scheduler } = story();
    connection.receive(frame(FETCH, 1));
    connection.receive(frame(FETCH, 2));
    socket.full = true;
    run(1).answer();
    await settled();
    expect(socket.paused).to.equal(true);
    expect(numbers()).to.deep.equal([1]);
    await scheduler.advance(SLOW_READER_MS - 1);
    socket.full = false;
    connection.drained();
    expect(numbers()).to.deep.equal([1, 2]);
    expect(socket.paused).to.equal(false);
    await scheduler.advance(SLOW_READER_MS);
    expect(socket.closed).to.equal(false);
  });

  it('gives the memory of an answer back when the network has it, not before', async () => {
    const { connection, run, socket, reclaimed } = story();
    for (const number of [1, 2]) connection.receive(frame(PRODUCE, number));
    run(1).answer();
    run(2).answer();
    await settled();
    expect(reclaimed).to.deep.equal([]);
    socket.sent[0]!();
    expect(reclaimed).to.deep.equal([1]);
    socket.sent[1]!();
    expect(reclaimed).to.deep.equal([1, 2]);
  });

  it('gives up a client that leaves its answers unread', async () => {
    const { connection, run, socket, scheduler, logged } = story();
    connection.receive(frame(FETCH, 1));
    socket.full = true;
    run(1).answer();
    await scheduler.advance(SLOW_READER_MS);
    expect(socket.closed).to.equal(true);
    expect(logged).to.deep.equal(['client does not read its responses']);
  });

  it('closes when it has been silent for long, but not while it works', async () => {
    const { connection, run, socket, scheduler } = story();
    connection.receive(frame(FETCH, 1));
    await scheduler.advance(2 * IDLE_MS);
    connection.closeIfIdle();
    expect(socket.closed).to.equal(false);
    run(1).answer();
    await settled();
    await scheduler.advance(IDLE_MS - 1);
    connection.closeIfIdle();
    expect(socket.closed).to.equal(false);
    await scheduler.advance(1);
    connection.closeIfIdle();
    expect(socket.closed).to.equal(true);
  });

  it('drains: reads nothing more, answers what it has, then closes', async () => {
    const { connection, run, socket } = story();
    connection.receive(frame(FETCH, 1));
    connection.receive(frame(FETCH, 2));
    connection.drain();
    expect(connection.closing).to.equal(true);
    expect(socket).to.include({ paused: true, closed: false });
    run(1).answer();
    await settled();
    expect(socket.closed).to.equal(false);
    run(2).answer();
    await settled();
    expect(socket.written).to.deep.equal([1, 2]);
    expect(socket.closed).to.equal(true);
  });

  it('closes at once when it drains with nothing under way', () => {
    const { connection, socket } = story();
    connection.drain();
    expect(socket.closed).to.equal(true);
  });

  it('writes nothing after it is closed, and takes nothing', async () => {
    const { connection, run, numbers, socket, closings } = story();
    connection.receive(frame(PRODUCE, 1));
    connection.close('peer closed');
    connection.receive(frame(PRODUCE, 2));
    run(1).answer();
    await settled();
    expect(numbers()).to.deep.equal([1]);
    expect(socket.written).to.deep.equal([]);
    connection.close('again');
    expect(closings()).to.equal(1);
  });
});
