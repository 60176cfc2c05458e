// The registry behind /readyz: one part that fails, hangs or throws is told as such and hides no other.

import { expect } from 'chai';
import { HealthRegistry } from '../../cluster/admin/health.ts';
import { addPhase, type Phase } from '../../cluster/admin/node-health.ts';

const well = { ready: true, reason: 'works' };

describe('readiness', () => {
  it('is given when every part gives it', async () => {
    const registry = new HealthRegistry();
    registry.add('a', () => well);
    registry.add('b', async () => ({ ...well, details: { count: 2 } }));
    expect(await registry.report()).to.deep.equal({
      ready: true,
      parts: { a: well, b: { ...well, details: { count: 2 } } },
    });
  });

  it('is refused for a part that is not ready, throws, rejects or does not answer; the others are told all the same', async () => {
    const registry = new HealthRegistry({ checkTimeoutMs: 5 });
    registry.add('well', () => well);
    registry.add('ill', () => ({ ready: false, reason: 'out of paper' }));
    registry.add('throws', () => {
      throw new Error('broken');
    });
    registry.add('rejects', () => Promise.reject(new Error('away')));
    registry.add('hangs', () => new Promise(() => {}));
    expect(await registry.report()).to.deep.equal({
      ready: false,
      parts: {
        well,
        ill: { ready: false, reason: 'out of paper' },
        throws: { ready: false, reason: 'broken' },
        rejects: { ready: false, reason: 'away' },
        hangs: { ready: false, reason: 'no answer within 5 ms' },
      },
    });
  });

  it('follows the node from its start to its end', async () => {
    const registry = new HealthRegistry();
    let phase: Phase = 'starting';
    addPhase(registry, () => phase);
    expect(await registry.report()).to.deep.equal({
      ready: false,
      parts: { node: { ready: false, reason: 'starting' } },
    });
    phase = 'serving';
    expect((await registry.report()).ready).to.equal(true);
    phase = 'stopping';
    expect((await registry.report()).ready).to.equal(false);
  });
});
