// The store by itself, without an application: what the delivery and the reads use, on a database of the test's, with the tables of features.
import { DataSource } from 'typeorm';
import type { AuditDatabaseOptions, AuditLogEvent, FeatureTables } from 'nest-audit-trail';
import { protection } from 'nest-audit-trail/protection';
import { retention } from 'nest-audit-trail/retention';
import { createEventId } from '../../src/event/event-id.js';
import { AuditDatabase } from '../../src/store/audit-database.js';
import { AuditEventRepository } from '../../src/store/audit-event.repository.js';
import { DeadLetterRepository } from '../../src/store/dead-letter.repository.js';
import { SourceRepository } from '../../src/store/source.repository.js';

/** Those that have tables. */
const features: readonly { readonly tables: FeatureTables }[] = [protection, retention];

export interface AuditStore {
  readonly events: AuditEventRepository;
  readonly letters: DeadLetterRepository;
  readonly sources: SourceRepository;
  /** Whose repositories these are. */
  readonly database: AuditDatabase;
  /** Another connection, for what only somebody else would do. */
  readonly connection: DataSource;
  close(): Promise<void>;
}

export async function openStore(
  options: AuditDatabaseOptions,
  more: { readonly migrate?: boolean } = {},
): Promise<AuditStore> {
  const ignore = () => undefined;
  const database = new AuditDatabase(
    { ...more, database: options },
    { log: ignore, warn: ignore, error: ignore },
    features.map(({ tables }) => tables),
  );
  await database.connect(10_000);
  const connection = await new DataSource(options).initialize();
  const events = new AuditEventRepository(database);
  return {
    events,
    letters: new DeadLetterRepository(database, events),
    sources: new SourceRepository(database),
    database,
    connection,
    async close() {
      await connection.destroy();
      await database.close();
    },
  };
}

/** An event with the number that a process would give it. */
export function numbered(source: string, sequence: number, more: Partial<AuditLogEvent> = {}): AuditLogEvent {
  const timestamp = more.timestamp ?? Date.now();
  return {
    id: createEventId(timestamp),
    timestamp,
    tenantId: 'acme',
    action: 'thing.create',
    resource: 'thing',
    details: {},
    severity: 'low',
    category: 'data_modification',
    outcome: 'success',
    riskScore: 0,
    complianceFlags: [],
    ...more,
    metadata: { ...more.metadata, source, sequence },
  };
}
