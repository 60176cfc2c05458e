// What has happened on this node since its start, as plain numbers: the listener behind the `Events` port. Nothing here
// allocates once a series exists; /metrics reads the numbers when it is asked.

import { forEachErrorCode } from '../../src/actors/router/response-errors.ts';
import { type Events, metrics } from '../../src/events.ts';
import { describeError } from '../../src/protocol/errors.ts';
import type { AnyApi } from '../../src/protocol/schema/define.ts';
import { Histogram } from './histogram.ts';

/** The figures of one API. */
export interface ApiMeter {
  readonly name: string;
  /** By version. */
  readonly latencies: (Histogram | undefined)[];
  /** Occurrences by error code. */
  readonly errors: Map<number, number>;
  requestBytes: number;
  responseBytes: number;
}

export interface TopicMeter {
  producedRecords: number;
  producedBytes: number;
  fetchedRecords: number;
  fetchedBytes: number;
}

/** The topics beyond the bound, together. No topic has an empty name. */
const OTHER_TOPICS = '';

export class Meters implements Events {
  readonly #topicsMax: number;
  /** By API key. */
  readonly apis: (ApiMeter | undefined)[] = [];
  readonly topics = new Map<string, TopicMeter>();
  readonly connectionsOpened = new Map<string, number>();
  readonly connectionsClosed = new Map<string, number>();
  cacheHits = 0;
  cacheMisses = 0;
  /** Turns by kind of actor and of message. */
  readonly turns = new Map<string, Map<string, number>>();
  readonly restarts = new Map<string, number>();
  readonly givenUp = new Map<string, number>();
  readonly refused = new Map<string, number>();
  readonly appendLatency = new Histogram(metrics.sargasso_journal_append_duration_seconds.buckets ?? []);
  appendedBytes = 0;
  appendedSubmissions = 0;
  readonly appendErrors = new Map<string, number>();
  readonly remoteLatencies = new Map<string, Histogram>();
  readonly remoteErrors = new Map<string, Map<string, number>>();
  readonly remoteServes = new Map<string, number>();
  readonly #countError = (errorCode: number): void => add(this.#errors, errorCode);
  /** Where `#countError` counts, so that a response needs no closure. */
  #errors = new Map<number, number>();

  /** @param topicsMax topics with figures of their own */
  constructor(topicsMax: number) {
    this.#topicsMax = topicsMax;
  }

  requestServed(
    api: AnyApi,
    apiVersion: number,
    elapsedMs: number,
    requestBytes: number,
    responseBytes: number,
    response: unknown,
  ): void {
    const meter = this.apis[api.key] ?? this.#newApi(api);
    let latency = meter.latencies[apiVersion];
    if (latency === undefined) {
      latency = new Histogram(metrics.sargasso_request_duration_seconds.buckets ?? []);
      meter.latencies[apiVersion] = latency;
    }
    latency.observe(elapsedMs / 1000);
    meter.requestBytes += requestBytes;
    meter.responseBytes += responseBytes;
    if (response === undefined) return;
    this.#errors = meter.errors;
    forEachErrorCode(api, response, this.#countError);
  }

  connectionOpened(listener: string): void {
    add(this.connectionsOpened, listener);
  }

  connectionClosed(reason: string): void {
    const colon = reason.indexOf(':');
    add(this.connectionsClosed, colon < 0 ? reason : reason.slice(0, colon));
  }

  produced(topic: string, records: number, bytes: number): void {
    const meter = this.topics.get(topic) ?? this.#newTopic(topic);
    meter.producedRecords += records;
    meter.producedBytes += bytes;
  }

  fetched(topic: string, records: number, bytes: number): void {
    const meter = this.topics.get(topic) ?? this.#newTopic(topic);
    meter.fetchedRecords += records;
    meter.fetchedBytes += bytes;
  }

  cacheRead(hit: boolean): void {
    if (hit) this.cacheHits++;
    else this.cacheMisses++;
  }

  actorTurn(actorKind: string, messageKind: string): void {
    let byMessage = this.turns.get(actorKind);
    if (byMessage === undefined) {
      byMessage = new Map();
      this.turns.set(actorKind, byMessage);
    }
    add(byMessage, messageKind);
  }

  actorRestarted(actorKind: string): void {
    add(this.restarts, actorKind);
  }

  actorGivenUp(actorKind: string): void {
    add(this.givenUp, actorKind);
  }

  messageRefused(actorKind: string): void {
    add(this.refused, actorKind);
  }

  appended(elapsedMs: number, bytes: number, submissions: number): void {
    this.appendLatency.observe(elapsedMs / 1000);
    this.appendedBytes += bytes;
    this.appendedSubmissions += submissions;
  }

  appendFailed(code: string): void {
    add(this.appendErrors, code);
  }

  remoteRequest(service: string, elapsedMs: number, failure: string | undefined): void {
    let latency = this.remoteLatencies.get(service);
    if (latency === undefined) {
      latency = new Histogram(metrics.sargasso_remote_request_duration_seconds.buckets ?? []);
      this.remoteLatencies.set(service, latency);
    }
    latency.observe(elapsedMs / 1000);
    if (failure === undefined) return;
    const codes = this.remoteErrors.get(service) ?? new Map<string, number>();
    this.remoteErrors.set(service, codes);
    add(codes, failure);
  }

  remoteServed(service: string): void {
    add(this.remoteServes, service);
  }

  /** Forgets a topic that is deleted, so that its place is free for another. */
  forgetTopic(topic: string): void {
    this.topics.delete(topic);
  }

  #newApi(api: AnyApi): ApiMeter {
    const meter: ApiMeter = { name: api.name, latencies: [], errors: new Map(), requestBytes: 0, responseBytes: 0 };
    this.apis[api.key] = meter;
    return meter;
  }

  #newTopic(topic: string): TopicMeter {
    const ownCount = this.topics.size - (this.topics.has(OTHER_TOPICS) ? 1 : 0);
    if (ownCount >= this.#topicsMax && topic !== OTHER_TOPICS)
      return this.topics.get(OTHER_TOPICS) ?? this.#newTopic(OTHER_TOPICS);
    const meter: TopicMeter = { producedRecords: 0, producedBytes: 0, fetchedRecords: 0, fetchedBytes: 0 };
    this.topics.set(topic, meter);
    return meter;
  }
}

/** Kafka's name of an error code. */
export function errorName(errorCode: number): string {
  return describeError(errorCode).name;
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
