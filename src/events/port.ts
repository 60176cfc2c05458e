// The port through which the node's parts tell what happens. Calls are on the hot path: no objects, plain arguments.
// States (how many, how much, how old) are not told here; they are looked at when somebody asks (src/actors/inspection.ts).

import type { AnyApi } from '../protocol/schema/define.ts';

export interface Events {
  /**
   * A request has its response.
   * @param elapsedMs from its frame on, waits included
   * @param responseBytes 0 when there is no response
   * @param response as the handler gave it, for its error codes; undefined when there is none
   */
  requestServed(
    api: AnyApi,
    apiVersion: number,
    elapsedMs: number,
    requestBytes: number,
    responseBytes: number,
    response: unknown,
  ): void;
  connectionOpened(listener: string): void;
  /** @param reason why; up to a colon it is one of few */
  connectionClosed(reason: string): void;
  /** Records of a topic have become durable. */
  produced(topic: string, records: number, bytes: number): void;
  /** Records of a topic are in a response. */
  fetched(topic: string, records: number, bytes: number): void;
  /** A read found its batches in the tail cache, or not. */
  cacheRead(hit: boolean): void;
  /** An actor has handled a message. */
  actorTurn(actorKind: string, messageKind: string): void;
  actorRestarted(actorKind: string): void;
  actorGivenUp(actorKind: string): void;
  /** A message was refused because the mailbox was full. */
  messageRefused(actorKind: string): void;
  /** An append to a shard has become durable. @param submissions turns in the group */
  appended(elapsedMs: number, bytes: number, submissions: number): void;
  appendFailed(code: string): void;
  /** Another node has answered. @param failure the fault's code, if it was one */
  remoteRequest(service: string, elapsedMs: number, failure: string | undefined): void;
  /** Another node was answered. */
  remoteServed(service: string): void;
}

const ignore = (): void => {};

/** Nobody listens. */
export const noEvents: Events = {
  requestServed: ignore,
  connectionOpened: ignore,
  connectionClosed: ignore,
  produced: ignore,
  fetched: ignore,
  cacheRead: ignore,
  actorTurn: ignore,
  actorRestarted: ignore,
  actorGivenUp: ignore,
  messageRefused: ignore,
  appended: ignore,
  appendFailed: ignore,
  remoteRequest: ignore,
  remoteServed: ignore,
};
