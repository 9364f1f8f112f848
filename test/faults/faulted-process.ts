// The application under test, seen from outside: its process, its output, its control door.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type {
  AuditDeadLetter,
  AuditModuleOptions,
  AuditSource,
  DeliveryStatus,
  VerifyResult,
} from 'nest-audit-trail';
import { atEndOfRun, hasEnded } from '../support/harness/end-of-run.mjs';
import { send } from '../support/http-client.js';
import type { KillPoint } from './app/kill-at-point.js';
import type { Memory } from './memory.js';

/** How delivery fares, and how many handlers ran. */
export interface Status extends DeliveryStatus {
  readonly handled: number;
}

export const DOORS = ['nestExpress', 'nestFastify', 'express5', 'express4', 'fastify'] as const;
export type Door = (typeof DOORS)[number];

export interface Launch {
  readonly door: Door;
  readonly audit: AuditModuleOptions;
  readonly port: number;
  /** See {@link HandlerRuns}. */
  readonly runs: string;
  readonly killAt?: KillPoint;
  /** Nest ends the application at a signal, instead of the library. */
  readonly hooks?: boolean;
  /** What the program is started by, see {@link JournalDisk.prefix}. */
  readonly prefix?: readonly string[];
}

/** How a process ended: the signal that killed it, or its exit code. */
export type End = NodeJS.Signals | number | null;

/** Young objects have all of their room from the start, and {@link MemoryWatch} has the rest collected, in each thread. */
const NODE_OPTIONS = [
  '--min-semi-space-size=16',
  '--expose-gc',
  `--import=${pathToFileURL(resolve('build/faults/thread-memory.js')).href}`,
];
const LISTEN_DEADLINE_MS = 60_000;
const STATUS_PATIENCE_MS = 5_000;
/** Of the whole output, the last lines: what a failure is explained by. */
const KEPT_LINES = 200;

export class FaultedProcess {
  /** What it wrote, standard output and standard error together. */
  readonly output: string[] = [];
  /** Resolves when it has ended and all of its output is read. */
  readonly ended: Promise<End>;
  /** What went wrong within it that no answer shows: nothing of the kind is ever right. */
  readonly complaints: string[] = [];
  private readonly child: ChildProcess;
  private readonly listens: Promise<boolean>;

  /** Starts it, and waits for nothing. */
  constructor(private readonly launch: Launch) {
    const { prefix = [], ...argument } = launch;
    const application = resolve(`build/faults/${launch.door.startsWith('nest') ? 'main' : 'plain'}.js`);
    const node = [process.execPath, ...NODE_OPTIONS];
    const [program, ...args] = [...prefix, ...node, application, JSON.stringify(argument)];
    this.child = spawn(program!, args, {
      detached: true,
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    atEndOfRun({ processGroup: this.pid, signal: 'SIGKILL' });
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      hasEnded(this.pid);
      return (signal ?? code) as End;
    });
    this.listens = new Promise((resolve) => {
      for (const stream of [this.child.stdout!, this.child.stderr!]) {
        createInterface(stream).on('line', (line) => {
          if (line === 'listening') resolve(true);
          this.note(line);
        });
      }
      void this.ended.then(() => resolve(false));
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  get port(): number {
    return this.launch.port;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** @throws Error with what it wrote, where it ended before it listened */
  async started(): Promise<void> {
    if (await this.listening()) return;
    throw new Error(`The application ended by ${await this.ended} before it listened:\n${this.lastWords()}`);
  }

  /** `false` where it ended before it listened. */
  async listening(): Promise<boolean> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), LISTEN_DEADLINE_MS);
    try {
      return await this.listens;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it by the signal, and answers how and after how many milliseconds it ended. */
  async end(signal: NodeJS.Signals): Promise<{ by: End; afterMs: number }> {
    const began = performance.now();
    this.child.kill(signal);
    const by = await this.ended;
    return { by, afterMs: performance.now() - began };
  }

  lastWords(): string {
    return this.output.slice(-30).join('\n');
  }

  status(): Promise<Status> {
    // It is asked again and again: one that hangs must not make a fault last longer.
    return this.control('GET', 'status', undefined, STATUS_PATIENCE_MS);
  }

  memory(): Promise<Memory> {
    return this.control('GET', 'memory');
  }

  sources(): Promise<readonly AuditSource[]> {
    return this.control('GET', 'sources');
  }

  /** Has everything sealed that is stored, and verified. */
  verify(): Promise<VerifyResult> {
    return this.control('GET', 'verify');
  }

  deadLetters(): Promise<readonly AuditDeadLetter[]> {
    return this.control('GET', 'dead-letters');
  }

  replay(): Promise<{ replayed: number; refused: number }> {
    return this.control('POST', 'replay');
  }

  flush(): Promise<unknown> {
    return this.control('POST', 'flush');
  }

  /** Has it record `count` events, of the things `prefix-0`, `prefix-1`, …; returns when all are recorded. */
  record(prefix: string, count: number): Promise<unknown> {
    return this.control('POST', 'record', { prefix, count });
  }

  recordOne(resourceId: string, details: Record<string, unknown>): Promise<{ refused?: string }> {
    return this.control('POST', 'record-one', { resourceId, details });
  }

  shiftClock(shiftMs: number): Promise<unknown> {
    return this.control('POST', 'clock', { shiftMs });
  }

  private async control<T>(method: string, name: string, body?: unknown, patienceMs?: number): Promise<T> {
    const answer = await send(this.port, {
      method,
      path: `/control/${name}`,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(patienceMs !== undefined && { patienceMs }),
    });
    if (answer.status >= 300)
      throw new Error(`control/${name} was answered ${answer.status}: ${answer.body}`);
    return (answer.body === '' ? undefined : JSON.parse(answer.body)) as T;
  }

  private note(line: string): void {
    this.output.push(line);
    if (this.output.length > KEPT_LINES) this.output.shift();
    if (/unhandledRejection|uncaughtException|MaxListenersExceededWarning/.test(line))
      this.complaints.push(line);
  }
}
