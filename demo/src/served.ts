import type { AuditService } from 'nest-audit-trail';
import type { Users } from './users.js';

/** The API behind one of the doors, not listening yet. */
export interface Served {
  readonly audit: AuditService;
  readonly users: Pick<Users, 'issueResetToken'>;
  /** @returns the port */
  listen(port: number, host: string): Promise<number>;
  /** From now on errors of handlers are written to the terminal. */
  showErrors?(): void;
  close(): Promise<void>;
}
