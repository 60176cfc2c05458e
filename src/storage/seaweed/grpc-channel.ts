// One gRPC channel to one address (a broker or a filer): calls with deadlines, and their failures as operating faults.
//
// Channels reconnect by themselves, quickly: a restarted broker is to be found within a second or two, not within the
// two minutes that gRPC's default back-off grows to.

import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { StorageFault } from '../../actors/shard/ports.ts';
import type { Method } from './protos.ts';

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Channels to one address share a connection unless told otherwise; each store has its own.
  'grpc.use_local_subchannel_pool': 1,
};

/** A frame that is encoded already passes through. */
const asIs = (frame: Buffer): Buffer => frame;

export class GrpcChannel {
  readonly address: string;
  readonly #client: Client;
  #closed = false;

  constructor(address: string, credentials: ChannelCredentials) {
    this.address = address;
    this.#client = new Client(address, credentials, CHANNEL_OPTIONS);
  }

  /** A call with one request and one response. @throws StorageFault */
  unary<Request extends object, Response extends object>(
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#expectOpen(method.path);
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize as (value: Buffer) => Response,
        request,
        new Metadata(),
        { deadline: deadlineIn(timeoutMs) },
        (error, response) => {
          if (error !== null) reject(grpcFault(this.address, method.path, error));
          else resolve(response as Response);
        },
      );
    });
  }

  /** A call whose response is a stream. Without a deadline it lasts until it is cancelled or breaks. @throws StorageFault */
  serverStream<Request extends object, Response extends object>(
    method: Method<Request, Response>,
    request: Request,
    timeoutMs?: number,
  ): ClientReadableStream<Response> {
    this.#expectOpen(method.path);
    return this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize as (value: Buffer) => Response,
      request,
      new Metadata(),
      timeoutMs === undefined ? {} : { deadline: deadlineIn(timeoutMs) },
    );
  }

  /** A call with streams both ways whose requests are encoded by the caller. @throws StorageFault */
  frameStream<Response extends object>(method: Method<never, Response>): ClientDuplexStream<Buffer, Response> {
    this.#expectOpen(method.path);
    return this.#client.makeBidiStreamRequest(
      method.path,
      asIs,
      method.responseDeserialize as (value: Buffer) => Response,
      new Metadata(),
      {},
    );
  }

  close(): void {
    this.#closed = true;
    this.#client.close();
  }

  #expectOpen(path: string): void {
    if (this.#closed) throw grpcFault(this.address, path, new Error('the store is closed'));
  }
}

/** The operating fault for a failed call. Everything here may be tried again: no call that matters is known to be done. */
export function grpcFault(address: string, path: string, error: ServiceError | Error): StorageFault {
  const code = (error as ServiceError).code;
  const name = code === undefined ? '' : `${status[code]} `;
  const text = (error as ServiceError).details ?? error.message;
  return new StorageFault('unavailable', `${path.split('/').pop()} at ${address}: ${name}${text}`, error);
}

function deadlineIn(timeoutMs: number): Date {
  return new Date(Date.now() + timeoutMs);
}
