// DescribeLogDirs: the sizes of the partitions that this node leads and the room in its store, as one log directory.

import type { describeLogDirs } from '../../../protocol/apis/describe-log-dirs.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import type { Topic } from '../../admin/catalog.ts';
import { type PartitionKey, partitionKey, StorageFault } from '../../shard/ports.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof describeLogDirs>;
type Response = ResponseOf<typeof describeLogDirs>;

export async function handleDescribeLogDirs(
  request: Request,
  _context: RequestContext,
  services: Services,
): Promise<Response> {
  const asked =
    request.topics === null
      ? undefined
      : new Set(request.topics.flatMap(({ topic, partitions }) => partitions.map((index) => `${topic}/${index}`)));
  const { storage, catalog, config, logger } = services;
  try {
    const [volume, sizes] = await Promise.all([storage.volume(), sizesOf(services)]);
    const topics = [...catalog.all()].map((topic) => ({
      name: topic.name,
      partitions: partitionsOf(topic, sizes, services, (index) => asked?.has(`${topic.name}/${index}`) ?? true),
    }));
    const result = {
      errorCode: ErrorCode.NONE,
      logDir: volume.path,
      topics: topics.filter(({ partitions }) => partitions.length > 0),
      totalBytes: BigInt(volume.totalBytes),
      usableBytes: BigInt(volume.usableBytes),
      isCordoned: false,
    };
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, results: [result] };
  } catch (fault) {
    if (!(fault instanceof StorageFault)) throw fault;
    logger.log('warn', 'log directory not described', { error: fault });
    const result = { errorCode: ErrorCode.KAFKA_STORAGE_ERROR, logDir: config.dataDir, topics: [] };
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, results: [result] };
  }
}

async function sizesOf({ shards }: Services): Promise<ReadonlyMap<PartitionKey, number>> {
  const maps = await Promise.all([...shards.all()].map(({ log }) => log.sizes()));
  return new Map(maps.flatMap((sizes) => [...sizes]));
}

function partitionsOf(
  topic: Topic,
  sizes: ReadonlyMap<PartitionKey, number>,
  { shards }: Services,
  isAsked: (index: number) => boolean,
) {
  const partitions = [];
  for (let index = 0; index < topic.partitionCount; index++) {
    const key = partitionKey(topic.id, index);
    if (!isAsked(index) || shards.of(key) === undefined) continue;
    partitions.push({
      partitionIndex: index,
      partitionSize: BigInt(sizes.get(key) ?? 0),
      offsetLag: 0n,
      isFutureKey: false,
    });
  }
  return partitions;
}
