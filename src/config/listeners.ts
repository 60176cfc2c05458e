// Listeners: the text of `listeners` and `advertised.listeners` as endpoints, and what Kafka demands of them
// (SocketServerConfigs, AbstractKafkaConfig.validateListeners). Only plain TCP is served; other protocols are refused here.

import { type Reading, splitList } from './value-types.ts';

export interface Listener {
  /** Upper case, as Kafka normalises it. */
  readonly name: string;
  /** Where to listen or connect; empty: every address. IPv6 without brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

const securityProtocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const;

/** The form of one listener, for messages. */
export const listenerForm =
  'NAME://HOST:PORT, with commas between several (PLAINTEXT://:9092 listens on every address)';

/** Reads a list of listeners; names and ports are distinct. */
export function readListeners(text: string): Reading<readonly Listener[]> {
  const items = text.split(',').map((item) => item.trim());
  const listeners: Listener[] = [];
  for (const item of items) {
    const reading = readListener(item);
    if ('problem' in reading) return reading;
    listeners.push(reading.value);
  }
  const name = firstRepeated(listeners.map((listener) => listener.name));
  if (name !== undefined) return { problem: `each listener needs a name of its own, but ${name} occurs twice` };
  return { value: listeners };
}

function readListener(item: string): Reading<Listener> {
  const parts = /^(.+):\/\/(?:\[([0-9a-fA-F:.%a-z]*)\]|([0-9a-zA-Z\-%._]*)):([0-9]+)$/.exec(item);
  if (parts === null) return { problem: item === '' ? 'a listener is missing' : `'${item}' is not a listener` };
  const port = Number(parts[4]);
  if (port > 65535) return { problem: `the port of '${item}' is above 65535` };
  return { value: { name: parts[1]!.toUpperCase(), host: parts[2] ?? parts[3] ?? '', port } };
}

/** The text of listeners, as `readListeners` reads it. */
export function printListeners(listeners: readonly Listener[]): string {
  return listeners.map(printListener).join(',');
}

/** `PLAINTEXT://host:9092`, IPv6 in brackets. */
export function printListener({ name, host, port }: Listener): string {
  return `${name}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** An address of the admin port. */
export type AdminListener = Pick<Listener, 'host' | 'port'>;

/** The form of one, for messages. */
export const adminListenerForm =
  'http://HOST:PORT, with commas between several (http://:9644 listens on every address), or empty';

/** Reads `admin.listeners`; empty: none. */
export function readAdminListeners(text: string): Reading<readonly AdminListener[]> {
  const listeners: AdminListener[] = [];
  for (const item of splitList(text)) {
    const reading = readListener(item);
    if ('problem' in reading) return reading;
    const { name, host, port } = reading.value;
    if (name !== 'HTTP') return { problem: `'${item}' is not served: only http is` };
    listeners.push({ host, port });
  }
  return { value: listeners };
}

export function printAdminListeners(listeners: readonly AdminListener[]): string {
  return listeners.map(printAdminListener).join(',');
}

/** `http://host:9644`, IPv6 in brackets. */
export function printAdminListener({ host, port }: AdminListener): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Reads `listener.security.protocol.map`: `NAME:PROTOCOL` pairs. */
export function readProtocolMap(text: string): Reading<ReadonlyMap<string, string>> {
  const protocols = new Map<string, string>();
  for (const pair of text.split(',').map((item) => item.trim())) {
    const [name, protocol] = pair.split(':').map((part) => part.trim().toUpperCase());
    if (!name || !protocol) return { problem: `'${pair}' is not NAME:PROTOCOL` };
    if (!(securityProtocols as readonly string[]).includes(protocol)) {
      return { problem: `${protocol} is not a security protocol` };
    }
    if (protocols.has(name)) return { problem: `${name} occurs twice` };
    protocols.set(name, protocol);
  }
  return { value: protocols };
}

/** What is wrong with the listeners the broker is to open, if anything. */
export function listenersProblem(
  listeners: readonly Listener[],
  protocols: ReadonlyMap<string, string>,
): string | undefined {
  if (listeners.length === 0) return 'there must be at least one listener besides those of controllers';
  for (const { name } of listeners) {
    const protocol = protocols.get(name);
    if (protocol === undefined) {
      return `listener ${name} has no security protocol; add ${name}:PLAINTEXT to listener.security.protocol.map`;
    }
    if (protocol !== 'PLAINTEXT') {
      return `listener ${name} asks for ${protocol}, but only PLAINTEXT is served: TLS and SASL need a proxy in front`;
    }
  }
  const taken = listeners.filter((listener) => listener.port !== 0);
  for (const [index, one] of taken.entries()) {
    const other = taken.slice(index + 1).find((next) => next.port === one.port && clash(one, next));
    if (other !== undefined) return `listeners ${one.name} and ${other.name} share port ${one.port}`;
  }
  return undefined;
}

/** What is wrong with given advertised listeners, if anything. */
export function advertisedProblem(advertised: readonly Listener[], listeners: readonly Listener[]): string | undefined {
  for (const listener of advertised) {
    const { name, host, port } = listener;
    if (!listeners.some((other) => other.name === name)) return `listener ${name} is not among listeners`;
    if (isWildcard(host)) {
      return `${printListener(listener)} is no address that a client can connect to: give a host name or an IP address`;
    }
    if (port === 0) return `${printListener(listener)} has no port that a client can connect to`;
  }
  return undefined;
}

/** What clients are told when `advertised.listeners` is not set: each listener's own address, `localhost` for all addresses. */
export function deriveAdvertised(listeners: readonly Listener[]): readonly Listener[] {
  return listeners.map((listener) => (isWildcard(listener.host) ? { ...listener, host: 'localhost' } : listener));
}

/**
 * The advertised listeners once the sockets are bound: a port 0 becomes the port that was found.
 * @param bound the port of each listener, by name.
 */
export function advertisedWithPorts(
  advertised: readonly Listener[],
  bound: ReadonlyMap<string, number>,
): readonly Listener[] {
  return advertised.map((listener) => {
    if (listener.port !== 0) return listener;
    const port = bound.get(listener.name);
    if (port === undefined) throw new Error(`listener ${listener.name} is not bound`);
    return { ...listener, port };
  });
}

function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || /^[0:]+$/.test(host);
}

/** Two listeners on one port: fine only where one is IPv4 and the other IPv6 (KIP-797), or the addresses differ. */
function clash(one: Listener, other: Listener): boolean {
  if (one.host === '' || other.host === '') return true;
  if (one.host.includes(':') !== other.host.includes(':')) return false;
  return one.host === other.host || isWildcard(one.host) || isWildcard(other.host);
}

function firstRepeated(values: readonly string[]): string | undefined {
  return values.find((value, index) => values.indexOf(value) !== index);
}
