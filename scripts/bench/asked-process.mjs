// A process of a measurement: it is asked one thing at a time by IPC, and ends with whoever started it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { atEndOfRun, hasEnded } from '../../test/support/harness/end-of-run.mjs';

export class AskedProcess {
  #child;
  #ended;
  #isEnding = false;

  /**
   * @param {string} file beside this one, or an absolute path; it calls `answerQuestions`
   * @param {string} name what it is called where it ends before it should
   * @param {string} node the program that runs it
   */
  constructor(file, name, node = process.execPath) {
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), {
      execPath: node,
      // Not in the terminal's group: an interrupt is for the measuring process, which ends this one.
      detached: true,
      env: { ...process.env, NODE_ENV: 'production' },
      // The standard output is the table's.
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    const { pid } = this.#child;
    atEndOfRun({ processGroup: pid, signal: 'SIGKILL' });
    this.#ended = once(this.#child, 'exit').then(([code, signal]) => {
      hasEnded(pid);
      if (!this.#isEnding) throw new Error(`${name} ended with ${signal ?? code}`);
    });
    // Heard by whoever asks next.
    this.#ended.catch(() => undefined);
  }

  get pid() {
    return this.#child.pid;
  }

  /** Linux: what the main thread has run until now, in microseconds; `undefined` elsewhere. */
  mainThreadMicros() {
    const { pid } = this.#child;
    try {
      return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ', 1)[0]) / 1_000;
    } catch {
      return undefined;
    }
  }

  async ask(name, value) {
    const answered = once(this.#child, 'message');
    this.#child.send({ name, value }, () => undefined);
    const [{ error, answer }] = await Promise.race([answered, this.#ended.then(() => answered)]);
    if (error !== undefined) throw new Error(error);
    return answer;
  }

  /** Ends it without a warning, as a crash would. */
  async kill() {
    this.#isEnding = true;
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Lets it end by itself, after all that it was asked. */
  async end() {
    this.#isEnding = true;
    this.#child.disconnect();
    await this.#ended;
  }
}
