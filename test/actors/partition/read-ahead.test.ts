// Reading ahead: what comes next is there when it is asked for, whatever fails, and no more than allowed is held.

import { expect } from 'chai';
import { ReadAhead, type ReadRange } from '../../../src/actors/partition/read-ahead.ts';
import { partitionKey, StorageFault } from '../../../src/actors/shard/ports.ts';
import { batch } from '../../storage/batches.ts';

const A = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 0);
const B = partitionKey('AAAAAAAAAAAAAAAAAAAAAQ', 1);
const BATCH_BYTES = 100;
const END = 1_000n;

function story(bytesMax: number) {
  const ahead = new ReadAhead(bytesMax);
  const fetched: bigint[] = [];
  const failing = new Set<bigint>();
  /** Two batches of one record at each offset. */
  const fetch = async ({ fromOffset, atLeastOne }: ReadRange): Promise<Uint8Array[]> => {
    fetched.push(fromOffset);
    if (failing.has(fromOffset)) throw new StorageFault('unavailable', 'injected');
    if (!atLeastOne && fromOffset === LARGE) return [];
    return [0n, 1n].map((at) => batch(A, fromOffset + at, { bytes: BATCH_BYTES }).bytes);
  };
  const read = (fromOffset: bigint, { key = A, bytes = 200, worthwhile = true, endOffset = END } = {}) =>
    ahead
      .read(key, { fromOffset, endOffset, bytesMax: bytes, atLeastOne: true }, fetch, () => worthwhile)
      .then((chunks) => chunks.map((chunk) => Buffer.from(chunk).readBigInt64BE(0)));
  return { ahead, fetched, failing, read };
}

/** Holds one batch larger than what is asked for. */
const LARGE = 500n;

describe('reading ahead', () => {
  it('has fetched what follows by the time it is asked for, once', async () => {
    const { fetched, read } = story(1_000);
    expect(await read(0n)).to.deep.equal([0n, 1n]);
    expect(fetched).to.deep.equal([0n, 2n]);
    expect(await read(2n)).to.deep.equal([2n, 3n]);
    expect(fetched).to.deep.equal([0n, 2n, 4n]);
    expect(await read(2n)).to.deep.equal([2n, 3n]);
    expect(fetched).to.deep.equal([0n, 2n, 4n, 2n]);
  });

  it('fetches nothing at the end of what may be read, nor where it is not worth it', async () => {
    const { fetched, read } = story(1_000);
    await read(998n);
    await read(0n, { worthwhile: false });
    expect(fetched).to.deep.equal([998n, 0n]);
  });

  it('reads again what failed ahead, and what came to nothing', async () => {
    const { fetched, failing, read } = story(1_000);
    failing.add(2n);
    await read(0n);
    failing.clear();
    expect(await read(2n)).to.deep.equal([2n, 3n]);
    expect(fetched).to.deep.equal([0n, 2n, 2n, 4n]);
    await read(LARGE - 2n);
    expect(await read(LARGE)).to.deep.equal([LARGE, LARGE + 1n]);
  });

  it('does not answer a smaller read by what was fetched for a larger one', async () => {
    const { fetched, read } = story(1_000);
    await read(0n, { bytes: 200 });
    await read(2n, { bytes: 100 });
    expect(fetched.slice(0, 3)).to.deep.equal([0n, 2n, 2n]);
  });

  it('holds no more than it may: the oldest guess leaves first', async () => {
    const { fetched, read } = story(400);
    await read(0n);
    await read(100n);
    await read(200n);
    expect(fetched).to.deep.equal([0n, 2n, 100n, 102n, 200n, 202n]);
    await read(102n);
    expect(fetched).to.have.length(7);
    await read(2n);
    expect(fetched.slice(7)).to.deep.equal([2n, 4n]);
  });

  it('forgets the partitions it is told to', async () => {
    const { ahead, fetched, read } = story(1_000);
    await read(0n);
    await read(0n, { key: B });
    ahead.dropAll((key) => key === A);
    await read(2n);
    await read(2n, { key: B });
    expect(fetched).to.deep.equal([0n, 2n, 0n, 2n, 2n, 4n, 4n]);
  });
});
