// A database server for one run of the tests, in a temporary folder, and its end.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 10_000;
const POLL_MS = 50;

const servers = new Set();

export class PrivateServer {
  #child;
  #identity;
  #killSignal;

  /**
   * @param accounts who runs it when the tests run as root, which PostgreSQL refuses and others should; the first
   * that exists
   * @param killSignal ends the server at once without leaving anything in the system; its data is of no worth
   */
  constructor({ accounts, killSignal }) {
    this.#identity = process.getuid?.() === 0 ? identityOf(accounts) : {};
    this.#killSignal = killSignal;
    this.folder = mkdtempSync(join(tmpdir(), 'audit-test-server-'));
    if (servers.size === 0) watchForEnd();
    servers.add(this);
    if (this.#identity.uid !== undefined) chownSync(this.folder, this.#identity.uid, this.#identity.gid);
  }

  /** Runs a program to its end. */
  async run(command, args, env) {
    const child = this.#spawn(command, args, env);
    const timer = setTimeout(() => this.#kill('SIGKILL'), START_DEADLINE_MS);
    try {
      const [code, signal] = await once(child, 'close');
      if (code !== 0) throw new Error(`${command} ended with ${signal ?? code}${this.#lastWords()}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Starts the server, and returns once `connect` succeeds. */
  async start(command, args, connect) {
    const child = this.#spawn(command, args);
    let failure;
    child.once('error', (error) => (failure = error.message));
    child.once('exit', (code, signal) => (failure = `it ended with ${signal ?? code}`));
    const deadline = Date.now() + START_DEADLINE_MS;
    for (;;) {
      try {
        return await connect();
      } catch (error) {
        if (Date.now() > deadline)
          failure = `no connection within ${START_DEADLINE_MS / 1000} s: ${error.message}`;
      }
      if (failure) throw new Error(`${command} did not start: ${failure}${this.#lastWords()}`);
      await delay(POLL_MS);
    }
  }

  async stop() {
    const child = this.#child;
    if (isRunning(child)) {
      const ended = once(child, 'exit');
      this.#kill(this.#killSignal);
      const inTime = await Promise.race([ended, delay(STOP_DEADLINE_MS, undefined, { ref: false })]);
      if (!inTime) {
        this.#kill('SIGKILL');
        await ended;
      }
    }
    this.#remove();
  }

  /** The same without waiting, for a process that is about to end. */
  stopNow() {
    if (isRunning(this.#child)) this.#kill(this.#killSignal);
    this.#remove();
  }

  #spawn(command, args, env = {}) {
    const log = openSync(join(this.folder, 'server.log'), 'a');
    try {
      // A process group of its own, so that what a start script has started ends with it.
      this.#child = spawn(command, args, {
        ...this.#identity,
        cwd: this.folder,
        detached: true,
        env: { ...process.env, TMPDIR: this.folder, ...env },
        stdio: ['ignore', log, log],
      });
    } finally {
      closeSync(log);
    }
    return this.#child;
  }

  #kill(signal) {
    try {
      process.kill(-this.#child.pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }

  #remove() {
    servers.delete(this);
    if (servers.size === 0) stopWatching();
    // What a killed server was just writing can make the first attempt fail.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
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

export async function stopPrivateServers() {
  await Promise.all([...servers].map((server) => server.stop()));
}

function isRunning(child) {
  return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
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

// Jest runs no global teardown when it is interrupted, and a server must not outlive its run.
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

function watchForEnd() {
  process.on('exit', onExit);
  for (const signal of SIGNALS) process.on(signal, onSignal);
}

function stopWatching() {
  process.off('exit', onExit);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function onExit() {
  for (const server of servers) server.stopNow();
}

function onSignal(signal) {
  stopPrivateServers().finally(() => {
    stopWatching();
    process.kill(process.pid, signal);
  });
}
