// Topic ids: random, never given twice, and none that Kafka reserves (org.apache.kafka.common.Uuid).

import type { Random } from '../runtime/ports.ts';

/** The id that stands for no topic. */
export const ZERO_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAA';

/** A random (version 4) UUID as Kafka prints it. Like Kafka's, it does not start with '-', which tools take for a flag. */
export function randomTopicId(random: Random): string {
  for (;;) {
    const bytes = Buffer.from(random.bytes(16));
    // RFC 9562, section 5.4: the version and variant bits also keep it away from the reserved ids, all below 100.
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const id = bytes.toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}
