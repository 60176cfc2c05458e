// Cuts a byte stream into Kafka's frames: an int32 size, then that many bytes. A frame that lies inside one chunk is a
// view of it; one that spans several is assembled once, in a buffer of its own.
//
// Memory follows what has arrived, not what was announced: the buffer of a frame is made at once up to `eagerBytes`
// (room for a produce request of default size), beyond that it grows fourfold as it fills. So a peer that announces
// 100 MB and falls silent holds about a megabyte, and no byte is copied more than 1.34 times on average.

export class FrameError extends Error {
  /** The size the peer announced. */
  readonly frameBytes: number;
  readonly frameBytesMax: number;

  constructor(frameBytes: number, frameBytesMax: number) {
    super(
      frameBytes < 0
        ? `frame of ${frameBytes} bytes announced`
        : `frame of ${frameBytes} bytes announced, ${frameBytesMax} at most`,
    );
    this.name = 'FrameError';
    this.frameBytes = frameBytes;
    this.frameBytesMax = frameBytesMax;
  }
}

const sizeBytes = 4;
const eagerBytes = 1024 * 1024 + 64 * 1024;
const growthFactor = 4;
const emptyBuffer = Buffer.alloc(0);

export class FrameReader {
  private readonly frameBytesMax: number;
  private readonly size = Buffer.allocUnsafeSlow(sizeBytes);
  private sizeFilled = 0;
  /** Size of the frame under assembly, -1 while its size is not complete. */
  private wanted = -1;
  private filled = 0;
  /** The frame under assembly; as long as it is by the time it is complete. */
  private frame: Buffer = emptyBuffer;

  /** @param frameBytesMax largest frame taken, without its size field (`socket.request.max.bytes`) */
  constructor(frameBytesMax: number) {
    this.frameBytesMax = frameBytesMax;
  }

  /** Bytes held for a frame that is not complete. */
  get bytesPending(): number {
    return this.sizeFilled + this.filled;
  }

  /**
   * Takes the next bytes of the stream. They may become part of a frame handed out, so the caller leaves them alone.
   * @returns the frames that are complete now, without their size fields, in order
   * @throws FrameError on a size below 0 or above the limit; the stream cannot be read any further
   */
  push(chunk: Buffer): Buffer[] {
    const frames: Buffer[] = [];
    let at = 0;
    while (at < chunk.length || this.wanted === 0) {
      if (this.wanted < 0) {
        at = this.takeSize(chunk, at);
        if (this.wanted < 0) break;
      }
      const missing = this.wanted - this.filled;
      const end = Math.min(chunk.length, at + missing);
      if (this.filled === 0 && end - at === missing) {
        frames.push(chunk.subarray(at, end));
        this.reset();
      } else {
        this.take(chunk.subarray(at, end));
        if (this.filled === this.wanted) {
          frames.push(this.frame);
          this.reset();
        }
      }
      at = end;
    }
    return frames;
  }

  private reset(): void {
    this.wanted = -1;
    this.sizeFilled = 0;
    this.filled = 0;
    this.frame = emptyBuffer;
  }

  private takeSize(chunk: Buffer, start: number): number {
    let at = start;
    let wanted: number;
    if (this.sizeFilled === 0 && chunk.length - at >= sizeBytes) {
      wanted = chunk.readInt32BE(at);
      at += sizeBytes;
    } else {
      while (this.sizeFilled < sizeBytes && at < chunk.length) this.size[this.sizeFilled++] = chunk[at++]!;
      if (this.sizeFilled < sizeBytes) return at;
      wanted = this.size.readInt32BE(0);
    }
    if (wanted < 0 || wanted > this.frameBytesMax) throw new FrameError(wanted, this.frameBytesMax);
    this.wanted = wanted;
    this.sizeFilled = 0;
    return at;
  }

  private take(piece: Buffer): void {
    const needed = this.filled + piece.length;
    if (needed > this.frame.length) {
      const grown = Math.max(eagerBytes, this.frame.length * growthFactor, needed);
      const frame = Buffer.allocUnsafeSlow(Math.min(this.wanted, grown));
      this.frame.copy(frame, 0, 0, this.filled);
      this.frame = frame;
    }
    piece.copy(this.frame, this.filled);
    this.filled = needed;
  }
}
