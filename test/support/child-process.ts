// A process that a test started: its output line by line, its end, and that it never outlives the test.
//
// Waiting is always for a named line or for the end, with a time-out whose message shows what the process printed last.

import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const outputCharactersMax = 256 * 1024;
const endTimeoutMs = 30_000;

export interface StartOptions {
  readonly cwd?: string;
  /** Added to this process's environment; undefined takes a variable away. */
  readonly env?: Record<string, string | undefined>;
  /** Sees every line of stdout before `line()` does. */
  readonly onLine?: (line: string) => void;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Waiter {
  readonly matches: (line: string) => boolean;
  readonly found: (line: string) => void;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class StartedProcess {
  readonly name: string;
  readonly child: ChildProcess;
  /** Settles when the process has ended and its output is read to the end. */
  readonly ended: Promise<Ended>;
  #output = '';
  #end: Ended | undefined;
  #waiters = new Set<Waiter>();

  constructor(name: string, file: string, args: readonly string[], options: StartOptions = {}) {
    this.name = name;
    this.child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.add(this.child);
    // A child that ends before it has read its input is seen by its exit code.
    this.child.stdin?.on('error', () => {});
    const onStdout = (line: string) => {
      this.#keep(`${line}\n`);
      options.onLine?.(line);
      for (const waiter of this.#waiters) if (waiter.matches(line)) waiter.found(line);
    };
    createInterface({ input: this.child.stdout! }).on('line', onStdout);
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => this.#keep(text));
    this.ended = new Promise((resolve) => {
      const end = (ended: Ended) => {
        running.delete(this.child);
        this.#end = ended;
        resolve(ended);
      };
      this.child.once('error', (error) => {
        this.#keep(`${error.message}\n`);
        if (this.child.pid === undefined) end({ code: null, signal: null });
      });
      this.child.once('close', (code, signal) => end({ code, signal }));
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} did not start: ${this.output()}`);
    return this.child.pid;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** What it printed on stdout and stderr, the newest 256 Ki characters at least. */
  output(): string {
    return this.#output;
  }

  /** The first line from now on that matches. @throws Error on time-out and when the process ends first. */
  async line(what: string, matches: (line: string) => boolean, timeoutMs: number): Promise<string> {
    let waiter: Waiter | undefined;
    const found = new Promise<string>((resolve) => {
      waiter = { matches, found: resolve };
      this.#waiters.add(waiter);
    });
    const early = this.ended.then((end) => {
      throw new Error(`${this.name} ended (${describeEnd(end)}) before it said ${what}:\n${this.#tail()}`);
    });
    try {
      return await within(Promise.race([found, early]), timeoutMs, () => `${this.name} has not said ${what}`, this);
    } finally {
      early.catch(() => {});
      this.#waiters.delete(waiter!);
    }
  }

  /** Sends a signal to the process, or to another process that it stands for. */
  signal(signal: NodeJS.Signals, pid: number = this.pid): void {
    if (this.hasEnded) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      // It has ended by itself, and its output is not read to the end yet.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Sends SIGSTOP and waits until no thread of the process runs any more, which may be later than the call's return. */
  async pause(): Promise<void> {
    this.signal('SIGSTOP');
    while (process.platform === 'linux' && !this.hasEnded && !(await isStopped(this.pid))) await delay(1);
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  /** Sends SIGTERM and waits for the end. @throws Error when it takes too long; it is then killed. */
  async stop(timeoutMs = endTimeoutMs): Promise<Ended> {
    this.signal('SIGTERM');
    return this.end(timeoutMs);
  }

  /** Sends SIGKILL and waits for the end. */
  async kill(timeoutMs = endTimeoutMs): Promise<Ended> {
    this.signal('SIGKILL');
    return this.end(timeoutMs);
  }

  /** Waits for the end. @throws Error when it takes too long; it is then killed. */
  async end(timeoutMs = endTimeoutMs): Promise<Ended> {
    try {
      return await within(this.ended, timeoutMs, () => `${this.name} has not ended`, this);
    } catch (error) {
      this.child.kill('SIGKILL');
      throw error;
    }
  }

  /** Waits for the end. @throws Error unless the exit code is 0. */
  async success(timeoutMs = endTimeoutMs): Promise<void> {
    const end = await this.end(timeoutMs);
    if (end.code !== 0) throw new Error(`${this.name} ended with ${describeEnd(end)}:\n${this.#tail()}`);
  }

  #keep(text: string): void {
    this.#output += text;
    // Cut at twice the size, so that a chatty process costs one copy in 256 Ki characters.
    if (this.#output.length > 2 * outputCharactersMax) this.#output = this.#output.slice(-outputCharactersMax);
  }

  #tail(): string {
    return this.#output.slice(-2048);
  }
}

/** Waits for a promise, but no longer than a time-out. */
async function within<T>(promise: Promise<T>, timeoutMs: number, what: () => string, of: StartedProcess): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what()} after ${timeoutMs} ms; it printed:\n${of.output().slice(-2048)}`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function describeEnd(end: Ended): string {
  return end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`;
}

async function isStopped(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`);
  const states = await Promise.all(
    // A thread that has ended meanwhile runs no more.
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => ') T')),
  );
  return states.every((stat) => stat.slice(stat.lastIndexOf(')') + 2).startsWith('T'));
}
