// Damaged requests against a whole node: the damaged connection may be closed, nothing else notices.

import { expect } from 'chai';
import { routes } from '../../../src/actors/router/routes.ts';
import { createTopics } from '../../../src/protocol/apis/create-topics.ts';
import { metadata } from '../../../src/protocol/apis/metadata.ts';
import { encodeRequestFrame } from '../../../src/protocol/header.ts';
import { type LocalClient, type LocalNode, startLocalNode } from './local-node.ts';
import { requests, topic } from './requests.ts';

const FRAMES_PER_API = 1_000;
/** Growth of the heap and of buffers that 1,000 damaged frames may leave behind, bytes. */
const GROWTH_MAX_BYTES = 64 * 1024 * 1024;

/** mulberry32: small, seeded, good enough to choose bytes. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Flips bits, cuts, overwrites with extreme values, or repeats a piece; the API key stays, so that the API is met. */
function mutate(frame: Buffer, random: () => number): Buffer {
  let damaged = Buffer.from(frame);
  const position = (): number => 2 + Math.floor(random() * Math.max(1, damaged.length - 2));
  for (let times = 1 + Math.floor(random() * 4); times > 0; times--) {
    const kind = random();
    if (kind < 0.4) {
      const at = position();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    } else if (kind < 0.6) damaged = damaged.subarray(0, position());
    else if (kind < 0.85) {
      const extremes = [0, -1, 0x7fffffff, -0x80000000, 0x7fff, 1_000_000];
      const at = position();
      if (at + 4 <= damaged.length)
        damaged.writeInt32BE(extremes[Math.floor(random() * extremes.length)] as number, at);
    } else {
      const at = position();
      damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(Math.max(2, at - 8))]);
    }
  }
  return damaged;
}

describe('damaged requests', () => {
  let local: LocalNode;
  let witness: LocalClient;
  let topicId: string;

  // A node each: a damaged CreateTopics may well create thousands of partitions, which others would then list.
  beforeEach(async () => {
    local = await startLocalNode();
    witness = local.connect();
    await witness.ask(createTopics, 7, {
      topics: [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 1000,
    });
    topicId = (await witness.ask(metadata, 12, { topics: [{ name: topic }] })).topics[0].topicId;
  });

  afterEach(() => local.stop());

  for (const { api } of routes) {
    it(`${FRAMES_PER_API} of ${api.name} harm nobody else`, async function () {
      this.timeout(60_000);
      const random = seeded(api.key + 1);
      const before = process.memoryUsage();
      for (let count = 0; count < FRAMES_PER_API; count++) {
        const version = api.versions.min + Math.floor(random() * (api.versions.max - api.versions.min + 1));
        const request = requests[api.name]?.(version, topicId);
        const frame = Buffer.concat(encodeRequestFrame(api, version, count, 'test', request as never)).subarray(4);
        const damaged = local.connect();
        damaged.send(mutate(frame, random));
        if (count % 100 === 99) {
          const { topics } = await witness.ask(metadata, 12, { topics: [{ name: topic }] });
          expect(topics[0].errorCode).to.equal(0);
        }
        damaged.close();
      }
      expect(witness.closedBy).to.equal(undefined);
      const now = process.memoryUsage();
      expect(now.heapUsed + now.external - before.heapUsed - before.external).to.be.below(GROWTH_MAX_BYTES);
    });
  }
});
