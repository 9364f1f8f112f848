// What the migration makes. It is made of the description of the tables, which a later version may change: the migration then must not.
import { createHash } from 'node:crypto';
import type { QueryRunner } from 'typeorm';
import { AUDIT_MIGRATIONS } from 'nest-audit-trail/typeorm';

/** SHA-256, the first 16 digits, of the statements that create tables, indexes, the view and triggers. */
const MADE = {
  'better-sqlite3': '69da1b355056406e',
  mysql: 'fc3ca7bff8bd6fae',
  postgres: '1b259eb14a963d61',
};

describe('the first migration', () => {
  it.each(Object.entries(MADE))('makes on %s what it has always made', async (type, digest) => {
    const made: string[] = [];
    const quote = type === 'mysql' ? '`' : '"';
    const runner = {
      connection: { options: { type }, driver: { escape: (name: string) => quote + name + quote } },
      query: (text: string) => {
        if (text.startsWith('CREATE')) made.push(text);
        // As MySQL 8 has it.
        return Promise.resolve([{ name: 'utf8mb4_0900_bin' }]);
      },
    };
    for (const Migration of AUDIT_MIGRATIONS) await new Migration().up(runner as unknown as QueryRunner);
    expect(createHash('sha256').update(made.join('\n')).digest('hex').slice(0, 16)).toBe(digest);
  });
});
