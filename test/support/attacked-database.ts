// A database with the users of docs/operate/hardening.md: its owner, applications with the rights of theirs, and an attacker who has the password of
// the applications.
import { DataSource } from 'typeorm';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { openStore } from './audit-store.js';
import type { AuditStore } from './audit-store.js';
import { as } from './event-rows.js';
import { grantUsers } from './granted-users.js';
import type { GrantedUsers } from './granted-users.js';
import type { TestDatabase } from './harness/databases.js';
import { dropTriggers, logged, startLedgerApp } from './ledger-app.js';
import type { LedgerApp } from './ledger-app.js';
import { ask } from './stored-rows.js';

export class AttackedDatabase {
  private readonly apps: LedgerApp[] = [];
  private hasTriggers = true;

  private constructor(
    readonly database: TestDatabase,
    readonly owner: AuditStore,
    readonly users: GrantedUsers,
    readonly attacker: DataSource,
  ) {}

  /** Nothing is logged yet. */
  static async of(database: TestDatabase): Promise<AttackedDatabase> {
    const owner = await openStore(database.options);
    const users = await grantUsers(database, owner.connection);
    const attacker = await new DataSource(users.application).initialize();
    logged.length = 0;
    return new AttackedDatabase(database, owner, users, attacker);
  }

  /** @param journal what the name of its directory ends in: each application that runs has one of its own */
  async start(
    ledger: AuditModuleOptions['ledger'] = {},
    journal = '',
    delivery: AuditModuleOptions['delivery'] = {},
  ): Promise<LedgerApp> {
    const { database, users } = this;
    // A SQLite file has no users.
    const sealer = database.name !== 'sqlite' && { database: users.sealer };
    return this.keep(
      await startLedgerApp(as(database, users.application, journal), {
        migrate: false,
        delivery,
        ledger: { ...sealer, ...ledger },
      }),
    );
  }

  /** It is closed at the end at the latest. */
  keep(app: LedgerApp): LedgerApp {
    this.apps.push(app);
    return app;
  }

  async stop(app: LedgerApp): Promise<void> {
    this.apps.splice(this.apps.indexOf(app), 1);
    await app.close();
  }

  /** What only who owns the tables can do. */
  async remove(table: string, condition: string): Promise<void> {
    if (this.hasTriggers) await dropTriggers(this.owner.connection, this.database);
    this.hasTriggers = false;
    await ask(this.owner.connection, `DELETE FROM ${table} WHERE ${condition}`);
  }

  async close(): Promise<void> {
    for (const app of this.apps.splice(0)) await app.close();
    await this.attacker.destroy();
    await this.users.drop();
    await this.owner.close();
    await this.database.drop();
  }
}
