// What every part of the store is given: where it runs, what it talks to, how it is bounded.

import type { Clock, Logger } from '../../actors/runtime/ports.ts';
import type { SlabPool } from '../slab-pool.ts';
import type { Brokers } from './brokers.ts';
import type { SeaweedCounters } from './counters.ts';
import type { Filer } from './filer.ts';
import type { SeaweedLimits } from './limits.ts';

export interface SeaweedContext {
  readonly namespace: string;
  readonly filer: Filer;
  readonly brokers: Brokers;
  readonly limits: SeaweedLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: SeaweedCounters;
  readonly frames: SlabPool;
  /** Whether runs with batches that their producer did not compress are compressed. */
  readonly compress: boolean;
}
