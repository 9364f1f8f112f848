import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createTables, dropTables } from '../../store/migrations/tables.js';
import { KEY } from './audit-key.entity.js';

export class CreateAuditKeys1764100000000 implements MigrationInterface {
  readonly name = 'CreateAuditKeys1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    await createTables(runner, {
      audit_keys: {
        // Of several processes that make the same key at once, one does.
        columns: KEY,
        // Not unique: somebody else's row must not stand where a key of a person belongs.
        indexes: { subject: ['subject'] },
        checks: () => ['generation >= 0'],
      },
    });
  }

  down(runner: QueryRunner): Promise<void> {
    return dropTables(runner, ['audit_keys']);
  }
}
