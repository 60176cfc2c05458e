// A production node on the memory store, reached over its own protocol without a socket.

import { Node } from '../../../src/actors/node.ts';
import type { Clock, Logger, Random } from '../../../src/actors/runtime/ports.ts';
import { brokerConfigWith } from '../../../src/config.ts';
import { FrameReader } from '../../../src/protocol/framing.ts';
import { decodeResponseFrame, encodeRequestFrame } from '../../../src/protocol/header.ts';
import type { AnyApi } from '../../../src/protocol/schema/define.ts';
import { createMemoryStore } from '../../../src/storage/memory.ts';

export const silentLogger: Logger = { log: () => {} };

const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, fire) => setTimeout(fire, Math.min(delayMs, 0x7fffffff)),
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

const random: Random = {
  float: () => Math.random(),
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};

/** One connection to a node. */
export interface LocalClient {
  /** Why the node closed it, if it did. */
  readonly closedBy: string | undefined;
  /** Sends a request and waits for its response. @throws Error when the connection is closed instead */
  // biome-ignore lint/suspicious/noExplicitAny: any API's response
  ask(api: AnyApi, version: number, request: any): Promise<any>;
  /** Sends a frame (without its size) as it is; nobody waits for an answer. */
  send(frame: Buffer): void;
  close(): void;
}

export interface LocalNode {
  readonly node: Node;
  connect(): LocalClient;
  stop(): Promise<void>;
}

/** Starts a node with these options. */
export async function startLocalNode(options: Readonly<Record<string, string>> = {}): Promise<LocalNode> {
  const store = createMemoryStore();
  const reasons = new Map<number, string>();
  const logger: Logger = {
    log(_level, event, fields = {}) {
      if (event !== 'connection closed') return;
      const error = fields.error instanceof Error ? fields.error.stack : '';
      reasons.set(fields.connection as number, `${String(fields.reason)} ${error}`);
    },
  };
  const config = brokerConfigWith({ 'group.initial.rebalance.delay.ms': '0', ...options });
  const node = await Node.start(
    config,
    { PLAINTEXT: { host: '127.0.0.1', port: 9092 } },
    { clock, random, logger, storage: store.shards, metadataStore: store.metadata },
  );
  return { node, connect: () => connect(node, reasons), stop: () => node.stop() };
}

function connect(node: Node, reasons: ReadonlyMap<number, string>): LocalClient {
  const responses = new FrameReader(0x7fffffff);
  const waiting = new Map<number, { resolve: (frame: Buffer) => void; reject: (error: Error) => void }>();
  let closed = false;
  let correlationId = 0;
  const connection = node.connections.accept(
    {
      write(chunks, sent) {
        for (const chunk of chunks) {
          for (const frame of responses.push(Buffer.from(chunk))) waiting.get(frame.readInt32BE(0))?.resolve(frame);
        }
        sent();
        return true;
      },
      pause: () => {},
      resume: () => {},
      close() {
        closed = true;
        for (const { reject } of waiting.values()) reject(new Error(`closed: ${reasons.get(connection.id)}`));
      },
    },
    'PLAINTEXT',
    '/127.0.0.1',
  );
  return {
    get closedBy() {
      return closed ? (reasons.get(connection.id) ?? 'closed') : undefined;
    },
    send: (frame) => connection.receive(frame),
    close: () => connection.close('client is done'),
    async ask(api, version, request) {
      const id = ++correlationId;
      const chunks = encodeRequestFrame(api, version, id, 'test', request);
      const frame = await new Promise<Buffer>((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        connection.receive(Buffer.concat(chunks).subarray(4));
      });
      return decodeResponseFrame(api, version, frame).message;
    },
  };
}
