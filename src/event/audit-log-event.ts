/** How grave an event is, in ascending order. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;

/** What kind of thing happened. */
export const CATEGORIES = [
  'authentication',
  'authorization',
  'data_access',
  'data_modification',
  'system',
  'security',
  'compliance',
] as const;

/** How it ended: `partial` is neither: interrupted, cut off, or only done for some of the things asked for. */
export const OUTCOMES = ['success', 'failure', 'partial'] as const;

/** One value of `details` or `metadata`: flat, so that every database and every tool reads the same thing. */
export type AuditValue = string | number | boolean | string[] | number[];

/** Facts under dotted keys (`changes.amount.before`). */
export type AuditFacts = Record<string, AuditValue>;

/**
 * One recorded action: who did what, to which thing, from where, with what outcome.
 *
 * Everything that a client can send (`userAgent`, `metadata.path`, `metadata.requestId`, `metadata.traceId`, and
 * whatever an application puts into `details`) is untrusted text. `userId`, `tenantId` and `sessionId` are as
 * trustworthy as the application's own authentication, `ipAddress` as its trusted-proxy setting.
 */
export interface AuditLogEvent {
  /** UUIDv7 (RFC 9562) made from `timestamp`, so ids sort by time. */
  id: string;
  /** Unix epoch, milliseconds: when the action began. */
  timestamp: number;
  /** Whose data; `'default'` in a single-tenant application. */
  tenantId: string;
  /** The actor; absent when nobody was authenticated. */
  userId?: string;
  /** `resource.verb`, for example `invoice.approve`. */
  action: string;
  /** The kind of thing acted on, for example `invoice`. */
  resource: string;
  /** Which one. */
  resourceId?: string;
  /** Facts of the business: what changed, how many records. */
  details: Record<string, string | number | boolean | string[] | number[]>;
  /** Canonical IPv4 or IPv6 (RFC 5952) address, by the platform's trusted-proxy rules; never a raw header. */
  ipAddress?: string;
  /** The `User-Agent` header, as the client claims it. */
  userAgent?: string;
  sessionId?: string;
  severity: 'low' | 'medium' | 'high' | 'critical';
  category:
    | 'authentication'
    | 'authorization'
    | 'data_access'
    | 'data_modification'
    | 'system'
    | 'security'
    | 'compliance';
  outcome: 'success' | 'failure' | 'partial';
  /** Integer, 0-100. */
  riskScore: number;
  /** Ids of the compliance rules that matched. */
  complianceFlags: string[];
  /** Facts of the capture: `method`, `path`, `route`, `statusCode`, `durationMs`, `requestId` and the like. */
  metadata: Record<string, string | number | boolean | string[] | number[]>;
}

export type AuditSeverity = AuditLogEvent['severity'];
export type AuditCategory = AuditLogEvent['category'];
export type AuditOutcome = AuditLogEvent['outcome'];

/** The version of this format, stored as `metadata.schemaVersion`. */
export const SCHEMA_VERSION = 1;
