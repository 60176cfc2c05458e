// Kafka's broker properties that must not be ignored: a broker that took them without effect would be less safe, or do
// something else, than its configuration says. Set to anything but their defaults they stop the start.

import { refusedRows } from './rows.ts';

export const plugins = refusedRows(
  'Java classes cannot be loaded, and starting without this one would drop a safeguard',
  [
    ['alter.config.policy.class.name', 'CLASS', null],
    ['authorizer.class.name', 'STRING', ''],
    ['client.quota.callback.class', 'CLASS', null],
    ['create.topic.policy.class.name', 'CLASS', null],
    [
      'principal.builder.class',
      'CLASS',
      'org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder',
      { dynamic: 'per-broker' },
    ],
  ],
);

export const providers = refusedRows('configuration providers are not supported: write the values themselves', [
  ['config.providers', 'LIST', '', { dynamic: 'cluster-wide' }],
]);

export const tieredStorage = refusedRows('there is no tiered storage', [
  ['remote.log.storage.system.enable', 'BOOLEAN', 'false'],
]);
