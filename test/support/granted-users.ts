// Database users with exactly the rights that docs/operate/hardening.md grants: what an attacker has who took the application's
// password, that of the sealer or that of the maintenance.
import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import type { AuditDatabaseOptions } from 'nest-audit-trail';
import { Page } from './docs/page.js';
import type { TestDatabase } from './harness/databases.js';

/** Where the servers may say that the test comes from. */
const HOSTS = ['%', 'localhost', '127.0.0.1'];

export interface GrantedUsers {
  /** TypeORM's options of the application's user: INSERT and SELECT. */
  readonly application: AuditDatabaseOptions;
  /** Of the user who writes the log: INSERT and SELECT on its tables. */
  readonly sealer: AuditDatabaseOptions;
  /** Of the user who may remove events. */
  readonly maintenance: AuditDatabaseOptions;
  /** Drops the users; the second time it does nothing. */
  drop(): Promise<void>;
}

/**
 * Creates the users by the statements of the page. A SQLite file has no users: there each may do anything.
 *
 * @param owner a connection of who owns the tables, which exist already
 */
export async function grantUsers(database: TestDatabase, owner: DataSource): Promise<GrantedUsers> {
  const { options, name } = database;
  if (name === 'sqlite') {
    return { application: options, sealer: options, maintenance: options, drop: () => Promise.resolve() };
  }
  const user = `audit_test_${randomBytes(6).toString('hex')}`;
  const [sealer, remover] = [`${user}_s`, `${user}_r`];
  const password = randomBytes(12).toString('hex');

  const page = Page.read('docs/operate/hardening.md');
  const [mysql, postgres] = page.section('Rights in the database').blocks('sql');
  const blockOf = (section: string) =>
    page.section(section).blocks(name === 'mysql' ? 'mysql' : 'postgresql')[0]!;
  const blocks = [name === 'mysql' ? mysql! : postgres!, blockOf('Who seals'), blockOf('Who may remove')];
  for (const { code } of blocks) {
    const own = code
      .replaceAll('audit_app', user)
      .replaceAll('audit_sealer', sealer)
      .replaceAll('audit_maintenance', remover)
      .replaceAll('…', password)
      .replaceAll(' audit.', ` ${String(options.database)}.`);
    const texts = name === 'mysql' ? HOSTS.map((host) => own.replaceAll("'%'", `'${host}'`)) : [own];
    const statements = texts.flatMap((text) => text.split(';\n'));
    for (const statement of statements.filter((one) => one.trim() !== '')) await owner.query(statement);
  }

  let isDropped = false;
  return {
    application: { ...options, username: user, password } as AuditDatabaseOptions,
    sealer: { ...options, username: sealer, password } as AuditDatabaseOptions,
    maintenance: { ...options, username: remover, password } as AuditDatabaseOptions,
    async drop() {
      if (isDropped) return;
      isDropped = true;
      if (name === 'mysql') {
        for (const host of HOSTS) {
          const names = [user, sealer, remover].map((one) => `'${one}'@'${host}'`);
          await owner.query(`DROP USER IF EXISTS ${names.join(', ')}`);
        }
      } else {
        const names = [user, sealer, remover].join(', ');
        await owner.query(`DROP OWNED BY ${names}; DROP ROLE ${names}`);
      }
    },
  };
}
