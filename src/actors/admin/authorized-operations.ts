// What a client may do, as the bit fields of KIP-430. Without an authorizer Kafka grants every operation that a kind of
// resource has (AclEntry.supportedOperations); bit n stands for the operation with code n (AclOperation).

const read = 1 << 3;
const write = 1 << 4;
const create = 1 << 5;
const remove = 1 << 6;
const alter = 1 << 7;
const describe = 1 << 8;
const clusterAction = 1 << 9;
const describeConfigs = 1 << 10;
const alterConfigs = 1 << 11;
const idempotentWrite = 1 << 12;

/** Every operation there is on a topic. */
export const TOPIC_OPERATIONS = read | write | create | remove | alter | describe | describeConfigs | alterConfigs;
/** Every operation there is on the cluster. */
export const CLUSTER_OPERATIONS =
  create | alter | describe | clusterAction | describeConfigs | alterConfigs | idempotentWrite;
/** Every operation there is on a group. */
export const GROUP_OPERATIONS = read | remove | describe | describeConfigs | alterConfigs;
/** The client has not asked. */
export const OPERATIONS_NOT_ASKED = -2147483648;
