// Options of the node's identity, its listeners and connections.

import { define, int, list, long, string } from '../definition.ts';
import { type Listener, listenerForm, printListeners, readListeners, readProtocolMap } from '../listeners.ts';

const listenersParts = {
  type: 'LIST',
  allowed: listenerForm,
  parse: readListeners,
  print: printListeners,
} as const;

const intMax = 2147483647;

export const nodeOptions = {
  'node.id': int({
    default: 1,
    min: 0,
    meaning: 'The number of this node, different on each node of a cluster. broker.id is its older name.',
    defaultDiffers: 'Kafka has no default; one node alone needs none.',
  }),
  'broker.id': int({
    default: -1,
    meaning: 'The older name of node.id; when both are given they must be equal. -1: not given.',
  }),
  'broker.rack': string({
    default: null,
    meaning: 'The rack or zone of this node, told to clients in Metadata and DescribeCluster.',
  }),
  'cluster.id': string({
    own: true,
    default: null,
    allowed: '1 to 64 letters, digits, dots, hyphens or underscores',
    check: (value) => (/^[0-9A-Za-z._-]{1,64}$/.test(value) ? undefined : 'not a cluster id'),
    meaning: 'The id of the cluster. Unset: the id made at the first start and kept with the data.',
  }),
} as const;

export const networkOptions = {
  listeners: define<readonly Listener[], readonly Listener[]>(listenersParts, {
    default: [{ name: 'PLAINTEXT', host: '', port: 9092 }],
    meaning: 'Where the broker listens for clients. Port 0 takes a free one. Only the PLAINTEXT protocol is served.',
  }),
  'advertised.listeners': define<readonly Listener[], null>(listenersParts, {
    default: null,
    meaning:
      'The addresses that clients are told to connect to. Unset: those of listeners, with localhost for a listener on every address; set it when clients run on other machines.',
  }),
  'listener.security.protocol.map': define<ReadonlyMap<string, string>, ReadonlyMap<string, string>>(
    {
      type: 'STRING',
      allowed: 'NAME:PROTOCOL with commas between several',
      parse: readProtocolMap,
      print: (protocols) => [...protocols].map(([name, protocol]) => `${name}:${protocol}`).join(','),
    },
    {
      default: new Map([
        ['SASL_SSL', 'SASL_SSL'],
        ['PLAINTEXT', 'PLAINTEXT'],
        ['SSL', 'SSL'],
        ['SASL_PLAINTEXT', 'SASL_PLAINTEXT'],
      ]),
      meaning:
        'The security protocol of each listener name. A name of your own needs an entry, e.g. EXTERNAL:PLAINTEXT.',
    },
  ),
  'controller.listener.names': list<string>({
    default: [],
    defaultDiffers: 'Kafka demands it; there are no controllers here.',
    meaning:
      'Listeners meant for the controllers of a Kafka cluster. There are none here: a listener named so is not opened.',
  }),
  'socket.listen.backlog.size': int({
    default: 511,
    min: 1,
    meaning: 'Connections that may wait to be accepted; the operating system may allow fewer (net.core.somaxconn).',
    defaultDiffers: 'Kafka has 50; a longer queue spares a thousand clients that connect at once a second of waiting.',
  }),
  'socket.request.max.bytes': int({
    default: 104857600,
    min: 1,
    unit: 'bytes',
    meaning: 'The largest request. A connection that announces a larger one is closed.',
  }),
  'connections.max.idle.ms': long({
    default: 600000,
    unit: 'ms',
    meaning: 'A connection without a request for this long is closed. Negative: never.',
  }),
  'max.connections': int({
    default: intMax,
    min: 0,
    dynamic: 'cluster-wide',
    meaning: 'Connections the node keeps open at most; a further one is closed at once.',
  }),
  'max.connections.per.ip': int({
    default: intMax,
    min: 0,
    dynamic: 'cluster-wide',
    meaning: 'Connections from one address at most; a further one is closed at once.',
  }),
  'max.connections.per.ip.overrides': define<ReadonlyMap<string, number>, ReadonlyMap<string, number>>(
    {
      type: 'STRING',
      allowed: 'ADDRESS:COUNT with commas between several',
      parse: readConnectionLimits,
      print: (limits) => [...limits].map(([address, count]) => `${address}:${count}`).join(','),
    },
    {
      default: new Map(),
      dynamic: 'cluster-wide',
      meaning: 'Addresses with a max.connections.per.ip of their own. Unlike Kafka, host names are not looked up.',
    },
  ),
  'connection.requests.in.flight.max': int({
    own: true,
    default: 64,
    min: 1,
    meaning: 'Requests of one connection that may wait for their answers; at the limit the connection is not read.',
  }),
  'connection.responses.max.bytes': int({
    own: true,
    default: 16777216,
    min: 1,
    unit: 'bytes',
    meaning: 'Response bytes that one connection may leave unread; at the limit the connection is not read.',
  }),
  'queued.max.request.bytes': long({
    default: 134217728,
    min: 1048576,
    unit: 'bytes',
    defaultDiffers: 'Kafka has no bound (-1).',
    meaning:
      'Request bytes in work on the whole node; above it connections are read no further until some are answered.',
  }),
  'fetch.max.bytes': int({
    default: 57671680,
    min: 1024,
    unit: 'bytes',
    meaning: 'The most that one Fetch answer carries, whatever the client asks for.',
  }),
  'max.incremental.fetch.session.cache.slots': int({
    default: 1000,
    min: 0,
    meaning: 'Incremental fetch sessions (KIP-227) kept at most.',
  }),
  'max.request.partition.size.limit': int({
    default: 2000,
    min: 1,
    meaning: 'Partitions in one DescribeTopicPartitions answer at most.',
  }),
} as const;

function readConnectionLimits(text: string) {
  const limits = new Map<string, number>();
  for (const pair of text.split(',').map((item) => item.trim())) {
    if (pair === '') continue;
    const [, address, count] = /^(.+):\s*([0-9]{1,9})$/.exec(pair) ?? [];
    if (address === undefined) return { problem: `'${pair}' is not ADDRESS:COUNT` };
    limits.set(address.trim(), Number(count));
  }
  return { value: limits };
}
