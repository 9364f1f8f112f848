// A database server for one run of the tests, in a temporary folder.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { atEndOfRun, hasEnded } from './end-of-run.mjs';

const START_DEADLINE_MS = 60_000;
const POLL_MS = 50;

export class PrivateServer {
  #identity;

  /**
   * @param {string[]} accounts who runs it when the tests run as root, which PostgreSQL refuses and others should:
   *   the first that exists
   */
  constructor(accounts) {
    this.#identity = process.getuid?.() === 0 ? identityOf(accounts) : {};
    this.folder = mkdtempSync(join(tmpdir(), 'audit-test-server-'));
    atEndOfRun({ folder: this.folder });
    this.#give(this.folder);
  }

  /** Writes a file that the server can read, and returns its path. */
  write(name, text) {
    const file = join(this.folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    this.#give(file);
    return file;
  }

  /** Runs a program to its end. */
  async run(command, args, env) {
    const child = this.#spawn(command, args, { env });
    const timer = setTimeout(() => child.kill('SIGKILL'), START_DEADLINE_MS);
    try {
      const [code, signal] = await once(child, 'exit');
      if (code !== 0) throw new Error(`${command} ended with ${signal ?? code}${this.#lastWords()}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Starts the server, and returns once `connect` succeeds.
   *
   * @param {NodeJS.Signals} signal ends it at once, leaving nothing in the system; its data is of no worth
   */
  async start(command, args, signal, connect) {
    const child = this.#spawn(command, args, { signal });
    child.unref();
    let failure;
    child.once('error', (error) => (failure = error.message));
    child.once('exit', (code, by) => (failure = `it ended with ${by ?? code}`));
    const deadline = Date.now() + START_DEADLINE_MS;
    for (;;) {
      try {
        return await connect();
      } catch (error) {
        if (Date.now() > deadline)
          failure ??= `no connection within ${START_DEADLINE_MS / 1000} s: ${error.message}`;
      }
      if (failure) throw new Error(`${command} did not start: ${failure}${this.#lastWords()}`);
      await delay(POLL_MS);
    }
  }

  #give(path) {
    const { uid, gid } = this.#identity;
    if (uid !== undefined) chownSync(path, uid, gid);
  }

  #spawn(command, args, { env, signal }) {
    const log = openSync(join(this.folder, 'server.log'), 'a');
    try {
      const child = spawn(command, args, {
        ...this.#identity,
        cwd: this.folder,
        // A process group of its own, so that what a script has started ends with it.
        detached: true,
        env: { ...process.env, TMPDIR: this.folder, ...env },
        stdio: ['ignore', log, log],
      });
      if (child.pid !== undefined) {
        atEndOfRun({ processGroup: child.pid, signal });
        child.once('exit', () => hasEnded(child.pid));
      }
      return child;
    } finally {
      closeSync(log);
    }
  }

  #lastWords() {
    const lines = readFileSync(join(this.folder, 'server.log'), 'utf8').split('\n').filter(Boolean);
    const errors = lines.filter((line) => /\b(error|fatal)\b/i.test(line));
    const words = errors.length > 0 ? errors.slice(0, 2) : lines.slice(-2);
    return words.map((line) => `: ${line}`).join('');
  }
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

function identityOf(accounts) {
  for (const account of accounts) {
    try {
      const id = (flag) =>
        Number(execFileSync('id', [flag, account], { stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // No such account: the next.
    }
  }
  throw new Error(`none of the accounts ${accounts.join(', ')} exists to run it, and root should not`);
}
