// Whatever ApiVersions advertises is served: every version of every API gets an answer that it can carry.

import { expect } from 'chai';
import { routes } from '../../../src/actors/router/routes.ts';
import { createTopics } from '../../../src/protocol/apis/create-topics.ts';
import { findCoordinator } from '../../../src/protocol/apis/find-coordinator.ts';
import { initProducerId } from '../../../src/protocol/apis/init-producer-id.ts';
import { metadata } from '../../../src/protocol/apis/metadata.ts';
import { type LocalClient, type LocalNode, startLocalNode } from './local-node.ts';
import { group, requests, topic } from './requests.ts';

/** Every error code in a response, with where it is. */
function errorCodes(message: unknown, path = ''): [path: string, code: number][] {
  if (Array.isArray(message)) return message.flatMap((element, index) => errorCodes(element, `${path}[${index}]`));
  if (message === null || typeof message !== 'object' || Buffer.isBuffer(message)) return [];
  return Object.entries(message).flatMap(([name, value]): [string, number][] =>
    name === 'errorCode' ? [[`${path}.${name}`, value as number]] : errorCodes(value, `${path}.${name}`),
  );
}

/** The answers that are not NONE, and why they are right. */
const expectedCodes: Readonly<Record<string, number>> = {
  Heartbeat: 25, // UNKNOWN_MEMBER_ID
  LeaveGroup: 25,
  SyncGroup: 25,
  DeleteTopics: 3, // UNKNOWN_TOPIC_OR_PARTITION
  DeleteGroups: 69, // GROUP_ID_NOT_FOUND
};

describe('every advertised version', () => {
  let local: LocalNode;
  let client: LocalClient;
  let topicId: string;

  before(async () => {
    local = await startLocalNode();
    client = local.connect();
    await client.ask(createTopics, 7, {
      topics: [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 1000,
    });
    await client.ask(findCoordinator, 3, { key: group, keyType: 0 });
    await client.ask(initProducerId, 0, { transactionalId: null, transactionTimeoutMs: 1000 });
    topicId = (await client.ask(metadata, 12, { topics: [{ name: topic }] })).topics[0].topicId;
  });

  after(() => local.stop());

  for (const { api } of routes) {
    for (let version = api.versions.min; version <= api.versions.max; version++) {
      it(`${api.name} v${version} is answered`, async () => {
        const request = requests[api.name];
        expect(request, `a request of ${api.name}`).to.be.a('function');
        const asked = request?.(version, topicId);
        const response = await client.ask(api, version, asked);
        const wrong = errorCodes(response).filter(([, code]) => {
          if (api.name === 'JoinGroup' && version >= 4) return code !== 79; // MEMBER_ID_REQUIRED (KIP-394)
          if (api.name === 'ElectLeaders') return code !== 0 && code !== 84; // ELECTION_NOT_NEEDED
          return code !== 0 && code !== expectedCodes[api.name];
        });
        expect(wrong).to.deep.equal([]);
        expect(client.closedBy).to.equal(undefined);
      });
    }
  }
});
