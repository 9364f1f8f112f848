// What the command line knows of features: whoever verifies a log has not listed any.
import { explainRemovals as retention } from '../features/retention/recorded-removals.js';
import type { AuditDatabase } from '../store/audit-database.js';
import type { ExplainsMissing } from '../trail/verification/verification.js';

const features: readonly ((database: AuditDatabase) => ExplainsMissing)[] = [retention];

/** Why leaves may have no event, by every feature. */
export function explanationsOf(database: AuditDatabase): ExplainsMissing[] {
  return features.map((explains) => explains(database));
}
