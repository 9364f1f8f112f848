// What a URL holds besides its host (a user, a password, tokens in its path and its query) is in no log and no error.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AuditModule } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { retention } from 'nest-audit-trail/retention';
import { eventually } from '../../support/eventually.js';
import { logged, startLedgerApp } from '../../support/ledger-app.js';
import { createDatabase } from '../../support/harness/databases.js';

const SECRETS = ['hunter2', 'token-planted'];

function expectNoSecrets(text: string): void {
  for (const secret of SECRETS) expect(text).not.toContain(secret);
}

describe('secrets in URLs', () => {
  it('of publishers are not logged, whatever goes wrong, and the password is sent as one', async () => {
    const authorizations: (string | undefined)[] = [];
    let status = 500;
    const server = createServer((request, response) => {
      authorizations.push(request.headers.authorization);
      response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const path = 'token-planted/x?token=token-planted';
    const database = await createDatabase('sqlite');
    logged.length = 0;
    const app = await startLedgerApp(database, {
      ledger: {
        publish: [
          { url: `http://root:hunter%32@127.0.0.1:${port}/${path}` },
          { url: `http://root:hunter2@127.0.0.1:1/${path}` },
          () => Promise.reject(new Error(`no answer from https://root:hunter2@hooks.example/${path}`)),
        ],
      },
    });
    try {
      await app.audit.record({ action: 'invoice.pay' });
      await eventually(() => app.audit.flush());
      await app.audit.checkpoint();
      await eventually(() =>
        expect(logged.filter((line) => line.includes('could not be published')).length).toBe(3),
      );
      status = 200;
      await eventually(() => expect(authorizations.length).toBeGreaterThan(1));
      expect(new Set(authorizations)).toEqual(
        new Set([`Basic ${Buffer.from('root:hunter2').toString('base64')}`]),
      );
      const lines = logged.join('\n');
      expectNoSecrets(lines);
      expectNoSecrets(JSON.stringify(app.audit.status()));
      // What helps to find it is still told.
      expect(lines).toContain(`127.0.0.1:${port}: the answer was 500`);
      expect(lines).toContain('127.0.0.1:1: ');
      expect(lines).toContain('no answer from https://hooks.example/…');
    } finally {
      await app.close();
      await new Promise((resolve) => server.close(resolve));
      await database.drop();
    }
  });

  it('of databases are in no error of wrong options', async () => {
    const url = 'mysql://root:hunter2@db.example/audit?token=token-planted';
    for (const options of [
      url,
      { database: url },
      { database: { type: url } },
      { features: [retention({ rules: [], database: url as never })] },
      { ledger: url },
      { ledger: { publish: url } },
      { delivery: { mode: url } },
    ]) {
      const start = async () => {
        const imports = [AuditModule.forRoot(options as unknown as AuditModuleOptions)];
        await NestFactory.createApplicationContext(
          { module: class RootModule {}, imports },
          { logger: false, abortOnError: false },
        );
      };
      const error: unknown = await start().catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS' });
      expectNoSecrets(String(error));
    }
  });

  it('of databases are not logged where they can not be reached', async () => {
    const database = await createDatabase('sqlite');
    for (const type of ['mysql', 'postgres'] as const) {
      logged.length = 0;
      const app = await startLedgerApp(
        {
          ...database,
          options: { type, url: `${type}://root:hunter2@127.0.0.1:1/audit?x=token-planted` } as never,
        },
        { delivery: { shutdownTimeoutMs: 1 } },
      );
      try {
        await app.audit.record({ action: 'invoice.pay' });
        await expect(app.audit.flush()).rejects.toThrow();
        expect(logged.length).toBeGreaterThan(0);
        expectNoSecrets(logged.join('\n'));
        expectNoSecrets(JSON.stringify(app.audit.status()));
      } finally {
        await app.close().catch(() => undefined);
      }
    }
    await database.drop();
  });
});
