// Kafka's error codes: number, whether a client may simply try again (a RetriableException in the Java client), and what
// it says, which is also what an `errorMessage` field holds when nobody knows better
// (org.apache.kafka.common.protocol.Errors).

const table = {
  UNKNOWN_SERVER_ERROR: [-1, false, 'The broker failed in a way it did not foresee.'],
  NONE: [0, false, ''],
  OFFSET_OUT_OF_RANGE: [1, false, 'The offset lies outside what the partition holds.'],
  CORRUPT_MESSAGE: [2, true, 'A record batch is damaged or breaks a rule of its topic.'],
  UNKNOWN_TOPIC_OR_PARTITION: [3, true, 'No such topic or partition is known here.'],
  INVALID_FETCH_SIZE: [4, false, 'The fetch size is not valid.'],
  LEADER_NOT_AVAILABLE: [5, true, 'The partition has no leader at the moment.'],
  NOT_LEADER_OR_FOLLOWER: [6, true, 'This broker does not lead the partition.'],
  REQUEST_TIMED_OUT: [7, true, 'The request did not finish in the time it was given.'],
  BROKER_NOT_AVAILABLE: [8, false, 'No broker is available for this.'],
  REPLICA_NOT_AVAILABLE: [9, true, 'The replica is not available.'],
  MESSAGE_TOO_LARGE: [10, false, 'A record batch is larger than the broker or the topic allows.'],
  STALE_CONTROLLER_EPOCH: [11, false, 'The request comes from a former controller.'],
  OFFSET_METADATA_TOO_LARGE: [12, false, 'The metadata string of an offset commit is too long.'],
  NETWORK_EXCEPTION: [13, true, 'The connection ended before the answer came.'],
  COORDINATOR_LOAD_IN_PROGRESS: [14, true, 'The coordinator is still loading its state.'],
  COORDINATOR_NOT_AVAILABLE: [15, true, 'No coordinator is available.'],
  NOT_COORDINATOR: [16, true, 'This broker is not the coordinator.'],
  INVALID_TOPIC_EXCEPTION: [17, false, 'The topic name is not valid, or the topic does not allow the operation.'],
  RECORD_LIST_TOO_LARGE: [18, false, 'The record batches together are larger than a segment may be.'],
  NOT_ENOUGH_REPLICAS: [19, true, 'Fewer replicas are in sync than the topic requires; nothing was written.'],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [20, true, 'Written, but fewer replicas are in sync than the topic requires.'],
  INVALID_REQUIRED_ACKS: [21, false, 'acks must be -1, 0 or 1.'],
  ILLEGAL_GENERATION: [22, false, 'The generation is not the current one of the group.'],
  INCONSISTENT_GROUP_PROTOCOL: [23, false, 'The member shares no protocol with the group, or offers none.'],
  INVALID_GROUP_ID: [24, false, 'The group id is not valid.'],
  UNKNOWN_MEMBER_ID: [25, false, 'The group has no such member.'],
  INVALID_SESSION_TIMEOUT: [26, false, 'The session time-out lies outside what the broker allows.'],
  REBALANCE_IN_PROGRESS: [27, false, 'The group is rebalancing; the member has to join again.'],
  INVALID_COMMIT_OFFSET_SIZE: [28, false, 'The offset commit is larger than the broker stores.'],
  TOPIC_AUTHORIZATION_FAILED: [29, false, 'Not authorized for the topic.'],
  GROUP_AUTHORIZATION_FAILED: [30, false, 'Not authorized for the group.'],
  CLUSTER_AUTHORIZATION_FAILED: [31, false, 'Not authorized for the cluster.'],
  INVALID_TIMESTAMP: [32, false, 'A record timestamp lies outside what the topic accepts.'],
  UNSUPPORTED_SASL_MECHANISM: [33, false, 'The SASL mechanism is not offered here.'],
  ILLEGAL_SASL_STATE: [34, false, 'The request does not fit the state of the SASL exchange.'],
  UNSUPPORTED_VERSION: [35, false, 'The API is not served in this version.'],
  TOPIC_ALREADY_EXISTS: [36, false, 'A topic of this name exists.'],
  INVALID_PARTITIONS: [37, false, 'The number of partitions is not valid.'],
  INVALID_REPLICATION_FACTOR: [38, false, 'The replication factor is below 1 or above the number of brokers.'],
  INVALID_REPLICA_ASSIGNMENT: [39, false, 'The replica assignment is not valid.'],
  INVALID_CONFIG: [40, false, 'A config is unknown or its value is not valid.'],
  NOT_CONTROLLER: [41, true, 'This broker is not the controller.'],
  INVALID_REQUEST: [42, false, 'The request is malformed or contradicts itself.'],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: [43, false, 'The message format does not support the request.'],
  POLICY_VIOLATION: [44, false, 'The request breaks a configured policy.'],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [45, false, 'The producer skipped a sequence number.'],
  DUPLICATE_SEQUENCE_NUMBER: [46, false, 'The sequence number was used before.'],
  INVALID_PRODUCER_EPOCH: [47, false, 'The producer epoch is older than the current one.'],
  INVALID_TXN_STATE: [48, false, 'The transaction is not in a state that allows this.'],
  INVALID_PRODUCER_ID_MAPPING: [49, false, 'The producer id does not belong to the transactional id.'],
  INVALID_TRANSACTION_TIMEOUT: [50, false, 'The transaction time-out is larger than the broker allows.'],
  CONCURRENT_TRANSACTIONS: [51, true, 'Another operation on the transaction is still under way.'],
  TRANSACTION_COORDINATOR_FENCED: [52, false, 'The transaction markers come from a former coordinator.'],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [53, false, 'Not authorized for the transactional id.'],
  SECURITY_DISABLED: [54, false, 'Security features are switched off.'],
  OPERATION_NOT_ATTEMPTED: [55, false, 'Not tried, since another part of the request failed.'],
  KAFKA_STORAGE_ERROR: [56, true, 'The store failed.'],
  LOG_DIR_NOT_FOUND: [57, false, 'No such log directory is configured.'],
  SASL_AUTHENTICATION_FAILED: [58, false, 'SASL authentication failed.'],
  UNKNOWN_PRODUCER_ID: [59, false, 'The partition remembers nothing of the producer id.'],
  REASSIGNMENT_IN_PROGRESS: [60, false, 'A partition reassignment is under way.'],
  DELEGATION_TOKEN_AUTH_DISABLED: [61, false, 'Delegation tokens are switched off.'],
  DELEGATION_TOKEN_NOT_FOUND: [62, false, 'No such delegation token is known.'],
  DELEGATION_TOKEN_OWNER_MISMATCH: [63, false, 'The delegation token belongs to somebody else.'],
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: [64, false, 'Delegation tokens are not handed out on such a connection.'],
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: [65, false, 'Not authorized for the delegation token.'],
  DELEGATION_TOKEN_EXPIRED: [66, false, 'The delegation token has expired.'],
  INVALID_PRINCIPAL_TYPE: [67, false, 'The principal type is not supported.'],
  NON_EMPTY_GROUP: [68, false, 'The group has members.'],
  GROUP_ID_NOT_FOUND: [69, false, 'No such group exists.'],
  FETCH_SESSION_ID_NOT_FOUND: [70, true, 'No such fetch session exists.'],
  INVALID_FETCH_SESSION_EPOCH: [71, true, 'The fetch session expected another epoch.'],
  LISTENER_NOT_FOUND: [72, true, 'The leader has no listener that matches this one.'],
  TOPIC_DELETION_DISABLED: [73, false, 'Deleting topics is switched off.'],
  FENCED_LEADER_EPOCH: [74, true, 'The leader epoch is older than the current one.'],
  UNKNOWN_LEADER_EPOCH: [75, true, 'The leader epoch is newer than any known here.'],
  UNSUPPORTED_COMPRESSION_TYPE: [76, false, 'The compression cannot be used with this version of the API.'],
  STALE_BROKER_EPOCH: [77, false, 'The broker epoch is not the current one.'],
  OFFSET_NOT_AVAILABLE: [78, true, 'The new leader does not know its high watermark yet.'],
  MEMBER_ID_REQUIRED: [79, false, 'Join again with the member id given in the answer.'],
  PREFERRED_LEADER_NOT_AVAILABLE: [80, true, 'The preferred leader is not available.'],
  GROUP_MAX_SIZE_REACHED: [81, false, 'The group has as many members as it may have.'],
  FENCED_INSTANCE_ID: [82, false, 'Another member has taken over the group instance id.'],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: [83, true, 'No replica that could lead is available.'],
  ELECTION_NOT_NEEDED: [84, true, 'The partition has the right leader as it is.'],
  NO_REASSIGNMENT_IN_PROGRESS: [85, false, 'No partition reassignment is under way.'],
  GROUP_SUBSCRIBED_TO_TOPIC: [86, false, 'The group is subscribed to the topic, so its offsets stay.'],
  INVALID_RECORD: [87, false, 'A record breaks a rule of the broker or the topic.'],
  UNSTABLE_OFFSET_COMMIT: [88, true, 'A transaction that commits offsets of the partition is open.'],
  THROTTLING_QUOTA_EXCEEDED: [89, true, 'The quota is used up.'],
  PRODUCER_FENCED: [90, false, 'A newer producer has taken over the transactional id.'],
  RESOURCE_NOT_FOUND: [91, false, 'The request names something that does not exist.'],
  DUPLICATE_RESOURCE: [92, false, 'The request names the same thing twice.'],
  UNACCEPTABLE_CREDENTIAL: [93, false, 'The credential does not meet the requirements.'],
  INCONSISTENT_VOTER_SET: [94, false, 'Sender or recipient is not one of the voters.'],
  INVALID_UPDATE_VERSION: [95, false, 'The update version is not valid.'],
  FEATURE_UPDATE_FAILED: [96, false, 'The features could not be updated.'],
  PRINCIPAL_DESERIALIZATION_FAILURE: [97, false, 'The principal of a forwarded request cannot be read.'],
  SNAPSHOT_NOT_FOUND: [98, false, 'No such snapshot exists.'],
  POSITION_OUT_OF_RANGE: [99, false, 'The position lies outside the snapshot.'],
  UNKNOWN_TOPIC_ID: [100, true, 'No topic with this id is known here.'],
  DUPLICATE_BROKER_REGISTRATION: [101, false, 'The broker id is taken.'],
  BROKER_ID_NOT_REGISTERED: [102, false, 'The broker id is not registered.'],
  INCONSISTENT_TOPIC_ID: [103, true, 'The log belongs to a topic with another id.'],
  INCONSISTENT_CLUSTER_ID: [104, false, 'The request is meant for another cluster.'],
  TRANSACTIONAL_ID_NOT_FOUND: [105, false, 'No such transactional id is known.'],
  FETCH_SESSION_TOPIC_ID_ERROR: [106, true, 'The fetch session mixes topic names and topic ids.'],
  INELIGIBLE_REPLICA: [107, false, 'The new in-sync set has a replica that may not be in it.'],
  NEW_LEADER_ELECTED: [108, false, 'The change was made and brought a new leader.'],
  OFFSET_MOVED_TO_TIERED_STORAGE: [109, false, 'The offset lies in tiered storage.'],
  FENCED_MEMBER_EPOCH: [110, false, 'The member epoch is fenced; give up all partitions and join again.'],
  UNRELEASED_INSTANCE_ID: [111, false, 'Another member still holds the instance id.'],
  UNSUPPORTED_ASSIGNOR: [112, false, 'The group does not support the assignor.'],
  STALE_MEMBER_EPOCH: [113, false, 'The member epoch is old; take the current one from a heartbeat.'],
  MISMATCHED_ENDPOINT_TYPE: [114, false, 'The endpoint is not of the type that the request is for.'],
  UNSUPPORTED_ENDPOINT_TYPE: [115, false, 'The endpoint type is not supported.'],
  UNKNOWN_CONTROLLER_ID: [116, false, 'No such controller is known.'],
  UNKNOWN_SUBSCRIPTION_ID: [117, false, 'The telemetry subscription is not the current one.'],
  TELEMETRY_TOO_LARGE: [118, false, 'The telemetry is larger than the broker accepts.'],
  INVALID_REGISTRATION: [119, false, 'The broker registration is not valid.'],
  TRANSACTION_ABORTABLE: [120, false, 'The transaction failed; abort it to go on with this transactional id.'],
  INVALID_RECORD_STATE: [121, false, 'The record is not in a state that can be acknowledged.'],
  SHARE_SESSION_NOT_FOUND: [122, true, 'No such share session exists.'],
  INVALID_SHARE_SESSION_EPOCH: [123, true, 'The share session expected another epoch.'],
  FENCED_STATE_EPOCH: [124, false, 'The share group state has another epoch.'],
  INVALID_VOTER_KEY: [125, false, 'The voter key is not that of the replica.'],
  DUPLICATE_VOTER: [126, false, 'The voter is one already.'],
  VOTER_NOT_FOUND: [127, false, 'No such voter exists.'],
  INVALID_REGULAR_EXPRESSION: [128, false, 'The regular expression is not valid.'],
  REBOOTSTRAP_REQUIRED: [129, false, 'The metadata is too old to go on from; bootstrap again.'],
  STREAMS_INVALID_TOPOLOGY: [130, false, 'The topology is not valid.'],
  STREAMS_INVALID_TOPOLOGY_EPOCH: [131, false, 'The topology epoch is not valid.'],
  STREAMS_TOPOLOGY_FENCED: [132, false, 'The topology epoch is not the current one.'],
  SHARE_SESSION_LIMIT_REACHED: [133, true, 'No further share session may be opened.'],
} as const satisfies Readonly<Record<string, readonly [code: number, retriable: boolean, message: string]>>;

export type ErrorName = keyof typeof table;

/** `ErrorCode.NOT_COORDINATOR` and so on. */
export const ErrorCode = Object.fromEntries(Object.entries(table).map(([name, [code]]) => [name, code])) as {
  readonly [Name in ErrorName]: (typeof table)[Name][0];
};

/** Any of Kafka's error codes. */
export type ErrorCode = (typeof ErrorCode)[ErrorName];

export interface ErrorDescription {
  readonly name: ErrorName;
  readonly code: ErrorCode;
  readonly retriable: boolean;
  readonly message: string;
}

/** All errors, in the order of their codes. */
export const errors: readonly ErrorDescription[] = Object.entries(table).map(([name, [code, retriable, message]]) => ({
  name: name as ErrorName,
  code,
  retriable,
  message,
}));

const errorByCode: ReadonlyMap<number, ErrorDescription> = new Map(errors.map((error) => [error.code, error]));

/** What is known of a code; that of UNKNOWN_SERVER_ERROR for one that Kafka does not define, as its clients do. */
export function describeError(code: number): ErrorDescription {
  return errorByCode.get(code) ?? errorByCode.get(ErrorCode.UNKNOWN_SERVER_ERROR)!;
}
