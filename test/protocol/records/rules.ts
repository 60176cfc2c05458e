// The rules of a topic with Kafka's defaults, for tests that vary one of them.
import type { ProduceRules } from '../../../src/protocol/records/validate.ts';

/** 2026-01-01T00:00:00Z: the broker's clock in these tests. */
export const NOW_MS = 1_767_225_600_000n;

export function rules(changed: Partial<ProduceRules> = {}): ProduceRules {
  return {
    apiVersion: 9,
    maxMessageBytes: 1_048_588,
    timestampType: 'CreateTime',
    timestampBeforeMaxMs: 2n ** 63n - 1n,
    timestampAfterMaxMs: 3_600_000n,
    nowMs: NOW_MS,
    compressionType: 'producer',
    compacted: false,
    ...changed,
  };
}
