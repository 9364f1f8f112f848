import { createHash } from 'node:crypto';
import type { AuditSeverity } from '../../event/audit-log-event.js';
import { PROTECTED_VALUE } from '../../event/protected-marks.js';
import { REDACTED } from '../../event/safe-text.js';
import { TOLD_OF_AUDIT } from './detection.repository.js';
import type { DetectedEvent, EventCondition, KeyColumn } from './detection.repository.js';
import { volumeOf } from '../../recorder/risk/volume.js';
import { networkOf } from './network.js';

/** By what a detection groups events. */
export type DetectionKey = 'user' | 'address' | 'account';

/** One way in which a detection groups events: by this key, within a tenant. */
export interface KeyWay {
  readonly by: DetectionKey;
  /** The column that the key is in; absent where it is in none. */
  readonly column?: KeyColumn;
  /** The key of an event; `undefined` where it does not count. */
  readonly keyOf: (event: DetectedEvent) => string | undefined;
  /** Which events, any of these, instead of the detection's own. */
  readonly any?: readonly EventCondition[];
}

/** What is counted: events, different things, or a number that the events give. */
export type DetectionMeasure = 'events' | 'distinct' | 'sum';

/** A detection as data: which events, of whom, what of them is counted, how much of it within which time. */
export interface Detection {
  readonly name: string;
  readonly option: DetectionName;
  readonly ways: readonly KeyWay[];
  /** Which events count: any of these. */
  readonly any: readonly EventCondition[];
  readonly measure: DetectionMeasure;
  /** What a distinct thing is. */
  readonly thingOf?: (event: DetectedEvent) => string;
  /** What an event adds to the sum. */
  readonly weigh?: (event: DetectedEvent, volumeKeys: readonly string[]) => number;
  /** Events that do not count themselves, but with which half of the threshold is enough. */
  readonly clinchers?: { readonly where: EventCondition; readonly action: RegExp };
  /** What the application and its request both record counts once, see `RequestPairs`. */
  readonly oncePerRequest?: true;
  /** Looks at a user's events in all tenants. */
  readonly acrossTenants?: true;
  readonly threshold: number;
  readonly mostThreshold: number;
  readonly windowSeconds: number;
  readonly severity: AuditSeverity;
}

export type DetectionName =
  'bruteForce' | 'rapidActions' | 'resourceBreadth' | 'massExport' | 'privilegeEscalation' | 'foreignTenant';

/** An export that does not say of how many records counts as so many. */
export const UNCOUNTED_EXPORT = 1_000;

/** Windows up to this long are decided by each process alone. */
export const LOCAL_WINDOW_SECONDS = 60;

const byUser: KeyWay = { by: 'user', column: 'user_id', keyOf: ({ userId }) => userId };
const byAddress: KeyWay = { by: 'address', column: 'ip_address', keyOf: addressOf };

function addressOf({ ipAddress }: DetectedEvent): string | undefined {
  return ipAddress === undefined ? undefined : networkOf(ipAddress);
}

/** Longer accounts, which anybody can send, are known by a digest. */
const LONGEST_ACCOUNT = 128;

/** The account that somebody tried to enter, as most applications compare it: without case and outer space. */
function accountOf({ details, userId }: DetectedEvent): string | undefined {
  const given = Object.hasOwn(details, 'account') ? details['account'] : userId;
  // As the database has it where it is protected: it could be anybody.
  if (given === PROTECTED_VALUE) return undefined;
  if (typeof given !== 'string' && typeof given !== 'number') return undefined;
  // So is one that was removed or masked.
  if (String(given).startsWith(REDACTED.slice(0, -1))) return undefined;
  const account = String(given).trim().toLowerCase();
  if (account.length <= LONGEST_ACCOUNT) return account === '' ? undefined : account;
  return `sha256-${createHash('sha256').update(account).digest('base64url')}`;
}

/** Parts of the names of actions that change who may do what. */
const ROLE_PARTS = ['role', 'permission', 'privilege', 'grant', 'authz_change'];
const ROLE_CHANGE = /(^|[^a-z])(roles?|permissions?|privileges?|grants?|authz_change)([^a-z]|$)/i;

/** Every detection, by its defaults. `docs/operate/detection.md` has the same list. */
export const DETECTIONS: readonly Detection[] = [
  {
    name: 'brute-force',
    option: 'bruteForce',
    ways: [byAddress, { by: 'account', keyOf: accountOf }],
    any: [{ category: 'authentication', outcomes: ['failure'] }],
    measure: 'events',
    oncePerRequest: true,
    threshold: 10,
    mostThreshold: 1_000,
    windowSeconds: 300,
    severity: 'high',
  },
  {
    name: 'rapid-actions',
    option: 'rapidActions',
    ways: [
      byUser,
      {
        ...byAddress,
        keyOf: (event) => (event.userId === undefined ? addressOf(event) : undefined),
        any: [{ anonymous: true }],
      },
    ],
    any: [{}],
    measure: 'events',
    threshold: 300,
    mostThreshold: 1_000,
    windowSeconds: 60,
    severity: 'medium',
  },
  {
    name: 'resource-breadth',
    option: 'resourceBreadth',
    ways: [byUser],
    any: [{ category: 'data_access' }],
    measure: 'distinct',
    thingOf: ({ resource, resourceId }) => `${resource}\n${resourceId ?? ''}`,
    threshold: 100,
    mostThreshold: 1_000,
    windowSeconds: 300,
    severity: 'high',
  },
  {
    name: 'mass-export',
    option: 'massExport',
    ways: [byUser],
    // Those with a count of records are added where the keys are known, see `checkDetectionOptions`.
    any: [{ outcomes: ['success', 'partial'], actionEnd: '.export' }],
    measure: 'sum',
    weigh: (event, volumeKeys) => {
      const records = volumeOf(event, volumeKeys);
      return records > 0 || !event.action.endsWith('.export') ? records : UNCOUNTED_EXPORT;
    },
    threshold: 10_000,
    mostThreshold: 1_000_000_000,
    windowSeconds: 3_600,
    severity: 'high',
  },
  {
    name: 'privilege-escalation',
    option: 'privilegeEscalation',
    ways: [byUser],
    any: [{ category: 'authorization', outcomes: ['failure'] }],
    measure: 'events',
    oncePerRequest: true,
    clinchers: { where: { outcomes: ['success'], actionParts: ROLE_PARTS }, action: ROLE_CHANGE },
    threshold: 5,
    mostThreshold: 1_000,
    windowSeconds: 300,
    severity: 'high',
  },
  {
    name: 'foreign-tenant',
    option: 'foreignTenant',
    // What has no tenant has this one: it is nobody's.
    ways: [{ ...byUser, keyOf: ({ userId, tenantId }) => (tenantId === 'default' ? undefined : userId) }],
    any: [{}],
    measure: 'distinct',
    thingOf: ({ tenantId }) => tenantId,
    acrossTenants: true,
    threshold: 2,
    mostThreshold: 100,
    windowSeconds: 3_600,
    severity: 'critical',
  },
];

/** Whether the event meets the condition: the same answer as the database's. */
export function meets(event: DetectedEvent, condition: EventCondition): boolean {
  const { category, outcomes, anonymous, actionEnd, actionParts, detailsKeys } = condition;
  if (category !== undefined && event.category !== category) return false;
  if (outcomes && !outcomes.includes(event.outcome)) return false;
  if (anonymous && event.userId !== undefined) return false;
  if (actionEnd !== undefined && !event.action.endsWith(actionEnd)) return false;
  if (actionParts && !actionParts.some((part) => event.action.toLowerCase().includes(part))) return false;
  return !detailsKeys || detailsKeys.some((key) => Object.hasOwn(event.details, key));
}

/** Whether the audit says it of itself. */
export function tellsOfAudit(event: DetectedEvent): boolean {
  return TOLD_OF_AUDIT.some(
    ([resource, category]) => event.resource === resource && event.category === category,
  );
}
