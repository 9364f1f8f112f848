// What all scenarios of one server share: the server, a folder, and an end that leaves nothing behind.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEndOfRun, endRun } from '../support/harness/end-of-run.mjs';
import { Application } from './application.js';
import type { Delivery, Special } from './application.js';
import { createFailingDisk } from './journal-disk.js';
import type { Mode } from './ledger.js';
import { say } from './progress.js';
import { SEED } from './random.js';
import type { DatabaseServer } from './servers/database-server.js';
import { IS_ALL } from './tier.js';

/** What is said of a failure: the end of what the application wrote. */
const SHOWN_LINES = 15;
/** How long mending may take at most after a scenario that did not end in time. */
const MENDING_MS = 120_000;

export class Bench {
  private readonly applications: Application[] = [];
  private lasting: { readonly value: unknown; readonly applications: Application[] } | undefined;
  private folder!: string;
  private count = 0;
  private scenarios = 0;

  constructor(readonly server: DatabaseServer) {
    beforeAll(async () => {
      say(`${server.name}: AUDIT_FAULTS_SEED=${SEED}`);
      // A worker whose run was killed must not go on alone.
      process.once('disconnect', () => process.exit(1));
      this.folder = mkdtempSync(join(tmpdir(), 'audit-faults-'));
      atEndOfRun({ folder: this.folder });
      await server.create();
    }, 120_000);
    afterAll(endRun, 60_000);
  }

  /** An application with a database and a journal of its own; released after the scenario. */
  async create(mode: Mode, delivery: Delivery = {}, special: Special = {}): Promise<Application> {
    return this.keep(await Application.create(this.server, mode, ...this.fresh(), delivery, special));
  }

  /** A database for a scenario's own processes, and a folder for their journals. */
  async emptyDatabase(): Promise<{ folder: string; database: string }> {
    const [folder, database] = this.fresh();
    mkdirSync(folder, { recursive: true });
    await this.server.createDatabase(database);
    return { folder, database };
  }

  /** As {@link create}, with its journal on a disk that can fail. */
  async createOnFailingDisk(mode: Mode, delivery: Delivery = {}): Promise<Application> {
    const [folder, name] = this.fresh();
    const disk = await createFailingDisk(join(this.folder, `disk-${name}`));
    return this.keep(await Application.create(this.server, mode, folder, name, delivery, { disk }));
  }

  /** What several scenarios use, one after another, as long as none of them fails. */
  async shared<T>(make: () => Promise<T>): Promise<T> {
    if (!this.lasting) {
      const value = await make();
      this.lasting = { value, applications: this.applications.splice(0) };
    }
    return this.lasting.value as T;
  }

  /** Ends what was shared. */
  async endShared(): Promise<void> {
    const applications = this.lasting?.applications ?? [];
    this.lasting = undefined;
    for (const application of applications) await application.release();
  }

  /**
   * A test. Whatever it breaks is mended after it, also where it does not end in time, and a failure comes with the
   * application's last words.
   */
  scenario(title: string, timeoutMs: number, run: () => Promise<void>): void {
    this.scenarios += 1;
    if (!IS_ALL && this.scenarios % 2 === (this.server.name === 'MariaDB' ? 0 : 1)) {
      it.skip(`${title}, skipped: on the other server, and on both by -- --all`, () => undefined);
      return;
    }
    it(
      title,
      async () => {
        const running = run();
        try {
          await orTimeout(running, timeoutMs);
          const all = [...this.applications, ...(this.lasting?.applications ?? [])];
          expect(all.flatMap((application) => application.complaints)).toEqual([]);
        } catch (error) {
          this.applications.push(...(this.lasting?.applications ?? []));
          this.lasting = undefined;
          (error as Error).message += this.lastWords();
          throw error;
        } finally {
          // What still runs must not break what the next one uses; without its application it comes to an end.
          await Promise.all(this.applications.map((application) => application.kill()));
          await orTimeout(running, MENDING_MS / 2).catch(() => undefined);
          await this.server.heal();
          for (const application of this.applications.splice(0)) await application.release();
        }
      },
      timeoutMs + MENDING_MS,
    );
  }

  /** A test of each mode, or of each door, side by side, since most of the time they wait. */
  scenarioForEach<T extends string>(
    cases: readonly T[],
    title: string,
    timeoutMs: number,
    run: (each: T) => Promise<void>,
  ): void {
    this.scenario(`${title} (${cases.join(', ')})`, timeoutMs, async () => {
      const results = await Promise.allSettled(cases.map((each) => run(each)));
      const failures = results.flatMap((result, index) =>
        result.status === 'rejected' ? [{ name: cases[index], error: result.reason as Error }] : [],
      );
      const [first] = failures;
      if (!first) return;
      first.error.message = failures.map(({ name, error }) => `In ${name}: ${error.message}`).join('\n\n');
      throw first.error;
    });
  }

  private fresh(): [folder: string, name: string] {
    this.count += 1;
    const name = `faults_${this.count}`;
    return [join(this.folder, name), name];
  }

  private keep(application: Application): Application {
    this.applications.push(application);
    return application;
  }

  private lastWords(): string {
    return this.applications
      .map(({ mode, door, output }) => {
        const lines = output.split('\n').slice(-SHOWN_LINES);
        return `\n\nThe application (${mode}, ${door}) wrote last:\n${lines.join('\n')}`;
      })
      .join('');
  }
}

async function orTimeout(running: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${timeoutMs / 1_000} s`)), timeoutMs);
  });
  await Promise.race([running, timeout]).finally(() => clearTimeout(timer));
}
