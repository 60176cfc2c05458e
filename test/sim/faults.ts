// What goes wrong in a world: a list of named faults with their times, drawn from the seed. It is data, so that it can be
// printed, and cut down by hand to what a failure needs.

import type { SeededRandom } from './random.ts';

export type Fault =
  /** The process dies where it stands and is started again after a while. */
  | { readonly kind: 'node-kill'; readonly atMs: number; readonly node: number; readonly downMs: number }
  /** SIGTERM, then a new start. */
  | { readonly kind: 'node-restart'; readonly atMs: number; readonly node: number; readonly downMs: number }
  /** The process stands still (SIGSTOP, a long garbage collection, a suspended machine). */
  | { readonly kind: 'node-pause'; readonly atMs: number; readonly node: number; readonly forMs: number }
  /** The machine's wall clock jumps. */
  | { readonly kind: 'clock-jump'; readonly atMs: number; readonly node: number; readonly byMs: number }
  | { readonly kind: 'disk-full'; readonly atMs: number; readonly forMs: number }
  | { readonly kind: 'slow-disk'; readonly atMs: number; readonly forMs: number; readonly factor: number }
  /** Some reads and openings fail for a while. */
  | { readonly kind: 'reads-unavailable'; readonly atMs: number; readonly forMs: number }
  /** The next `count` appends fail, and are known to have failed. */
  | { readonly kind: 'append-unavailable'; readonly atMs: number; readonly count: number }
  /** The next `count` appends fail with an unknown outcome, having been applied or not. */
  | { readonly kind: 'append-unknown-applied'; readonly atMs: number; readonly count: number }
  | { readonly kind: 'append-unknown-not-applied'; readonly atMs: number; readonly count: number }
  /** All connections of one client, or of every client, are reset. */
  | { readonly kind: 'connections-cut'; readonly atMs: number; readonly client: string }
  /** One client reaches nobody for a while. */
  | { readonly kind: 'client-isolated'; readonly atMs: number; readonly client: string; readonly forMs: number }
  // Of several nodes:
  /** Neither messages nor heartbeats of the node get through, its own neither: NATS is away for it. */
  | { readonly kind: 'node-off-bus'; readonly atMs: number; readonly node: number; readonly forMs: number }
  /** The node does not reach the journal: what it asks and writes meanwhile arrives afterwards. */
  | { readonly kind: 'node-off-journal'; readonly atMs: number; readonly node: number; readonly forMs: number }
  /** Both. */
  | { readonly kind: 'node-cut-off'; readonly atMs: number; readonly node: number; readonly forMs: number }
  /** Two nodes do not reach each other, and each suspects the other. */
  | {
      readonly kind: 'nodes-parted';
      readonly atMs: number;
      readonly node: number;
      readonly other: number;
      readonly forMs: number;
    }
  /** Requests, replies and heartbeats between nodes get lost. */
  | { readonly kind: 'messages-lost'; readonly atMs: number; readonly forMs: number; readonly chance: number }
  /** They take long, and overtake those of other services. */
  | { readonly kind: 'messages-slow'; readonly atMs: number; readonly forMs: number; readonly factor: number }
  /** Nodes vote others out that live, at the same time: `[who, whom]`. */
  | {
      readonly kind: 'false-suspicions';
      readonly atMs: number;
      readonly of: readonly (readonly [number, number])[];
    }
  /** One client does not reach one node for a while. */
  | {
      readonly kind: 'client-parted';
      readonly atMs: number;
      readonly client: string;
      readonly node: number;
      readonly forMs: number;
    }
  /** One client does not read its answers for a while. */
  | { readonly kind: 'slow-reader'; readonly atMs: number; readonly client: string; readonly forMs: number };

export type FaultKind = Fault['kind'];

export const EVERY_CLIENT = '*';

export interface FaultPlan {
  /** Faults begin and end within this time. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly nodes: readonly number[];
  readonly clients: readonly string[];
  readonly count: number;
}

type Draw = (random: SeededRandom, atMs: number, plan: FaultPlan) => Fault;

/** The longest that a fault lasts, ms. */
const DURATION_MAX_MS = 3_000;

const draws: Readonly<Record<FaultKind, Draw>> = {
  'node-kill': (random, atMs, { nodes }) => ({
    kind: 'node-kill',
    atMs,
    node: random.pick(nodes),
    downMs: random.int(50, 2_500),
  }),
  'node-restart': (random, atMs, { nodes }) => ({
    kind: 'node-restart',
    atMs,
    node: random.pick(nodes),
    downMs: random.int(50, 1_000),
  }),
  'node-pause': (random, atMs, { nodes }) => ({
    kind: 'node-pause',
    atMs,
    node: random.pick(nodes),
    forMs: random.int(100, DURATION_MAX_MS),
  }),
  'clock-jump': (random, atMs, { nodes }) => ({
    kind: 'clock-jump',
    atMs,
    node: random.pick(nodes),
    byMs: random.int(-1_200_000, 1_200_000),
  }),
  'disk-full': (random, atMs) => ({ kind: 'disk-full', atMs, forMs: random.int(200, DURATION_MAX_MS) }),
  'slow-disk': (random, atMs) => ({
    kind: 'slow-disk',
    atMs,
    forMs: random.int(500, DURATION_MAX_MS),
    factor: random.pick([10, 100, 1_000]),
  }),
  'reads-unavailable': (random, atMs) => ({ kind: 'reads-unavailable', atMs, forMs: random.int(100, 2_000) }),
  'append-unavailable': (random, atMs) => ({ kind: 'append-unavailable', atMs, count: random.int(1, 6) }),
  'append-unknown-applied': (random, atMs) => ({ kind: 'append-unknown-applied', atMs, count: random.int(1, 2) }),
  'append-unknown-not-applied': (random, atMs) => ({
    kind: 'append-unknown-not-applied',
    atMs,
    count: random.int(1, 2),
  }),
  'connections-cut': (random, atMs, { clients }) => ({
    kind: 'connections-cut',
    atMs,
    client: random.chance(0.3) ? EVERY_CLIENT : random.pick(clients),
  }),
  'client-isolated': (random, atMs, { clients }) => ({
    kind: 'client-isolated',
    atMs,
    client: random.pick(clients),
    forMs: random.int(100, DURATION_MAX_MS),
  }),
  'slow-reader': (random, atMs, { clients }) => ({
    kind: 'slow-reader',
    atMs,
    client: random.pick(clients),
    forMs: random.int(200, 3_000),
  }),
  'node-off-bus': (random, atMs, { nodes }) => ({
    kind: 'node-off-bus',
    atMs,
    node: random.pick(nodes),
    forMs: random.int(100, DURATION_MAX_MS),
  }),
  'node-off-journal': (random, atMs, { nodes }) => ({
    kind: 'node-off-journal',
    atMs,
    node: random.pick(nodes),
    forMs: random.int(100, DURATION_MAX_MS),
  }),
  'node-cut-off': (random, atMs, { nodes }) => ({
    kind: 'node-cut-off',
    atMs,
    node: random.pick(nodes),
    forMs: random.int(100, DURATION_MAX_MS),
  }),
  'nodes-parted': (random, atMs, { nodes }) => {
    const [node, other] = drawPair(random, nodes);
    return { kind: 'nodes-parted', atMs, node, other, forMs: random.int(100, DURATION_MAX_MS) };
  },
  'messages-lost': (random, atMs) => ({
    kind: 'messages-lost',
    atMs,
    forMs: random.int(100, 2_000),
    chance: random.pick([0.02, 0.1, 0.5]),
  }),
  'messages-slow': (random, atMs) => ({
    kind: 'messages-slow',
    atMs,
    forMs: random.int(200, DURATION_MAX_MS),
    factor: random.pick([10, 100]),
  }),
  'false-suspicions': (random, atMs, { nodes }) => ({
    kind: 'false-suspicions',
    atMs,
    of: Array.from({ length: random.int(1, 3) }, () => drawPair(random, nodes)),
  }),
  'client-parted': (random, atMs, { nodes, clients }) => ({
    kind: 'client-parted',
    atMs,
    client: random.pick(clients),
    node: random.pick(nodes),
    forMs: random.int(100, DURATION_MAX_MS),
  }),
};

/** Two different nodes. */
function drawPair(random: SeededRandom, nodes: readonly number[]): [number, number] {
  const one = random.pick(nodes);
  return [one, random.pick(nodes.filter((node) => node !== one))];
}

export const faultKinds = Object.keys(draws) as FaultKind[];

/** Those that make sense only among several nodes. */
const amongNodes: ReadonlySet<FaultKind> = new Set([
  ...(['node-off-bus', 'node-off-journal', 'node-cut-off', 'nodes-parted'] as const),
  ...(['messages-lost', 'messages-slow', 'false-suspicions', 'client-parted'] as const),
]);
const ofOneNode = faultKinds.filter((kind) => !amongNodes.has(kind));

/** What can happen to so many nodes. */
export function faultKindsOf(nodeCount: number): readonly FaultKind[] {
  return nodeCount > 1 ? faultKinds : ofOneNode;
}

/** Draws the faults of a world: a few kinds, so that each world has a character, in the order of their times. */
export function drawFaults(random: SeededRandom, plan: FaultPlan): Fault[] {
  const possible = faultKindsOf(plan.nodes.length);
  const kinds = Array.from({ length: random.int(1, 5) }, () => random.pick(possible));
  const latestMs = Math.max(plan.fromMs, plan.untilMs - DURATION_MAX_MS);
  return Array.from({ length: plan.count }, () => {
    const atMs = random.int(plan.fromMs, latestMs);
    return draws[random.pick(kinds)](random, atMs, plan);
  }).sort((a, b) => a.atMs - b.atMs);
}

/** One fault as a line: its time, its name, its parameters. */
export function printFault({ kind, atMs, ...parameters }: Fault): string {
  const words = Object.entries(parameters).map(
    ([name, value]) => `${name}=${Array.isArray(value) ? JSON.stringify(value) : value}`,
  );
  return `${String(atMs).padStart(7)} ms  ${kind} ${words.join(' ')}`;
}
