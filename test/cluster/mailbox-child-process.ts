// Starts mailbox-child.ts.

import { fileURLToPath } from 'node:url';
import { StartedProcess } from '../support/child-process.ts';

export interface MailboxChild {
  readonly process: StartedProcess;
  pause(): Promise<void>;
  resume(): void;
  /** kill -9. */
  end(): Promise<void>;
}

/** Resolves when the node can be asked. */
export async function startMailboxChild(
  nodeId: number,
  prefix: string,
  servers: readonly string[],
): Promise<MailboxChild> {
  const script = fileURLToPath(new URL('./mailbox-child.ts', import.meta.url));
  const child = new StartedProcess(`node ${nodeId}`, process.execPath, [
    '--import',
    'tsx',
    script,
    String(nodeId),
    prefix,
    servers.join(','),
  ]);
  const deadlineMs = performance.now() + 20_000;
  while (!child.output().includes('ready')) {
    if (child.hasEnded || performance.now() > deadlineMs)
      throw new Error(`node ${nodeId} does not start:\n${child.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    process: child,
    pause: () => child.pause(),
    resume: () => child.resume(),
    end: async () => {
      await child.kill();
    },
  };
}
