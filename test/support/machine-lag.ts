// How busy the machine is, as a process on it feels it: the longest that this process's event loop was late. Limits of time
// in tests with real processes grow by it, so that they are strict on a quiet machine and hold on a busy one.

import { monitorEventLoopDelay } from 'node:perf_hooks';

const resolutionMs = 10;
/** Processes that have to run one after the other for one request: client, node, NATS, another node, and back. */
const processesInARow = 6;

const delays = monitorEventLoopDelay({ resolution: resolutionMs });
delays.enable();

/** Forgets what was before. */
export function resetMachineLag(): void {
  delays.reset();
}

/** What the machine may have added to a request since `resetMachineLag`, ms. */
export function machineLagMs(): number {
  const lateMs = delays.max / 1e6 - resolutionMs;
  return Math.round(Math.max(0, lateMs) * processesInARow);
}
