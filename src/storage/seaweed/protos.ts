// The gRPC methods of SeaweedMQ brokers and SeaweedFS filers, from the .proto files beside this one, with the types of
// what goes in and out. int64 travels as a decimal string: a partition's unix_time_ns exceeds 2^53, and as a JavaScript
// number it would no longer name the partition.

import { fileURLToPath } from 'node:url';
import type { MethodDefinition } from '@grpc/proto-loader';
import { loadSync, type PackageDefinition, type ServiceDefinition } from '@grpc/proto-loader';

export interface MqTopic {
  readonly namespace: string;
  readonly name: string;
}

export interface MqPartition {
  readonly ring_size: number;
  readonly range_start: number;
  readonly range_stop: number;
  readonly unix_time_ns: string;
}

export interface BrokerPartitionAssignment {
  readonly partition: MqPartition | null;
  /** `host:port`; empty while the balancer knows of no broker. */
  readonly leader_broker: string;
}

export interface ConfigureTopicRequest {
  readonly topic: MqTopic;
  readonly partition_count: number;
}

export interface ConfigureTopicResponse {
  readonly broker_partition_assignments: readonly BrokerPartitionAssignment[];
}

export interface PublishMessageRequest {
  readonly init: {
    readonly topic: MqTopic;
    readonly partition: MqPartition;
    readonly ack_interval: number;
    readonly publisher_name: string;
  };
}

export interface PublishMessageResponse {
  readonly ack_ts_ns: string;
  readonly error: string;
  readonly should_close: boolean;
  readonly error_code: number;
  readonly assigned_offset: string;
}

export interface FilerChunk {
  readonly file_id: string;
  readonly size: string;
  readonly fid: { readonly volume_id: number; readonly file_key: string; readonly cookie: number } | null;
  readonly is_chunk_manifest: boolean;
}

export interface FilerEntry {
  readonly name: string;
  readonly is_directory: boolean;
  readonly chunks: readonly FilerChunk[];
}

export interface ListEntriesRequest {
  readonly directory: string;
  readonly prefix: string;
  readonly start_from_file_name: string;
  readonly inclusive_start_from: boolean;
  readonly limit: number;
}

export interface ListEntriesResponse {
  readonly entry: FilerEntry | null;
}

export interface DeleteEntryRequest {
  readonly directory: string;
  readonly name: string;
  readonly is_delete_data: boolean;
  readonly is_recursive: boolean;
}

export interface DeleteEntryResponse {
  readonly error: string;
}

export interface SubscribeMetadataRequest {
  readonly client_name: string;
  readonly path_prefix: string;
  readonly since_ns: string;
  readonly client_id: number;
  readonly client_epoch: number;
}

export interface SubscribeMetadataResponse {
  readonly directory: string;
  readonly event_notification: {
    readonly old_entry: FilerEntry | null;
    readonly new_entry: FilerEntry | null;
    readonly new_parent_path: string;
  } | null;
  readonly ts_ns: string;
}

export type Method<Request extends object, Response extends object> = MethodDefinition<Request, Response>;

export interface BrokerMethods {
  readonly ConfigureTopic: Method<ConfigureTopicRequest, ConfigureTopicResponse>;
  readonly PublishMessage: Method<PublishMessageRequest, PublishMessageResponse>;
}

export interface FilerMethods {
  readonly ListEntries: Method<ListEntriesRequest, ListEntriesResponse>;
  readonly DeleteEntry: Method<DeleteEntryRequest, DeleteEntryResponse>;
  readonly SubscribeMetadata: Method<SubscribeMetadataRequest, SubscribeMetadataResponse>;
}

export interface SeaweedMethods {
  readonly broker: BrokerMethods;
  readonly filer: FilerMethods;
}

let loaded: SeaweedMethods | undefined;

/** The methods; the .proto files are read on the first call. */
export function seaweedMethods(): SeaweedMethods {
  loaded ??= {
    broker: service<BrokerMethods>('mq_broker.proto', 'messaging_pb.SeaweedMessaging'),
    filer: service<FilerMethods>('filer.proto', 'filer_pb.SeaweedFiler'),
  };
  return loaded;
}

function service<Methods>(file: string, name: string): Methods {
  const directory = fileURLToPath(new URL('./proto/', import.meta.url));
  const definitions: PackageDefinition = loadSync(file, {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    includeDirs: [directory],
  });
  return definitions[name] as ServiceDefinition as unknown as Methods;
}
