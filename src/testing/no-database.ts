import { AuditError } from '../event/audit-error.js';
import { AuditDatabase } from '../store/audit-database.js';
import { AuditEventRepository } from '../store/audit-event.repository.js';
import { SourceRepository } from '../store/source.repository.js';

/** A database that is never there, so that no driver is loaded. */
export class NoDatabase extends AuditDatabase {
  constructor() {
    super({}, { log: ignore, warn: ignore, error: ignore });
  }

  override get whyNotReady(): string {
    return 'the audit is tested without one';
  }

  override async connect(): Promise<void> {}

  /** @throws AuditError `AUDIT_STORE_UNAVAILABLE`, always */
  override ready(): never {
    throw new AuditError(
      'AUDIT_STORE_UNAVAILABLE',
      'AuditTestingModule keeps what was recorded in a list, and has no database to read from: call events() of AuditTestingModule, or leave that module out and give the test a database.',
    );
  }
}

/** Accepts events and forgets them: whoever listens has them. */
export class ForgottenEvents extends AuditEventRepository {
  override get whyNotReady(): undefined {
    return undefined;
  }

  override async append(): Promise<[]> {
    return [];
  }

  override async ping(): Promise<void> {}
}

/** Accepts what is said of sources and forgets it. */
export class ForgottenSources extends SourceRepository {
  override async insert(): Promise<void> {}
}

function ignore(): void {}
