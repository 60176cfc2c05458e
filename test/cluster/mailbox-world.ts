// Mailboxes of several nodes in this process, for tests: each with its own connections to real nats-servers.

import { type MailboxOptions, type NatsMailbox, openMailbox } from '../../cluster/mailbox/mailbox.ts';
import { systemClock, systemRandom } from '../../cluster/system-ports.ts';
import type { RemoteHandler, RemoteRequest, RemoteService } from '../../src/actors/remote/mailbox.ts';
import type { Logger } from '../../src/actors/runtime/ports.ts';

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Remembers what was logged; prints it with LOG=1. */
export class TestLogger implements Logger {
  readonly lines: LogLine[] = [];

  log(level: string, event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.lines.push({ level, event, fields });
    if (process.env.LOG !== undefined) console.error(level, event, fields);
  }
}

let lastPrefix = 0;

/** Nodes of one cluster: a subject prefix of their own keeps them apart from those of other tests. */
export class MailboxWorld {
  readonly servers: readonly string[];
  readonly prefix = `test-${process.pid}-${++lastPrefix}`;
  readonly logger = new TestLogger();
  readonly #mailboxes: NatsMailbox[] = [];

  constructor(servers: readonly string[]) {
    this.servers = servers;
  }

  async node(nodeId: number, options: Partial<MailboxOptions> = {}, handler?: RemoteHandler): Promise<NatsMailbox> {
    const mailbox = await openMailbox({
      servers: this.servers,
      subjectPrefix: this.prefix,
      nodeId,
      clock: systemClock,
      random: systemRandom,
      logger: this.logger,
      connectTimeoutMs: 5_000,
      ...options,
    });
    if (handler !== undefined) mailbox.serve(handler);
    this.#mailboxes.push(mailbox);
    return mailbox;
  }

  async close(): Promise<void> {
    await Promise.all(this.#mailboxes.map((mailbox) => mailbox.close()));
  }
}

/** A request with the usual parts filled in. */
export function requestOf(message: unknown, parts: Partial<RemoteRequest> = {}): RemoteRequest {
  const service: RemoteService = 'group';
  return { service, key: 'k', kind: 'echo', timeoutMs: 5_000, trace: undefined, ...parts, message };
}

/** Resolves when `condition` holds, looking each 5 ms; rejects with what was awaited after `timeoutMs`. */
export async function until(what: string, condition: () => boolean, timeoutMs = 10_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
