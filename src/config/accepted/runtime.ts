// Kafka's broker properties about threads, sockets, quotas and metrics: taken, checked, described, and without effect here.

import { acceptedRows } from './rows.ts';

export const threads = acceptedRows('an event loop serves everything; there are no pools of threads to size', [
  ['background.threads', 'INT', '10', { min: 1, dynamic: 'cluster-wide' }],
  ['delete.records.purgatory.purge.interval.requests', 'INT', '1'],
  ['fetch.purgatory.purge.interval.requests', 'INT', '1000'],
  ['group.coordinator.background.threads', 'INT', '2', { min: 1 }],
  ['group.coordinator.threads', 'INT', '4', { min: 1 }],
  ['num.io.threads', 'INT', '8', { min: 1, dynamic: 'cluster-wide' }],
  ['num.network.threads', 'INT', '3', { min: 1, dynamic: 'cluster-wide' }],
  ['producer.purgatory.purge.interval.requests', 'INT', '1000'],
  ['share.fetch.purgatory.purge.interval.requests', 'INT', '1000'],
]);

export const metrics = acceptedRows('metrics do not come from the Java classes these options name or tune', [
  ['kafka.metrics.polling.interval.secs', 'INT', '10', { min: 1 }],
  ['kafka.metrics.reporters', 'LIST', ''],
  ['metric.reporters', 'LIST', 'org.apache.kafka.common.metrics.JmxReporter', { dynamic: 'cluster-wide' }],
  ['metrics.num.samples', 'INT', '2', { min: 1 }],
  ['metrics.recording.level', 'STRING', 'INFO'],
  ['metrics.sample.window.ms', 'LONG', '30000', { min: 1 }],
  ['telemetry.max.bytes', 'INT', '1048576', { min: 1 }],
]);

export const limits = acceptedRows(
  'other limits hold requests and connections: see queued.max.request.bytes, connection.requests.in.flight.max and max.connections',
  [
    ['max.connection.creation.rate', 'INT', '2147483647', { min: 0, dynamic: 'cluster-wide' }],
    ['queued.max.requests', 'INT', '500', { min: 1 }],
  ],
);

export const quotas = acceptedRows('there are no quotas', [
  ['quota.window.num', 'INT', '11', { min: 1 }],
  ['quota.window.size.seconds', 'INT', '1', { min: 1 }],
]);

export const buffers = acceptedRows('the operating system sizes the buffers of sockets', [
  ['socket.receive.buffer.bytes', 'INT', '102400'],
  ['socket.send.buffer.bytes', 'INT', '102400'],
]);
