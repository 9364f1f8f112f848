// Clients that send requests at a fixed rate, whatever becomes of them, and note what each saw.
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export type Kind = 'read' | 'create' | 'slow' | 'streamed' | 'strict' | 'hanging';

/** One request, from the client's side. */
export interface SentRequest {
  readonly id: string;
  readonly kind: Kind;
  /** By the monotonic clock, milliseconds; so is `endedAt`. */
  readonly sentAt: number;
  endedAt?: number;
  /** Of an answer that was at least begun. */
  status?: number;
  /** The answer was read to its end. */
  answered?: true;
  /** What an answer that is an error says of itself. */
  code?: string;
  /** Why there is no answer, or none to its end. */
  error?: string;
  /** What it was sent on. */
  connection: 'no' | 'new' | 'used';
}

const ROUTES: Readonly<Record<Kind, { method: string; suffix: string; status: number }>> = {
  read: { method: 'GET', suffix: '', status: 200 },
  create: { method: 'POST', suffix: '', status: 201 },
  slow: { method: 'POST', suffix: '/slow', status: 201 },
  streamed: { method: 'GET', suffix: '/streamed', status: 200 },
  strict: { method: 'POST', suffix: '/strict', status: 201 },
  hanging: { method: 'POST', suffix: '/hanging', status: 201 },
};

/** How often each kind comes, in twenty requests. */
export type Mix = Readonly<Partial<Record<Kind, number>>>;
export const COMMON: Mix = { read: 8, create: 8, slow: 3, streamed: 1 };
export const WITH_STRICT: Mix = { read: 7, create: 6, slow: 3, streamed: 1, strict: 3 };

const TICK_MS = 10;
/** A client that waits longer goes away. */
const PATIENCE_MS = 20_000;

export class Load {
  readonly requests: SentRequest[] = [];
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 256 });
  private readonly open = new Set<Promise<void>>();
  private readonly kinds: readonly Kind[];
  private running: Promise<void> | undefined;
  private stopped = true;

  /** @param name what the ids begin with: unique among those that share a database */
  constructor(
    private readonly name: string,
    private readonly port: number,
    private readonly perSecond: number,
    mix: Mix = COMMON,
  ) {
    const list = Object.entries(mix).flatMap(([kind, count]) => Array<Kind>(count).fill(kind as Kind));
    // Spread, so that any second has some of each.
    this.kinds = list.map((_, index) => list[(index * 7) % list.length]!);
  }

  start(): void {
    this.stopped = false;
    this.running = this.run();
  }

  /** Sends no more, and returns when every request has ended in some way. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
    await Promise.all(this.open);
    this.agent.destroy();
  }

  /** Requests that did not get the answer that their route gives. */
  get failed(): readonly SentRequest[] {
    return this.requests.filter(
      ({ kind, answered, status, endedAt }) =>
        endedAt !== undefined && (!answered || status !== ROUTES[kind].status),
    );
  }

  /**
   * The middle of the times that requests sent in this time took to be answered, in milliseconds; without the routes
   * that take their time.
   */
  medianMs(from: number, to: number): number {
    const times = this.requests
      .filter(({ sentAt, answered, kind }) => {
        return sentAt >= from && sentAt < to && answered && (kind === 'read' || kind === 'create');
      })
      .map(({ sentAt, endedAt }) => endedAt! - sentAt)
      .sort((a, b) => a - b);
    return times[Math.floor(times.length / 2)] ?? Infinity;
  }

  /** Sends one request now. */
  send(kind: Kind, id = `${this.name}-${this.requests.length}`): Promise<SentRequest> {
    const request: SentRequest = { id, kind, sentAt: performance.now(), connection: 'no' };
    this.requests.push(request);
    const done = this.exchange(request).then(() => {
      request.endedAt = performance.now();
    });
    this.open.add(done);
    void done.then(() => this.open.delete(done));
    return done.then(() => request);
  }

  private async run(): Promise<void> {
    const began = performance.now();
    for (let sent = 0; !this.stopped;) {
      for (const due = ((performance.now() - began) * this.perSecond) / 1_000; sent < due; sent += 1) {
        void this.send(this.kinds[sent % this.kinds.length]!);
      }
      await delay(TICK_MS);
    }
  }

  private exchange(request: SentRequest): Promise<void> {
    const { method, suffix } = ROUTES[request.kind];
    return new Promise((resolve) => {
      const fail = (error: Error) => {
        request.error ??= error.message || (error as NodeJS.ErrnoException).code || 'failed';
        resolve();
      };
      const client = httpRequest(
        {
          host: '127.0.0.1',
          port: this.port,
          method,
          path: `/things/${request.id}${suffix}`,
          agent: this.agent,
          timeout: PATIENCE_MS,
        },
        (response) => {
          request.status = response.statusCode ?? 0;
          let body = '';
          response
            .setEncoding('latin1')
            .on('data', (chunk: string) => (body += chunk))
            .on('end', () => {
              if (response.complete) request.answered = true;
              if (request.status! >= 400) request.code = codeIn(body);
            })
            .on('error', fail)
            .on('close', resolve);
        },
      );
      client.once('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => (request.connection = 'new'));
        else request.connection = 'used';
      });
      client.on('timeout', () => client.destroy(new Error('no answer in time'))).on('error', fail);
      client.end();
    });
  }
}

function codeIn(body: string): string {
  try {
    return String((JSON.parse(body) as { code?: unknown }).code);
  } catch {
    return body.slice(0, 40);
  }
}
