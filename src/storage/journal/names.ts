// What the journal's streams and subjects are called. A shard has one subject in a log stream and one in the index stream.

export class JournalNames {
  readonly prefix: string;
  /** Log streams that the shards are spread over; fixed when the journal is created. */
  readonly streamCount: number;
  readonly apiPrefix: string;

  /** @throws RangeError when the prefix cannot be part of a subject and of a stream's name */
  constructor(prefix: string, streamCount: number, apiPrefix: string) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(prefix)) {
      throw new RangeError(`journal prefix ${JSON.stringify(prefix)}: letters, digits, _ and - only, at most 64`);
    }
    this.prefix = prefix;
    this.streamCount = streamCount;
    this.apiPrefix = apiPrefix;
  }

  get logStreams(): string[] {
    return Array.from({ length: this.streamCount }, (_, index) => `${this.prefix}-log-${index}`);
  }

  logStream(shard: number): string {
    return `${this.prefix}-log-${shard % this.streamCount}`;
  }

  logSubjects(stream: number): string {
    return `${this.prefix}.log.${stream}.*`;
  }

  logSubject(shard: number): string {
    return `${this.prefix}.log.${shard % this.streamCount}.${shard}`;
  }

  get indexStream(): string {
    return `${this.prefix}-index`;
  }

  get indexSubjects(): string {
    return `${this.prefix}.index.*`;
  }

  indexSubject(shard: number): string {
    return `${this.prefix}.index.${shard}`;
  }

  get bucket(): string {
    return `${this.prefix}-metadata`;
  }

  /** Where an opening is told to the former owner, beside the log, which is what fences it. */
  openedSubject(shard: number | '*'): string {
    return `${this.prefix}.opened.${shard}`;
  }

  api(verb: string): string {
    return `${this.apiPrefix}.${verb}`;
  }
}
