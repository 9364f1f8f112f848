import { appendFile, open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { withoutUrlSecrets } from '../event/url-secrets.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { CheckpointPublisher, SignedCheckpoint } from './ledger-options.js';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 60_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Checkpoints that wait for one target. Beyond that the oldest are left out: a later one vouches for all before it. */
const MAX_WAITING = 100;

/** Hands checkpoints to one target, one after another, each until the target has it. */
export class Publisher {
  private readonly waiting: SignedCheckpoint[] = [];
  private readonly stop = new AbortController();
  private running: Promise<void> | undefined;
  private readonly warnings: RateLimitedLog;

  constructor(
    private readonly target: CheckpointPublisher,
    logger: AuditLogger,
  ) {
    this.warnings = new RateLimitedLog(logger, 60_000);
  }

  publish(checkpoint: SignedCheckpoint): void {
    this.waiting.push(checkpoint);
    if (this.waiting.length > MAX_WAITING) this.waiting.shift();
    this.running ??= this.run();
  }

  /** Resolves once nothing waits any more. */
  async idle(): Promise<void> {
    await this.running;
  }

  /** Tries no more. */
  close(): void {
    this.stop.abort();
  }

  private async run(): Promise<void> {
    let waitMs = FIRST_RETRY_MS;
    while (this.waiting.length > 0 && !this.stop.signal.aborted) {
      const [checkpoint] = this.waiting;
      try {
        await this.hand(checkpoint!);
        if (this.waiting[0] === checkpoint) this.waiting.shift();
        waitMs = FIRST_RETRY_MS;
      } catch (error) {
        this.warnings.warn(
          'publish',
          `A checkpoint of the audit log could not be published to ${nameOf(this.target)}: ${reasonOf(error)}. It is tried again.`,
        );
        await delay(waitMs, undefined, { ref: false, signal: this.stop.signal }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, LAST_RETRY_MS);
      }
    }
    this.running = undefined;
  }

  private async hand(checkpoint: SignedCheckpoint): Promise<void> {
    const { target } = this;
    if (typeof target === 'function') await target(checkpoint);
    else if ('file' in target) {
      const begin = (await isTorn(target.file)) ? '\n' : '';
      await appendFile(target.file, `${begin}${JSON.stringify(checkpoint)}\n`, { mode: 0o600 });
    } else {
      const { url, authorization } = addressOf(target.url);
      const { ok, status } = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'text/plain; charset=utf-8', ...authorization, ...target.headers },
        body: checkpoint.note,
        signal: AbortSignal.any([this.stop.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
      }).catch(({ name, cause }: Error & { cause?: { code?: unknown; message?: unknown } }) => {
        // The message of the failure itself may quote the URL or a header.
        throw new Error(String(cause?.code ?? cause?.message ?? name));
      });
      if (!ok) throw new Error(`the answer was ${status}`);
    }
  }
}

/** Whether its last line has no end, as where a process or its disk ended while it was written. */
async function isTorn(file: string): Promise<boolean> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return false;
  try {
    const { size } = await handle.stat();
    if (size === 0) return false;
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] !== 0x0a;
  } finally {
    await handle.close();
  }
}

/** `fetch` takes no URL with a user and a password, and quotes it where it says so. */
function addressOf(text: string): { url: URL; authorization: Record<string, string> } {
  const url = new URL(text);
  const { username, password } = url;
  if (username === '' && password === '') return { url, authorization: {} };
  url.username = url.password = '';
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  return { url, authorization: { authorization: `Basic ${credentials.toString('base64')}` } };
}

function reasonOf(error: unknown): string {
  const { message = error } = Object(error) as { message?: unknown };
  return withoutUrlSecrets(String(message).split('\n')[0]!);
}

/** Without what a URL may hold of secrets. */
function nameOf(target: CheckpointPublisher): string {
  if (typeof target === 'function') return 'the function of the option ledger.publish';
  return 'file' in target ? target.file : new URL(target.url).host;
}
