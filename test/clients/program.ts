// The client programs: one small program a client library, in the library's language, all with the same command line.
//
//   produce --bootstrap B --topic T --codec C [--idempotent]      reads records from stdin, one JSON object a line
//   consume --bootstrap B --topic T --partitions P --count N      reads T from its start, all partitions
//   member  --bootstrap B --topic T --group G --session-timeout-ms S [--reset earliest|none]
//
// and the same answers on stdout, one JSON object a line:
//
//   {"event":"started","pid":7}                                  first; what kill -9 is sent to
//   {"event":"acked","index":0,"partition":1,"offset":5}          produce, for the record on that line of stdin
//   {"event":"record","partition":1,"offset":5,…}                 consume and member; fields as SeenRecord
//   {"event":"assigned","partitions":[0,2]}                       member: all it owns now, after every change
//   {"event":"committed","offsets":{"0":5}}                       member: what the broker has taken
//   {"event":"stable"}, {"event":"beating","heartbeats":9}, {"event":"left","p99Ms":1.2,…}   of go/members.go
//   {"event":"error","message":"…"}                               the last before it ends with exit code 1
//
// A member commits after each poll what it has printed, leaves the group on SIGTERM and then ends with exit code 0.

import { StartedProcess } from '../support/child-process.ts';
import type { Lack, SeenRecord, SentRecord } from './records.ts';

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
export const everyCodec: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/** How a client program is started, once it is built. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Record<string, string | undefined>;
}

export interface Client {
  readonly name: string;
  /** The codecs that the client has. */
  readonly codecs: readonly Codec[];
  readonly lacks?: readonly Lack[];
  /** Brings records into an order, and single ones into a form, that the client can send. */
  arrange?(records: readonly SentRecord[]): SentRecord[];
  /** Installs and builds what is missing into .cache/. @throws Error that says what is missing and how to get it. */
  setUp(): Promise<Command>;
}

export type ClientEvent =
  | { readonly event: 'started'; readonly pid: number }
  | { readonly event: 'acked'; readonly index: number; readonly partition: number; readonly offset: number | null }
  | ({ readonly event: 'record' } & SeenRecord)
  | { readonly event: 'assigned'; readonly partitions: readonly number[] }
  | { readonly event: 'committed'; readonly offsets: Readonly<Record<string, number>> }
  | { readonly event: 'stable' }
  | { readonly event: 'beating'; readonly heartbeats: number }
  | { readonly event: 'left'; readonly heartbeats: number; readonly p99Ms: number }
  | { readonly event: 'error'; readonly message: string };

const programTimeoutMs = 60_000;

/** One run of a client program. */
export class ClientRun {
  readonly process: StartedProcess;
  readonly events: ClientEvent[] = [];
  /** Called after each event and at the end. */
  changed: () => void = () => {};
  /** True once this test has ended it. */
  killed = false;
  #pid: number | undefined;
  readonly #counts = new Map<ClientEvent['event'], number>();

  constructor(name: string, command: Command, args: readonly string[]) {
    this.process = new StartedProcess(`${name} ${args[0]}`, command.file, [...command.args, ...args], {
      env: command.env,
      onLine: (line) => this.#take(line),
    });
    void this.process.ended.then(() => this.changed());
  }

  /** All events of one kind, in order. */
  all<Kind extends ClientEvent['event']>(kind: Kind): Extract<ClientEvent, { event: Kind }>[] {
    return this.events.filter((event) => event.event === kind) as Extract<ClientEvent, { event: Kind }>[];
  }

  /** How many events of one kind there are; cheap, unlike `all`. */
  count(kind: ClientEvent['event']): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** The partitions that a member owns by its own word; empty before it has any. */
  get owned(): readonly number[] {
    return this.all('assigned').at(-1)?.partitions ?? [];
  }

  /** kill -9 of the client itself, and of what stands around it. */
  async kill(): Promise<void> {
    this.killed = true;
    if (this.#pid !== undefined) this.process.signal('SIGKILL', this.#pid);
    await this.process.kill();
  }

  /** SIGTERM: a member leaves its group. @throws Error unless it ends with exit code 0. */
  async leave(): Promise<void> {
    this.killed = true;
    this.process.signal('SIGTERM');
    await this.process.success();
  }

  #take(line: string): void {
    if (!line.startsWith('{"event"')) return;
    const event = JSON.parse(line) as ClientEvent;
    if (event.event === 'started') this.#pid = event.pid;
    this.events.push(event);
    this.#counts.set(event.event, this.count(event.event) + 1);
    this.changed();
  }
}

/** Produces records in this order, waits for all acks and returns them in the order of the records. */
export async function produce(
  client: Pick<Client, 'name'>,
  command: Command,
  to: { bootstrap: string; topic: string; codec?: Codec; idempotent?: boolean },
  records: readonly SentRecord[],
): Promise<{ partition: number; offset: number | null }[]> {
  const flags = ['--bootstrap', to.bootstrap, '--topic', to.topic, '--codec', to.codec ?? 'none'];
  const run = new ClientRun(client.name, command, ['produce', ...flags, ...(to.idempotent ? ['--idempotent'] : [])]);
  run.process.child.stdin!.end(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  await run.process.success(programTimeoutMs);
  const acks = run.all('acked').sort((a, b) => a.index - b.index);
  if (acks.length !== records.length || acks.some((ack, index) => ack.index !== index))
    throw new Error(`${client.name} acked ${acks.length} of ${records.length} records and ended with exit code 0`);
  return acks.map(({ partition, offset }) => ({ partition, offset }));
}

/** Reads `count` records from the topic's start, by any assignment the client likes. */
export async function consume(
  client: Pick<Client, 'name'>,
  command: Command,
  from: { bootstrap: string; topic: string; partitions: number; count: number },
): Promise<SeenRecord[]> {
  const flags = Object.entries(from).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const run = new ClientRun(client.name, command, ['consume', ...flags]);
  await run.process.success(programTimeoutMs);
  return run.all('record').map(({ event: _, ...record }) => record);
}
