// The metadata store on a JetStream KV bucket: values are changed by compare-and-set on the revision, which is the
// sequence in the bucket's stream. Reads go to the stream's leader, lists and watches through the mirror.
//
// A change carries a token of its own. When its answer is lost it is sent again, with the same expectation: it lands at
// most once, and by the token it is known whether what lies there is it.

import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { headers as natsHeaders } from '@nats-io/transport-node';
import type { Logger } from '../../actors/runtime/ports.ts';
import type { MetadataStore, MetadataValue } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import {
  faultOf,
  isMessageNotFound,
  isOutcomeUnknown,
  isWrongLastSequence,
  JetStreamError,
  RequestLost,
} from './faults.ts';
import type { JournalLimits } from './limits.ts';
import { keyToken } from './metadata-keys.ts';
import { MetadataMirror } from './metadata-mirror.ts';
import type { JournalNames } from './names.ts';
import { answerOf, type Requester } from './requester.ts';
import { nextMessage } from './stored-message.ts';
import { persist, type StreamConfig, streamInfo } from './streams.ts';

const EXPECTED = 'Nats-Expected-Last-Subject-Sequence';
const TOKEN = 'Sargasso-Change';
const OPERATION = 'KV-Operation';
/** How long a deletion stays in the stream (ADR-48): as long as a watcher may be behind without reading all anew. */
const DELETION_TTL = '24h';

/** The configuration of the bucket's stream (ADR-8), with changes republished for the mirrors. */
export function bucketConfig(names: JournalNames, replicas: number): StreamConfig {
  return {
    name: `KV_${names.bucket}`,
    subjects: [`$KV.${names.bucket}.>`],
    num_replicas: replicas,
    max_bytes: -1,
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    max_msgs_per_subject: 1,
    max_msgs: -1,
    max_age: 0,
    max_consumers: -1,
    max_msg_size: -1,
    allow_direct: true,
    allow_rollup_hdrs: true,
    deny_delete: true,
    allow_msg_ttl: true,
    republish: { src: `$KV.${names.bucket}.>`, dest: `${names.prefix}.changed.>`, headers_only: true },
  };
}

interface Stored {
  readonly revision: number;
  readonly value: Buffer;
  readonly deleted: boolean;
  readonly token: string;
}

export class JournalMetadataStore implements MetadataStore {
  readonly #requester: Requester;
  readonly #names: JournalNames;
  readonly #limits: JournalLimits;
  readonly #stream: string;
  readonly #mirror: MetadataMirror;

  constructor(options: { requester: Requester; names: JournalNames; limits: JournalLimits; logger: Logger }) {
    const { requester, names, limits, logger } = options;
    this.#requester = requester;
    this.#names = names;
    this.#limits = limits;
    this.#stream = `KV_${names.bucket}`;
    this.#mirror = new MetadataMirror({
      requester,
      logger,
      directGetSubject: names.api(`DIRECT.GET.${this.#stream}`),
      subjectPrefix: `$KV.${names.bucket}.`,
      changedSubject: `${names.prefix}.changed.>`,
      lastSequence: async () => (await streamInfo(requester, names, this.#stream)).state.last_seq,
      leaderHasFrom: (sequence) => this.#leaderHasFrom(sequence),
      pollIntervalMs: limits.metadataPollIntervalMs,
    });
  }

  /** Fills the mirror. @throws StorageFault */
  start(): Promise<void> {
    this.#mirror.follow();
    return this.#persist('the metadata cannot be read', () => this.#mirror.catchUp());
  }

  async get(key: string): Promise<MetadataValue | undefined> {
    const stored = await this.#persist(`metadata ${key}`, () => this.#stored(key));
    if (stored === undefined || stored.deleted) return undefined;
    return { key, value: stored.value, revision: stored.revision };
  }

  async list(prefix: string): Promise<MetadataValue[]> {
    await this.#persist(`metadata ${prefix}*`, () => this.#mirror.catchUp());
    return this.#mirror.list(prefix);
  }

  put(key: string, value: Uint8Array, expectedRevision: number): Promise<number | undefined> {
    return this.#change(key, value, expectedRevision);
  }

  async delete(key: string, expectedRevision: number): Promise<boolean> {
    // Revision 0 means 'does not exist': there is nothing to delete then.
    return expectedRevision !== 0 && (await this.#change(key, undefined, expectedRevision)) !== undefined;
  }

  watch(prefix: string, onChange: (key: string, value: MetadataValue | undefined) => void): () => void {
    return this.#mirror.listen(prefix, onChange);
  }

  async close(): Promise<void> {
    this.#mirror.stop();
  }

  async #change(key: string, value: Uint8Array | undefined, expectedRevision: number): Promise<number | undefined> {
    const revision = await this.#compareAndSet(key, value, expectedRevision);
    if (revision === undefined) return undefined;
    try {
      // Watchers hear of it before whoever made the change does.
      await this.#persist(`metadata ${key}`, () => this.#mirror.reach(revision));
    } catch (error) {
      throw new StorageFault('outcome-unknown', `metadata ${key} was changed, but cannot be read back`, error);
    }
    return revision;
  }

  async #compareAndSet(
    key: string,
    value: Uint8Array | undefined,
    expectedRevision: number,
  ): Promise<number | undefined> {
    const deadlineMs = performance.now() + this.#limits.operationTimeoutMs;
    const token = randomBytes(12).toString('base64url');
    let expected = expectedRevision;
    /** An attempt may have landed unseen. */
    let lost = false;
    for (;;) {
      try {
        return await this.#publish(key, value, expected, token);
      } catch (error) {
        if (isWrongLastSequence(error)) {
          const stored = await this.#persist(`metadata ${key}`, () => this.#stored(key));
          if (stored?.token === token) return stored.revision;
          const found = stored?.revision ?? 0;
          const absent = stored === undefined || stored.deleted;
          if (expectedRevision === 0 && absent && found !== expected) {
            // Deleted: it does not exist, but its subject has a last message.
            expected = found;
            continue;
          }
          if (found !== expected) {
            if (lost) throw new StorageFault('outcome-unknown', `metadata ${key}: changed by others since`, error);
            return undefined;
          }
          // What the answer spoke of is on its way through the cluster.
        } else if (isOutcomeUnknown(error)) lost = true;
        else if (!isRetriable(error)) throw faultOf(error, `metadata ${key}`);
        if (performance.now() >= deadlineMs) {
          if (!lost) throw faultOf(error, `metadata ${key}`);
          throw new StorageFault('outcome-unknown', `metadata ${key}: no answer`, error);
        }
        await delay(this.#limits.retryDelayMs);
        await this.#requester.whenConnected(deadlineMs);
      }
    }
  }

  async #publish(key: string, value: Uint8Array | undefined, expected: number, token: string): Promise<number> {
    const headers = natsHeaders();
    headers.set(EXPECTED, String(expected));
    headers.set(TOKEN, token);
    if (value === undefined) {
      headers.set(OPERATION, 'DEL');
      headers.set('Nats-TTL', DELETION_TTL);
    }
    const subject = `$KV.${this.#names.bucket}.${keyToken(key)}`;
    return answerOf<{ seq: number }>(await this.#requester.request(subject, value ?? new Uint8Array(0), headers)).seq;
  }

  /** What the leader has for the key. */
  async #stored(key: string): Promise<Stored | undefined> {
    try {
      const answer = await this.#requester.api<{ message: { seq: number; data?: string; hdrs?: string } }>(
        this.#names.api(`STREAM.MSG.GET.${this.#stream}`),
        { last_by_subj: `$KV.${this.#names.bucket}.${keyToken(key)}` },
      );
      const { seq, data = '', hdrs = '' } = answer.message;
      const headers = Buffer.from(hdrs, 'base64').toString();
      return {
        revision: seq,
        value: Buffer.from(data, 'base64'),
        deleted: headerValue(headers, OPERATION) !== '',
        token: headerValue(headers, TOKEN),
      };
    } catch (error) {
      if (isMessageNotFound(error)) return undefined;
      throw error;
    }
  }

  async #leaderHasFrom(sequence: number): Promise<boolean> {
    try {
      await nextMessage(this.#requester, this.#names, this.#stream, `$KV.${this.#names.bucket}.>`, sequence);
      return true;
    } catch (error) {
      if (isMessageNotFound(error)) return false;
      throw error;
    }
  }

  #persist<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { operationTimeoutMs, retryDelayMs } = this.#limits;
    return persist(this.#requester, performance.now() + operationTimeoutMs, retryDelayMs, what, work);
  }
}

function isRetriable(error: unknown): boolean {
  return (
    error instanceof RequestLost || (error instanceof JetStreamError && [10008, 10009, 10163].includes(error.code))
  );
}

/** The value of a header in the block as it is stored; empty when it is not there. */
function headerValue(block: string, name: string): string {
  const line = block.split('\r\n').find((one) => one.startsWith(`${name}:`));
  return line === undefined ? '' : line.slice(name.length + 1).trim();
}
