// The filers of a SeaweedFS: listing, watching and deleting files over gRPC, and the bytes of files and of log chunks over
// HTTP. Several filers of one SeaweedFS serve the same files; calls go to one of them until it fails, then to the next.

import { randomInt } from 'node:crypto';
import { Agent, type IncomingMessage, request } from 'node:http';
import { type ChannelCredentials, type ClientReadableStream, type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '../../actors/runtime/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import { GrpcChannel, grpcFault } from './grpc-channel.ts';
import type { SeaweedLimits } from './limits.ts';
import { type FilerEntry, type SubscribeMetadataResponse, seaweedMethods } from './protos.ts';

export interface FilerAddress {
  /** `host:port` of the filer's HTTP and gRPC (HTTP plus 10,000 by default). */
  readonly http: string;
  readonly grpc: string;
}

/** A file appeared or changed (`entry`), or is gone. */
export interface FilerEvent {
  readonly directory: string;
  readonly name: string;
  readonly entry: FilerEntry | undefined;
}

interface Connection {
  readonly address: FilerAddress;
  readonly channel: GrpcChannel;
}

const LIST_ENTRIES_MAX = 1_000;
const WATCH_OVERLAP_MS = 120_000;
const HTTP_OK = 200;
const HTTP_PARTIAL = 206;
const HTTP_NOT_FOUND = 404;

export class Filer {
  readonly #connections: readonly Connection[];
  readonly #limits: SeaweedLimits;
  readonly #clock: Clock;
  readonly #agent: Agent;
  #current = 0;
  #watches = 0;

  constructor(
    addresses: readonly FilerAddress[],
    credentials: ChannelCredentials,
    limits: SeaweedLimits,
    clock: Clock,
  ) {
    this.#connections = addresses.map((address) => ({
      address,
      channel: new GrpcChannel(address.grpc, credentials),
    }));
    this.#limits = limits;
    this.#clock = clock;
    this.#agent = new Agent({ keepAlive: true, maxSockets: limits.readsAtOnce, maxFreeSockets: limits.readsAtOnce });
  }

  /**
   * The entries of a folder in name order, those that start with `prefix`, from `from` (inclusive) on.
   * A folder that is not there is empty. @throws StorageFault `unavailable`
   */
  async list(directory: string, options: { prefix?: string; from?: string } = {}): Promise<FilerEntry[]> {
    const found: FilerEntry[] = [];
    let from = options.from ?? '';
    for (let inclusive = true; ; inclusive = false) {
      const page = await this.#onAny((connection) =>
        this.#listPage(connection, directory, options.prefix ?? '', from, inclusive),
      );
      found.push(...page);
      if (page.length < LIST_ENTRIES_MAX) return found;
      from = page[page.length - 1]!.name;
    }
  }

  #listPage(
    { channel }: Connection,
    directory: string,
    prefix: string,
    from: string,
    inclusive: boolean,
  ): Promise<FilerEntry[]> {
    const method = seaweedMethods().filer.ListEntries;
    const stream = channel.serverStream(
      method,
      { directory, prefix, start_from_file_name: from, inclusive_start_from: inclusive, limit: LIST_ENTRIES_MAX },
      this.#limits.callTimeoutMs,
    );
    return new Promise((resolve, reject) => {
      const entries: FilerEntry[] = [];
      stream.on('data', ({ entry }: { entry: FilerEntry | null }) => {
        if (entry !== null) entries.push(entry);
      });
      stream.on('error', (error: ServiceError) => {
        // A folder that nobody has written to yet.
        if (error.code === status.NOT_FOUND || /no entry is found/i.test(error.details)) resolve([]);
        else reject(grpcFault(channel.address, method.path, error));
      });
      stream.on('end', () => resolve(entries));
    });
  }

  /**
   * Deletes a file or an empty folder, with its chunks. One that is not there is fine.
   * @returns false when it is a folder with something in it, which then stays. @throws StorageFault `unavailable`
   */
  async delete(directory: string, name: string): Promise<boolean> {
    const { error } = await this.#onAny(({ channel }) =>
      channel.unary(
        seaweedMethods().filer.DeleteEntry,
        { directory, name, is_delete_data: true, is_recursive: false },
        this.#limits.callTimeoutMs,
      ),
    );
    if (error === '' || /no entry is found|not found/i.test(error)) return true;
    if (/non-empty folder|not empty/i.test(error)) return false;
    throw new StorageFault('unavailable', `filer: ${directory}/${name} cannot be deleted: ${error}`);
  }

  /**
   * Tells each change below `pathPrefix` from now on, until the stream breaks (`onEnd`, once) or the watch is stopped.
   * Changes may be missed around the break: look through the folders after a new watch has begun.
   * @returns stops the watch; `onEnd` is not called then.
   */
  watch(pathPrefix: string, onEvent: (event: FilerEvent) => void, onEnd: (fault: StorageFault) => void): () => void {
    const { channel } = this.#connections[this.#current]!;
    const method = seaweedMethods().filer.SubscribeMetadata;
    const stream: ClientReadableStream<SubscribeMetadataResponse> = channel.serverStream(method, {
      client_name: 'sargasso',
      path_prefix: pathPrefix,
      // The filer tells again what is newer than this: some overlap makes up for clocks that differ.
      since_ns: String(BigInt(Math.max(0, this.#clock.nowMs() - WATCH_OVERLAP_MS)) * 1_000_000n),
      client_id: randomInt(1, 2 ** 31),
      client_epoch: ++this.#watches,
    });
    let stopped = false;
    const end = (error: Error | undefined) => {
      if (stopped) return;
      stopped = true;
      this.#next();
      onEnd(grpcFault(channel.address, method.path, error ?? new Error('the stream ended')));
    };
    stream.on('data', (response: SubscribeMetadataResponse) => {
      const event = stopped ? undefined : eventOf(response);
      if (event !== undefined) onEvent(event);
    });
    stream.on('error', end);
    stream.on('end', () => end(undefined));
    return () => {
      stopped = true;
      stream.cancel();
    };
  }

  /**
   * Bytes of a chunk from `from` up to `end` (exclusive); fewer when the chunk ends before.
   * @returns undefined when the chunk is gone. @throws StorageFault `unavailable`
   */
  readChunk(fileId: string, from: number, end: number): Promise<Buffer | undefined> {
    return this.#onAny(async ({ address }) => {
      const path = `/?proxyChunkId=${encodeURIComponent(fileId)}`;
      const { code, body } = await this.#http(address.http, 'GET', path, { range: `bytes=${from}-${end - 1}` });
      if (code === HTTP_PARTIAL) return body;
      // Small chunks are answered whole by some versions.
      if (code === HTTP_OK) return body.subarray(from, end);
      if (code === HTTP_NOT_FOUND) return undefined;
      throw new StorageFault('unavailable', `filer at ${address.http}: chunk ${fileId}: HTTP ${code}`);
    });
  }

  /** A file's content, or undefined when there is none. @throws StorageFault `unavailable` */
  readFile(path: string): Promise<Buffer | undefined> {
    return this.#onAny(async ({ address }) => {
      const { code, body } = await this.#http(address.http, 'GET', encodePath(path), {});
      if (code === HTTP_OK) return body;
      if (code === HTTP_NOT_FOUND) return undefined;
      throw new StorageFault('unavailable', `filer at ${address.http}: ${path}: HTTP ${code}`);
    });
  }

  /** Writes a file, with the folders above it, or replaces it. @throws StorageFault `unavailable` */
  async writeFile(path: string, content: Buffer): Promise<void> {
    await this.#onAny(async ({ address }) => {
      const headers = { 'content-type': 'application/octet-stream', 'content-length': String(content.length) };
      const { code } = await this.#http(address.http, 'PUT', encodePath(path), headers, content);
      if (code < 200 || code > 299)
        throw new StorageFault('unavailable', `filer at ${address.http}: writing ${path}: HTTP ${code}`);
    });
  }

  close(): void {
    this.#agent.destroy();
    for (const { channel } of this.#connections) channel.close();
  }

  #http(
    host: string,
    method: string,
    path: string,
    headers: Record<string, string>,
    content?: Buffer,
  ): Promise<{ code: number; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const call = request(
        `http://${host}${path}`,
        { method, agent: this.#agent, headers, timeout: this.#limits.callTimeoutMs },
        (response) => {
          collect(response).then((body) => resolve({ code: response.statusCode ?? 0, body }), fail);
        },
      );
      const fail = (error: Error) => {
        // The filer has closed a connection that was idle, just as it was used again.
        if (call.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET')
          resolve(this.#http(host, method, path, headers, content));
        else reject(new StorageFault('unavailable', `filer at ${host}: ${method} ${path}: ${error.message}`, error));
      };
      call.on('timeout', () => call.destroy(new Error(`no answer in ${this.#limits.callTimeoutMs} ms`)));
      call.on('error', fail);
      call.end(content);
    });
  }

  /** Tries one filer after the other, beginning with the one that answered last. */
  async #onAny<Result>(call: (connection: Connection) => Promise<Result>): Promise<Result> {
    for (let failed = 0; ; ) {
      const at = this.#current;
      try {
        return await call(this.#connections[at]!);
      } catch (error) {
        if (!(error instanceof StorageFault) || ++failed >= this.#connections.length) throw error;
        if (at === this.#current) this.#next();
      }
    }
  }

  #next(): void {
    this.#current = (this.#current + 1) % this.#connections.length;
  }
}

/** A chunk's id as `<volume>,<key and cookie in hex>`: stored messages carry it in parts (weed/storage/needle/file_id.go). */
export function chunkFileId(chunk: FilerEntry['chunks'][number]): string {
  if (chunk.file_id !== '') return chunk.file_id;
  if (chunk.fid === null) throw new StorageFault('corrupt', 'filer: a chunk has no file id');
  const hex = BigInt(chunk.fid.file_key).toString(16) + chunk.fid.cookie.toString(16).padStart(8, '0');
  return `${chunk.fid.volume_id},${hex.length % 2 === 0 ? hex : `0${hex}`}`;
}

function eventOf({ directory, event_notification: event }: SubscribeMetadataResponse): FilerEvent | undefined {
  if (event === null) return undefined;
  const entry = event.new_entry ?? undefined;
  const name = entry?.name ?? event.old_entry?.name;
  if (name === undefined || name === '') return undefined;
  return { directory: entry === undefined ? directory : event.new_parent_path || directory, name, entry };
}

async function collect(response: IncomingMessage): Promise<Buffer> {
  const stated = Number(response.headers['content-length']);
  if (Number.isSafeInteger(stated) && stated > 0) {
    // The size is known: one buffer, filled as it comes.
    const body = Buffer.allocUnsafeSlow(stated);
    let at = 0;
    for await (const piece of response) {
      if (at + piece.length > stated) throw new Error('the answer is longer than it said');
      at += (piece as Buffer).copy(body, at);
    }
    if (at < stated) throw new Error(`the answer ended after ${at} of ${stated} bytes`);
    return body;
  }
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
