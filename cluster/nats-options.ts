// What the node's options say of NATS and of the mailbox between nodes.

import type { BrokerConfig } from '../src/config.ts';
import type { MailboxLimits } from './mailbox/limits.ts';
import type { NatsAccess } from './nats-connection.ts';

/** Servers, credentials and TLS, for the mailbox and for whoever else connects to NATS. */
export function natsAccess(config: BrokerConfig): NatsAccess {
  const tls =
    config.natsTlsEnable ||
    config.natsTlsHandshakeFirst ||
    config.natsTlsCaFile !== null ||
    config.natsTlsCertFile !== null ||
    config.natsServers.some((server) => server.startsWith('tls://'));
  return {
    servers: config.natsServers,
    credentials: {
      user: config.natsUser,
      password: config.natsPassword,
      token: config.natsToken,
      credsFile: config.natsCredsFile,
      nkeyFile: config.natsNkeyFile,
    },
    tls: tls
      ? {
          caFile: config.natsTlsCaFile,
          certFile: config.natsTlsCertFile,
          keyFile: config.natsTlsKeyFile,
          handshakeFirst: config.natsTlsHandshakeFirst,
        }
      : undefined,
  };
}

/** Servers are pinged so often that a dead one is left within half the time in which a node counts as dead, ms. */
export function natsPingIntervalMs(config: BrokerConfig): number {
  return Math.max(50, Math.floor(config.failureDetectionMs / 6));
}

export function mailboxLimits(config: BrokerConfig): Partial<MailboxLimits> {
  return {
    requestsMax: config.remoteRequestsMax,
    requestBytesMax: config.remoteRequestBytesMax,
    windowBytesMax: config.remoteWindowBytes,
  };
}
