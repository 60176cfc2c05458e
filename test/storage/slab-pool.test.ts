// Buffers used again: never by two at a time, and never more kept than allowed.

import { expect } from 'chai';
import { SlabPool } from '../../src/storage/slab-pool.ts';

describe('a slab pool', () => {
  it('gives a slab out again once it is given back, whatever view of it that was', () => {
    const pool = new SlabPool(1_000, 2);
    const first = pool.take(600);
    const second = pool.take(600);
    expect(first.length).to.equal(600);
    expect(first.buffer).not.to.equal(second.buffer);
    pool.giveBack(first.subarray(100, 200));
    const third = pool.take(1_000);
    expect(third.length).to.equal(1_000);
    expect(third.buffer).to.equal(first.buffer);
    expect(pool.take(600).buffer).not.to.be.oneOf([second.buffer, third.buffer]);
  });

  it('takes each slab back once, and nothing else', () => {
    const pool = new SlabPool(1_000, 10);
    const slab = pool.take(600);
    pool.giveBack(slab);
    pool.giveBack(slab);
    pool.giveBack(Buffer.from(new ArrayBuffer(1_000)));
    const taken = [pool.take(600), pool.take(600), pool.take(600)].map(({ buffer }) => buffer);
    expect(new Set(taken).size).to.equal(3);
  });

  it('keeps no more than it may', () => {
    const pool = new SlabPool(1_000, 1);
    const [first, second] = [pool.take(1_000), pool.take(1_000)];
    pool.giveBack(first);
    pool.giveBack(second);
    const taken = [pool.take(1_000).buffer, pool.take(1_000).buffer];
    expect(taken).to.include(first.buffer);
    expect(taken).not.to.include(second.buffer);
  });

  it('lends no slab for what is much smaller or larger', () => {
    const pool = new SlabPool(1_000, 1);
    for (const bytes of [0, 249, 1_001]) {
      const own = pool.take(bytes);
      expect(own.length).to.equal(bytes);
      pool.giveBack(own);
      expect(pool.take(1_000).buffer).not.to.equal(own.buffer);
    }
  });
});
