// Options of a node of a cluster: how it reaches NATS, what its journal is like, and when other nodes count as dead. They
// take effect with storage=journal.

import { boolean, define, int, long, oneOf, string } from '../definition.ts';
import { splitList } from '../value-types.ts';

const serverForm = 'HOST:PORT, nats://HOST:PORT or tls://HOST:PORT, with commas between several';
const prefixPattern = /^[A-Za-z0-9_-]{1,64}$/;

export const clusterOptions = {
  'nats.servers': define<readonly string[], readonly string[]>(
    { type: 'LIST', allowed: serverForm, parse: readServers, print: (servers) => servers.join(',') },
    {
      own: true,
      default: [],
      meaning: 'The NATS servers of the cluster; storage=journal needs them. Name all, so that any may be down.',
    },
  ),
  'nats.prefix': string({
    own: true,
    default: 'sargasso',
    allowed: '1 to 64 letters, digits, _ or -',
    check: (value) => (prefixPattern.test(value) ? undefined : 'not a prefix'),
    meaning:
      'Begins the names of all streams, buckets and subjects. Clusters that share NATS have different ones; every node of a cluster has the same.',
  }),
  'nats.user': string({ own: true, default: null, meaning: 'The user to connect to NATS as.' }),
  'nats.password': string({ own: true, default: null, sensitive: true, meaning: 'The password of nats.user.' }),
  'nats.token': string({ own: true, default: null, sensitive: true, meaning: 'The token to connect to NATS with.' }),
  'nats.creds.file': string({
    own: true,
    default: null,
    meaning: "A .creds file with a NATS user's JWT and seed. Read again at every reconnect.",
  }),
  'nats.nkey.file': string({
    own: true,
    default: null,
    meaning: 'A file with the seed of an nkey. Read again at every reconnect.',
  }),
  'nats.tls.enable': boolean({
    own: true,
    default: false,
    meaning: 'Whether connections to NATS must be encrypted.',
  }),
  'nats.tls.ca.file': string({
    own: true,
    default: null,
    meaning: 'Certificates (PEM) of the authorities that the NATS servers must be signed by. Unset: those of Node.js.',
  }),
  'nats.tls.cert.file': string({
    own: true,
    default: null,
    meaning: 'The certificate (PEM) that this node shows to NATS servers which demand one.',
  }),
  'nats.tls.key.file': string({ own: true, default: null, meaning: 'The private key (PEM) of nats.tls.cert.file.' }),
  'nats.tls.handshake.first': boolean({
    own: true,
    default: false,
    meaning: 'Whether TLS begins before NATS says anything, as with handshake_first in nats-server.',
  }),
  'journal.replicas': oneOf({
    own: true,
    default: '3',
    words: ['1', '3'],
    meaning:
      'How many NATS servers have a write before it is acknowledged. 3 needs three servers with JetStream. Whether each syncs its disk first is sync_interval in nats-server.',
  }),
  'journal.bytes.max': long({
    own: true,
    default: -1,
    unit: 'bytes',
    meaning:
      'What the journal may hold; producers are answered a retriable error beyond it. -1: what JetStream has room for.',
  }),
  'journal.streams': int({
    own: true,
    default: 1,
    min: 1,
    max: 64,
    meaning: 'JetStream streams that the shards are spread over. Fixed when the journal is created.',
  }),
  'nats.connect.timeout.ms': int({
    own: true,
    default: 60000,
    min: 0,
    unit: 'ms',
    meaning: 'How long a starting node tries to reach NATS before it gives up.',
  }),
  'remote.requests.max': int({
    own: true,
    default: 16384,
    min: 1,
    meaning: 'Requests under way to one other node; a further one is answered with a retriable error.',
  }),
  'remote.request.bytes.max': long({
    own: true,
    default: 268435456,
    min: 1048576,
    unit: 'bytes',
    meaning: 'Their bytes; a request that would exceed them is answered with a retriable error.',
  }),
  'remote.window.bytes': int({
    own: true,
    default: 33554432,
    min: 65536,
    unit: 'bytes',
    meaning: 'Bytes of requests on the way to one other node that it has not answered; further requests wait.',
  }),
  'failure.detection.ms': int({
    own: true,
    default: 3000,
    min: 500,
    unit: 'ms',
    meaning:
      'A node that has not been heard for this long is voted out of the cluster, and others take its partitions and groups.',
  }),
  advertise: oneOf({
    own: true,
    default: 'each',
    words: ['each', 'single'],
    meaning:
      'each: the nodes have addresses of their own. single: all have the same address in advertised.listeners, that of a load balancer or a forwarded port; any node serves any request, so clients need not reach a certain one.',
  }),
} as const;

function readServers(text: string) {
  const servers = splitList(text);
  for (const server of servers) {
    if (!/^(?:(?:nats|tls):\/\/)?(?:\[[0-9a-fA-F:.]+\]|[0-9A-Za-z._-]+)(?::[0-9]{1,5})?$/.test(server)) {
      return { problem: `'${server}' is not a NATS server` };
    }
  }
  return { value: servers };
}
