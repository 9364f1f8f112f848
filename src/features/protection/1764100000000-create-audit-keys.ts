import type { MigrationInterface, QueryRunner } from 'typeorm';
import { TEXT_LIMITS } from '../../event/safe-text.js';
import { columnTypes, createTable, dropTables } from '../../store/migrations/tables.js';

export class CreateAuditKeys1764100000000 implements MigrationInterface {
  readonly name = 'CreateAuditKeys1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    const { text } = await columnTypes(runner);
    await createTable(runner, 'audit_keys', {
      columns: {
        id: `${text(36)} NOT NULL`,
        subject: `${text(64)} NOT NULL`,
        generation: 'bigint NOT NULL',
        tenant_id: `${text(TEXT_LIMITS.tenantId)} NOT NULL`,
        wrapped: `${text(4_096)} NOT NULL`,
        master_id: `${text(255)} NOT NULL`,
        created_at: 'bigint NOT NULL',
        erased_at: 'bigint NULL',
        erasure: `${text(64)} NULL`,
      },
      // Of several processes that make the same key at once, one does.
      key: ['id'],
      // Not unique: somebody else's row must not stand where a key of a person belongs.
      indexes: { subject: ['subject'] },
      checks: ['generation >= 0'],
    });
  }

  down(runner: QueryRunner): Promise<void> {
    return dropTables(runner, ['audit_keys']);
  }
}
