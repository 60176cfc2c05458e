// The state of every part of the node, as /readyz shows it. Parts add their checks; a check that throws or takes too long
// makes its part unready, and hides no other.

import type { Health, HealthCheck, HealthReport } from '../../src/events.ts';

/** How long a check may take, ms. */
const CHECK_TIMEOUT_MS = 1_000;

export class HealthRegistry {
  readonly #checks = new Map<string, HealthCheck>();
  readonly #checkTimeoutMs: number;

  constructor({ checkTimeoutMs = CHECK_TIMEOUT_MS }: { readonly checkTimeoutMs?: number } = {}) {
    this.#checkTimeoutMs = checkTimeoutMs;
  }

  /** Adds the check of a part; one of the same name replaces the former. */
  add(part: string, check: HealthCheck): void {
    this.#checks.set(part, check);
  }

  /** Asks all. Ready: each of them is. */
  async report(): Promise<HealthReport> {
    const parts = await Promise.all(
      [...this.#checks].map(async ([part, check]) => [part, await answerOf(check, this.#checkTimeoutMs)] as const),
    );
    return { ready: parts.every(([, { ready }]) => ready), parts: Object.fromEntries(parts) };
  }
}

async function answerOf(check: HealthCheck, timeoutMs: number): Promise<Health> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Health>((resolve) => {
    const health = { ready: false, reason: `no answer within ${timeoutMs} ms` };
    timer = setTimeout(() => resolve(health), timeoutMs);
  });
  try {
    return await Promise.race([Promise.resolve(check()), late]);
  } catch (error) {
    return { ready: false, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}
