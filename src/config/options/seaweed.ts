// Options of SeaweedMQ and SeaweedFS behind the journal. They take effect with storage=seaweed.

import { boolean, define, long, string } from '../definition.ts';
import { splitList } from '../value-types.ts';

/** A filer: `host:port` of its HTTP and of its gRPC. */
export interface FilerOption {
  readonly http: string;
  readonly grpc: string;
}

const brokersForm = 'HOST:PORT, with commas between several';
const filersForm = 'HOST:PORT or HOST:PORT.GRPCPORT, with commas between several';
const hostForm = /^(\[[0-9a-fA-F:.]+\]|[0-9A-Za-z._-]+)$/;
/** Where weed puts gRPC unless told otherwise: so far above HTTP. */
const GRPC_PORT_DISTANCE = 10_000;

export const seaweedOptions = {
  'seaweed.brokers': define<readonly string[], readonly string[]>(
    { type: 'LIST', allowed: brokersForm, parse: readBrokers, print: (brokers) => brokers.join(',') },
    {
      own: true,
      default: [],
      meaning: 'The brokers of SeaweedMQ (gRPC); storage=seaweed needs them. Others are found through them.',
    },
  ),
  'seaweed.filers': define<readonly FilerOption[], readonly FilerOption[]>(
    { type: 'LIST', allowed: filersForm, parse: readFilers, print: printFilers },
    {
      own: true,
      default: [],
      meaning:
        'The filers of SeaweedFS: the port is that of HTTP; gRPC is 10,000 above unless given as well. storage=seaweed needs them.',
    },
  ),
  'seaweed.namespace': string({
    own: true,
    default: 'sargasso',
    allowed: '1 to 64 letters, digits, _ or -',
    check: (value) => (/^[A-Za-z0-9_-]{1,64}$/.test(value) ? undefined : 'not a namespace'),
    meaning:
      'The namespace of SeaweedMQ that holds this cluster. Clusters that share a SeaweedFS have different ones; every node of a cluster has the same.',
  }),
  'seaweed.move.delay.ms': long({
    own: true,
    default: 60_000,
    min: 0,
    unit: 'ms',
    meaning:
      'How long batches wait in the journal for others of their partition, to fill a run of 2 MiB that is moved at once. Every run takes 48 bytes of memory until retention ends it. A journal that is more than half full does not wait.',
  }),
  'seaweed.compress': boolean({
    own: true,
    default: false,
    meaning: 'Whether batches that their producers did not compress are compressed on their way to SeaweedMQ.',
  }),
} as const;

function hostAndPorts(text: string): { host: string; ports: number[] } | undefined {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon);
  const ports = text.slice(colon + 1).split('.');
  if (colon < 0 || !hostForm.test(host) || ports.length > 2) return undefined;
  if (ports.some((port) => !/^[0-9]{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535)) return undefined;
  return { host, ports: ports.map(Number) };
}

function readBrokers(text: string) {
  const brokers = splitList(text);
  const wrong = brokers.find((broker) => hostAndPorts(broker)?.ports.length !== 1);
  return wrong === undefined ? { value: brokers } : { problem: `'${wrong}' is not HOST:PORT` };
}

function readFilers(text: string) {
  const filers: FilerOption[] = [];
  for (const item of splitList(text)) {
    const found = hostAndPorts(item);
    const http = found?.ports[0];
    if (found === undefined || http === undefined) return { problem: `'${item}' is not HOST:PORT` };
    const grpc = found.ports[1] ?? http + GRPC_PORT_DISTANCE;
    if (grpc > 65535) return { problem: `'${item}' has no port for gRPC above it: give HOST:PORT.GRPCPORT` };
    filers.push({ http: `${found.host}:${http}`, grpc: `${found.host}:${grpc}` });
  }
  return { value: filers };
}

function printFilers(filers: readonly FilerOption[]): string {
  return filers.map(({ http, grpc }) => `${http}.${grpc.slice(grpc.lastIndexOf(':') + 1)}`).join(',');
}
