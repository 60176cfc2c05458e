// What a soak kills: every process of a cluster by its kind, and how it is started again.

import type { ClusterProcesses } from '../support/cluster-process.ts';

export type VictimKind = 'node' | 'NATS server' | 'SeaweedMQ broker' | 'SeaweedFS server';

export interface Victim {
  readonly kind: VictimKind;
  readonly name: string;
  /** kill -9 */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Every process of the cluster once. */
export function victimsOf(cluster: ClusterProcesses): Victim[] {
  const { nodes, nats, weed } = cluster;
  const brokers = weed?.brokers ?? [];
  return [
    ...nodes.map((node, at) =>
      victim(
        'node',
        at,
        () => node.kill(),
        () => node.restart(),
      ),
    ),
    ...nats.servers.map((server, at) =>
      victim(
        'NATS server',
        at,
        () => server.kill(),
        () => server.start(),
      ),
    ),
    ...brokers.map((broker, at) =>
      victim(
        'SeaweedMQ broker',
        at,
        () => broker.kill(),
        () => broker.start(),
      ),
    ),
    ...(weed === undefined
      ? []
      : [
          victim(
            'SeaweedFS server',
            0,
            () => weed.server.kill(),
            () => weed.server.start(),
          ),
        ]),
  ];
}

function victim(kind: VictimKind, at: number, kill: Victim['kill'], start: Victim['start']): Victim {
  return { kind, name: `${kind} ${at + 1}`, kill, start };
}

/** Median and largest of figures, for a line of a report. */
export function spread(figures: readonly number[]): string {
  const sorted = [...figures].sort((a, b) => a - b);
  const at = (part: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  return `${at(0.5)} / ${at(0.9)} / ${at(1)}`;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
