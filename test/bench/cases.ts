// What the bench measures: a command of the measuring program, the figures to compare and the ratio aimed at.

/** See run.ts. */
export const allSetups = ['os', 'fsync', 'journal'] as const;
export type Setup = (typeof allSetups)[number];

export interface BenchCase {
  readonly name: string;
  /** Words for the measuring program. */
  readonly args: readonly string[];
  /** Figures of its JSON line to compare, and whether more or less is better. */
  readonly figures: readonly { readonly name: string; readonly better: 'more' | 'less' }[];
  /** By setup it is run with: the first figure's goal, ours over Kafka's at least (more) or at most (less). */
  readonly goals: Readonly<Partial<Record<Setup, number>>>;
}

const throughput = [
  { name: 'msg_s', better: 'more' },
  { name: 'broker_rss_after_mib', better: 'less' },
  { name: 'broker_cores', better: 'less' },
] as const;
const latency = [
  { name: 'end_p50_ms', better: 'less' },
  { name: 'end_p99_ms', better: 'less' },
  { name: 'ack_p50_ms', better: 'less' },
  { name: 'ack_p99_ms', better: 'less' },
] as const;

function words(text: string): string[] {
  return text.split(' ');
}

export const benchCases: readonly BenchCase[] = [
  {
    name: 'produce-6p',
    args: words('produce -records 1000000 -size 1024 -partitions 6'),
    figures: throughput,
    goals: { os: 1, fsync: 1, journal: 0.8 },
  },
  {
    name: 'produce-1p-16k',
    args: words('produce -records 300000 -size 1024 -partitions 1 -batch 16384 -linger 0'),
    figures: throughput,
    goals: { os: 1.2 },
  },
  {
    name: 'produce-6p-16k',
    args: words('produce -records 500000 -size 1024 -partitions 6 -batch 16384 -linger 0'),
    figures: throughput,
    goals: { os: 1.2 },
  },
  {
    name: 'produce-6p-lz4',
    args: words('produce -records 1000000 -size 1024 -partitions 6 -compression lz4'),
    figures: throughput,
    goals: { os: 1 },
  },
  {
    name: 'consume-6p',
    args: words('consume -records 1000000 -size 1024 -partitions 6'),
    figures: throughput,
    goals: { os: 1 },
  },
  {
    name: 'latency-1p',
    args: words('latency -rate 1000 -seconds 10 -partitions 1'),
    figures: latency,
    goals: { os: 1, fsync: 1, journal: 3 },
  },
  {
    name: 'groups-100',
    args: words('groups -groups 100 -members 10 -assignor range -heartbeat-ms 100'),
    figures: [
      { name: 'join_p50_ms', better: 'less' },
      { name: 'join_p99_ms', better: 'less' },
      { name: 'leave_p50_ms', better: 'less' },
      { name: 'leave_p99_ms', better: 'less' },
      { name: 'heartbeat_p99_ms', better: 'less' },
      { name: 'broker_cores', better: 'less' },
    ],
    goals: { os: 1 },
  },
  {
    name: 'offsets-100',
    args: words('offsets -committers 100 -seconds 6'),
    figures: [
      { name: 'commit_s', better: 'more' },
      { name: 'commit_p99_ms', better: 'less' },
      { name: 'fetch_s', better: 'more' },
    ],
    goals: { os: 0.7, fsync: 0.7, journal: 0.7 },
  },
  {
    name: 'connections-1000',
    args: words('connections -connections 1000 -members-per-group 10 -heartbeat-ms 3000 -seconds 15'),
    figures: [
      { name: 'heartbeat_p99_ms', better: 'less' },
      { name: 'broker_rss_after_mib', better: 'less' },
    ],
    goals: { os: 1 },
  },
];
