// Reads the topics out of a ConsumerProtocolSubscription. Every version begins like version 0 (version, topics), so that
// is all that is read, and later versions need no change here (Kafka: ClassicGroup.computeSubscribedTopics).

/**
 * Adds the topics that `metadata` subscribes to.
 * @returns false when the bytes are no subscription
 */
export function subscribedTopics(metadata: Buffer, topics: Set<string>): boolean {
  if (metadata.length < 6 || metadata.readInt16BE(0) < 0) return false;
  const count = metadata.readInt32BE(2);
  let at = 6;
  // Each topic takes two bytes at least: no count makes this loop run longer than the bytes allow.
  if (count < 0 || count > (metadata.length - at) / 2) return false;
  for (let i = 0; i < count; i++) {
    if (at + 2 > metadata.length) return false;
    const length = metadata.readInt16BE(at);
    at += 2;
    if (length < 0 || at + length > metadata.length) return false;
    topics.add(metadata.toString('utf8', at, at + length));
    at += length;
  }
  return true;
}
