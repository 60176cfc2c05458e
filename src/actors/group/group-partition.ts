// Which partition of `__consumer_offsets` a group belongs to: as Kafka decides it, so that tools agree on it
// (GroupCoordinatorService.partitionFor, java.lang.String.hashCode, Utils.abs).

/** @param partitionCount partitions of `__consumer_offsets`, fixed for ever */
export function groupPartition(groupId: string, partitionCount: number): number {
  let hash = 0;
  for (let i = 0; i < groupId.length; i++) hash = (Math.imul(hash, 31) + groupId.charCodeAt(i)) | 0;
  // Kafka's abs: the smallest int, which has no positive counterpart, becomes 0.
  return (hash === -0x80000000 ? 0 : Math.abs(hash)) % partitionCount;
}
