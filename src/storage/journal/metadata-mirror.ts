// A copy in memory of the KV bucket, brought up to the stream's changes in their order: what watchers are told comes from
// here, and lists are answered from it once it has caught up with the leader.
//
// The leader republishes each change's sequence; that, this node's own changes, every reconnect and a timer make the
// mirror read on from the last sequence it has. A deletion is a message like any other. Deletions are forgotten by the
// stream after a day, so after a long time away everything is read anew and compared.

import type { Msg } from '@nats-io/transport-node';
import type { Logger } from '../../actors/runtime/ports.ts';
import type { MetadataValue } from '../../actors/shard/ports.ts';
import { JetStreamError } from './faults.ts';
import { tokenKey } from './metadata-keys.ts';
import type { Requester } from './requester.ts';

export type ChangeListener = (key: string, value: MetadataValue | undefined) => void;

const READ_BYTES = 4 << 20;
const READ_MESSAGES = 1024;
/** Deletions stay in the stream for a day; away for longer than a part of that, nothing is taken for granted. */
const AWAY_MAX_MS = 3_600_000;

export interface MirrorOptions {
  readonly requester: Requester;
  readonly logger: Logger;
  /** `<api>.DIRECT.GET.<stream>` */
  readonly directGetSubject: string;
  /** `$KV.<bucket>.` */
  readonly subjectPrefix: string;
  /** Where the leader tells sequences of changes. */
  readonly changedSubject: string;
  /** Sequence of the stream's last change, from its leader. */
  readonly lastSequence: () => Promise<number>;
  /** Whether the leader has a change at or above this sequence. */
  readonly leaderHasFrom: (sequence: number) => Promise<boolean>;
  readonly pollIntervalMs: number;
}

export class MetadataMirror {
  readonly #options: MirrorOptions;
  readonly #values = new Map<string, MetadataValue>();
  readonly #listeners = new Map<ChangeListener, string>();
  /** Every change up to this sequence is in the mirror. */
  #through = 0;
  /** The largest sequence that is known to exist. */
  #target = 0;
  #reading: Promise<void> | undefined;
  #currentMs = performance.now();
  #poll: NodeJS.Timeout | undefined;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** Follows the stream from now on; `catchUp` fills the mirror. */
  follow(): void {
    const { requester, changedSubject, pollIntervalMs } = this.#options;
    requester.connection.subscribe(changedSubject, {
      callback: (error, message) => {
        const sequence = Number(message.headers?.get('Nats-Sequence'));
        if (error === null && sequence > 0) this.#readOn(sequence);
      },
    });
    requester.onReconnect(() => this.#catchUp());
    this.#poll = setInterval(() => this.#catchUp(), pollIntervalMs);
  }

  stop(): void {
    clearInterval(this.#poll);
    this.#listeners.clear();
  }

  /** Brings the mirror up to everything that the leader has now. @throws RequestLost, JetStreamError */
  async catchUp(): Promise<void> {
    const last = await this.#options.lastSequence();
    if (performance.now() - this.#currentMs > AWAY_MAX_MS || last < this.#through) await this.#readAnew();
    await this.reach(last);
    this.#currentMs = performance.now();
  }

  /** Resolves when every change up to `sequence` has been told. @throws RequestLost, JetStreamError */
  async reach(sequence: number): Promise<void> {
    if (sequence > this.#target) this.#target = sequence;
    while (this.#through < sequence) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined;
      });
      await this.#reading;
    }
  }

  /** Values whose key starts with `prefix`, in key order. */
  list(prefix: string): MetadataValue[] {
    return [...this.#values.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .sort((left, right) => Buffer.compare(Buffer.from(left.key), Buffer.from(right.key)));
  }

  /** @returns stops it. */
  listen(prefix: string, onChange: ChangeListener): () => void {
    // Its own function: the same listener may watch several prefixes.
    const listener: ChangeListener = (key, value) => onChange(key, value);
    this.#listeners.set(listener, prefix);
    return () => this.#listeners.delete(listener);
  }

  #readOn(sequence: number): void {
    this.reach(sequence).catch((error: unknown) => this.#behind(error));
  }

  #catchUp(): void {
    if (!this.#options.requester.connected) return;
    this.catchUp().catch((error: unknown) => this.#behind(error));
  }

  #behind(error: unknown): void {
    // The next change, reconnect or poll reads on from the same place.
    this.#options.logger.log('warn', 'journal.metadata-behind', { through: this.#through, error });
  }

  async #read(): Promise<void> {
    while (this.#through < this.#target) {
      const before = this.#through;
      await this.#batch(before + 1, (sequence, message) => this.#apply(sequence, message));
      if (this.#through === before) await this.#replicaGaveNothing();
    }
  }

  /** The replica that was asked is behind its leader, or what the target was is no longer there. */
  async #replicaGaveNothing(): Promise<void> {
    const target = this.#target;
    if (await this.#options.leaderHasFrom(this.#through + 1)) await new Promise((resolve) => setTimeout(resolve, 10));
    else if (this.#through < target) this.#through = target;
  }

  /** Reads everything that is there and tells what has changed, deletions that the stream has forgotten included. */
  async #readAnew(): Promise<void> {
    const present = new Set<string>();
    const last = await this.#options.lastSequence();
    let next = 1;
    this.#options.logger.log('info', 'journal.metadata-read-anew', { through: this.#through, last });
    while (next <= last) {
      const before = next;
      await this.#batch(next, (sequence, message) => {
        next = sequence + 1;
        present.add(this.#keyOf(message));
        const known = this.#values.get(this.#keyOf(message));
        if (known?.revision !== sequence) this.#change(sequence, message);
      });
      if (next === before) break;
    }
    for (const key of [...this.#values.keys()]) {
      if (present.has(key)) continue;
      this.#values.delete(key);
      this.#tell(key, undefined);
    }
    this.#through = Math.max(next - 1, last);
  }

  async #batch(from: number, take: (sequence: number, message: Msg) => void): Promise<void> {
    const { requester, directGetSubject, subjectPrefix } = this.#options;
    const query = { seq: from, next_by_subj: `${subjectPrefix}>`, batch: READ_MESSAGES, max_bytes: READ_BYTES };
    await requester.requestMany(directGetSubject, Buffer.from(JSON.stringify(query)), (message) => {
      const code = message.headers?.code ?? 0;
      if (code === 204 || code === 404) return true;
      if (code !== 0) throw new JetStreamError(code, message.headers?.description ?? 'no message');
      take(Number(message.headers?.get('Nats-Sequence')), message);
      return false;
    });
  }

  #apply(sequence: number, message: Msg): void {
    if (sequence <= this.#through) return;
    this.#through = sequence;
    this.#change(sequence, message);
  }

  #change(sequence: number, message: Msg): void {
    const key = this.#keyOf(message);
    const deleted = (message.headers?.get('KV-Operation') ?? '') !== '';
    if (deleted) {
      if (!this.#values.delete(key)) return;
      this.#tell(key, undefined);
      return;
    }
    const value = { key, value: Buffer.from(message.data), revision: sequence };
    this.#values.set(key, value);
    this.#tell(key, value);
  }

  #keyOf(message: Msg): string {
    return tokenKey((message.headers?.get('Nats-Subject') ?? '').slice(this.#options.subjectPrefix.length));
  }

  #tell(key: string, value: MetadataValue | undefined): void {
    for (const [listener, prefix] of [...this.#listeners]) {
      if (key.startsWith(prefix) && this.#listeners.has(listener)) listener(key, value);
    }
  }
}
