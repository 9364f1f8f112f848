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
  /** UUIDv7 (RFC 9562) in lower case, made from `timestamp`, so ids sort by time. */
  id: string;
  /** Unix epoch, milliseconds: when the request or the action began. */
  timestamp: number;
  /** Whose data; `default` in an application without tenants. */
  tenantId: string;
  /** Who acted; absent when nobody was authenticated. */
  userId?: string;
  /** `resource.verb`, for example `invoice.approve`. */
  action: string;
  /** The kind of thing acted on, for example `invoice`. */
  resource: string;
  /** Which one. */
  resourceId?: string;
  /** Facts of the business, flat: what changed, how many records. */
  details: Record<string, string | number | boolean | string[] | number[]>;
  /**
   * IPv4 dotted, IPv6 by RFC 5952, an IPv4 address mapped into IPv6 as IPv4; by the platform's trusted-proxy rules,
   * never a raw header.
   */
  ipAddress?: string;
  /** The `User-Agent` header, as the client claims it. */
  userAgent?: string;
  /** The session, as the application names it. */
  sessionId?: string;
  /** `low`, `medium`, `high`, `critical`. */
  severity: 'low' | 'medium' | 'high' | 'critical';
  /** `authentication`, `authorization`, `data_access`, `data_modification`, `system`, `security`, `compliance`. */
  category:
    | 'authentication'
    | 'authorization'
    | 'data_access'
    | 'data_modification'
    | 'system'
    | 'security'
    | 'compliance';
  /** `success`, `failure`, `partial`. */
  outcome: 'success' | 'failure' | 'partial';
  /** Integer, 0 to 100 (`docs/reference/format.md#risk-score`). */
  riskScore: number;
  /** Ids that `record()` was given, then those of the compliance rules that matched (`docs/comply/rules.md`). */
  complianceFlags: string[];
  /** Facts of the capture, flat (`docs/reference/format.md#metadata`). */
  metadata: Record<string, string | number | boolean | string[] | number[]>;
}

export type AuditSeverity = AuditLogEvent['severity'];
export type AuditCategory = AuditLogEvent['category'];
export type AuditOutcome = AuditLogEvent['outcome'];

/** The version of this format, stored as `metadata.schemaVersion`. */
export const SCHEMA_VERSION = 1;
