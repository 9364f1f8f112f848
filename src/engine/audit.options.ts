import { AuditError } from '../event/audit-error.js';
import { showValue } from '../event/show-value.js';
import type { AuditFeature } from './audit-feature.js';
import type { CaptureOptions } from '../capture/capture-options.js';
import type { DeliveryOptions } from '../delivery/delivery-options.js';
import type { ServiceOptions } from '../recorder/event-completer.js';
import type { RiskOptions } from '../recorder/risk/risk-options.js';
import type { ComplianceOptions } from '../features/rules/compliance-rule.js';
import type { ProtectionOptions } from '../features/protection/protection-options.js';
import type { RedactionOptions } from '../recorder/redaction/redaction-options.js';
import { MOST_REMOVED } from '../ledger/removal-record.js';
import type { LedgerOptions } from '../sealer/ledger-options.js';
import type { StoreOptions } from '../store/audit-database.js';
import type { RetentionOptions } from '../trail/retention/retention-options.js';
import { SUPPORTED_DATABASES } from '../store/table-name.js';

/** What `AuditModule.forRoot()` takes. Everything is optional: without options, events go to `audit.sqlite`. */
export interface AuditModuleOptions extends StoreOptions {
  /** What is captured of requests. */
  readonly capture?: CaptureOptions;
  /** How the risk score of an event comes about. */
  readonly risk?: RiskOptions;
  /** Which rules flag events, call handlers of the application, and block requests. */
  readonly compliance?: ComplianceOptions;
  /** What not everybody needs, each from a sub-path of its own: `[detection()]`. */
  readonly features?: readonly AuditFeature[];
  /** How events travel into the database. */
  readonly delivery?: DeliveryOptions;
  /** How what is stored becomes a log that nobody can change unseen. */
  readonly ledger?: LedgerOptions;
  /** What is never stored as it came: by its key, its place, and what it looks like. */
  readonly redaction?: RedactionOptions;
  /** What is encrypted, each person's by a key of their own; `false` where nothing is to be any more. */
  readonly protect?: ProtectionOptions | false;
  /** How long events are kept, for `AuditService.removeExpired()`. */
  readonly retention?: RetentionOptions;
  /** Which program writes: stored with every event. */
  readonly service?: ServiceOptions;
}

interface Rule {
  readonly accepts: (value: unknown) => boolean;
  /** Completes "write …". */
  readonly write: string;
}

const isText = (value: unknown) => typeof value === 'string' && value !== '';
const isFunction = (value: unknown) => typeof value === 'function';
const isTextList = (value: unknown) => Array.isArray(value) && value.every(isText);

function areFeatures(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const features = value as readonly (Partial<AuditFeature> | null | undefined)[];
  const names = features.map((feature) => feature?.name);
  return (
    features.every((feature) => isText(feature?.name) && isFunction(feature?.run)) &&
    new Set(names).size === names.length
  );
}

type Keys = Record<'verifierKey' | 'sign', unknown>;

function isPublisher(value: unknown): boolean {
  if (isFunction(value)) return true;
  const { file, url, ...rest } = (value ?? {}) as Record<string, unknown>;
  if (file !== undefined) return isText(file) && url === undefined && Object.keys(rest).length === 0;
  return isText(url) && URL.canParse(url as string) && /^https?:/.test(url as string);
}

const text: Rule = { accepts: isText, write: 'a text that is not empty' };
const yesNo: Rule = { accepts: (value) => typeof value === 'boolean', write: 'true or false' };
const resolver: Rule = { accepts: isFunction, write: 'a function of the request' };
const fields: Rule = {
  accepts: (value) => typeof value === 'boolean' || isTextList(value),
  write: "true, false or a list of field names, ['amount', 'currency']",
};
const oneOf = (...words: readonly string[]): Rule => ({
  accepts: (value) => words.includes(value as string),
  write: words.map((word) => `'${word}'`).join(' or '),
});
const integer = (min: number, max: number): Rule => ({
  accepts: (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  write: `an integer from ${min} to ${max}`,
});
const group: Rule = {
  accepts: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  write: 'an object',
};

/** Options of features: where somebody may write them among the core's, and how they are written instead. */
const OF_FEATURES: Readonly<Record<string, string>> = {
  auditReads: 'access()',
  detection: 'detection({ … })',
  metrics: 'metrics()',
  policy: 'policy([ … ])',
  riskContext: 'risk({ … })',
  'risk.businessHours': 'risk({ businessHours: … })',
  'risk.burst': 'risk({ burst: … })',
  'risk.scorer': 'risk({ scorer: … })',
  'risk.weights.offHours': 'risk({ weights: { offHours: … } })',
  'risk.weights.newAddress': 'risk({ weights: { newAddress: … } })',
  'risk.weights.newDevice': 'risk({ weights: { newDevice: … } })',
  'risk.weights.burst': 'risk({ weights: { burst: … } })',
};

/** Every option, by its path. A test compares this list with `docs/options.md`. */
export const OPTION_RULES: Readonly<Record<string, Rule>> = {
  database: { ...group, write: "TypeORM's options, { type: 'mysql', url: process.env.AUDIT_DATABASE_URL }" },
  dataSource: {
    accepts: (value) => isText(value) || (typeof value === 'object' && value !== null && 'driver' in value),
    write: "the data source's name, 'default', or the DataSource itself",
  },
  migrate: yesNo,
  capture: group,
  'capture.requests': oneOf('all', 'annotated'),
  'capture.query': fields,
  'capture.body': fields,
  'capture.resolve': group,
  'capture.resolve.user': resolver,
  'capture.resolve.tenant': resolver,
  'capture.resolve.session': resolver,
  'capture.resolve.ip': resolver,
  'capture.resolve.actorType': resolver,
  'capture.resolve.impersonator': resolver,
  'capture.resolve.roles': resolver,
  // What is in these two is checked by those who read it.
  risk: group,
  compliance: group,
  features: {
    accepts: areFeatures,
    write:
      "a list of features, each once: [detection()], with import { detection } from 'nest-audit-trail/detection'",
  },
  delivery: group,
  'delivery.mode': oneOf('buffered', 'durable', 'strict'),
  'delivery.directory': text,
  'delivery.fsync': oneOf('interval', 'always'),
  'delivery.fsyncIntervalMs': integer(1, 60_000),
  'delivery.maxJournalMegabytes': integer(1, 1_048_576),
  'delivery.segmentKilobytes': integer(16, 1_048_576),
  'delivery.overflow': oneOf('drop', 'wait', 'reject'),
  'delivery.overflowTimeoutMs': integer(1, 600_000),
  'delivery.strictTimeoutMs': integer(1, 600_000),
  'delivery.batchSize': integer(1, 5_000),
  'delivery.thread': yesNo,
  'delivery.flushIntervalMs': integer(1, 60_000),
  'delivery.statementTimeoutMs': integer(100, 600_000),
  'delivery.maxBuffered': integer(1, 1_000_000),
  'delivery.maxBufferedMegabytes': integer(1, 4_096),
  'delivery.shutdownTimeoutMs': integer(0, 600_000),
  'delivery.drainOnSignals': yesNo,
  ledger: group,
  'ledger.seal': yesNo,
  'ledger.database': {
    ...group,
    write: "TypeORM's options, { type: 'mysql', url: process.env.AUDIT_SEALER_URL }",
  },
  'ledger.intervalMs': integer(10, 600_000),
  'ledger.signingKey': {
    accepts: (value) =>
      isText(value) ||
      (group.accepts(value) && isText((value as Keys).verifierKey) && isFunction((value as Keys).sign)),
    write:
      'the line that nest-audit keygen prints, PRIVATE+KEY+…, or { verifierKey, sign } for a key elsewhere',
  },
  'ledger.verifierKeys': { accepts: isTextList, write: "a list of verifier keys, ['audit.example+…']" },
  'ledger.unsignedUntil': integer(0, Number.MAX_SAFE_INTEGER),
  'ledger.origin': {
    accepts: (value) => isText(value) && !/[\s+]/.test(value as string),
    write: "the name of the log without spaces and plus signs, 'audit.example.com'",
  },
  'ledger.gapTimeoutMs': integer(0, 86_400_000),
  'ledger.publish': {
    accepts: (value) => [value].flat().every(isPublisher),
    write:
      "{ file: 'checkpoints.jsonl' }, { url: 'https://…' }, a function of the checkpoint, or a list of these",
  },
  redaction: group,
  'redaction.keys': { accepts: isTextList, write: "a list of key names, ['taxNumber']" },
  // What is in these two is checked where they are read.
  'redaction.fields': group,
  'redaction.patterns': {
    accepts: (value) => value === false || group.accepts(value),
    write: "false, or an object, { email: 'mask' }",
  },
  'redaction.pseudonymKey': { accepts: isText, write: '32 bytes or more as base64 or hex' },
  'redaction.truncateIp': yesNo,
  protect: {
    accepts: (value) => value === false || group.accepts(value),
    write: "false, or { fields: ['ipAddress'] }",
  },
  // What is in it is checked where it is read.
  'protect.fields': { accepts: isTextList, write: "a list of fields, ['ipAddress', 'details.email']" },
  'protect.subject': {
    accepts: (value) => isText(value) || isFunction(value),
    write: "'userId', 'details.customerId', or a function of the event",
  },
  'protect.masterKey': { accepts: isText, write: '32 bytes as base64 or hex' },
  'protect.retiredMasterKeys': {
    accepts: isTextList,
    write: 'a list of keys, each 32 bytes as base64 or hex',
  },
  'protect.kms': { ...group, write: "an object, { keyId: 'audit', wrap, unwrap }" },
  'protect.cacheSeconds': integer(1, 86_400),
  'protect.cacheKeys': integer(1, 1_000_000),
  'protect.dataKeyDays': integer(1, 36_500),
  retention: group,
  // What is in the rules is checked where they are read.
  'retention.rules': { accepts: Array.isArray, write: 'a list of rules, [{ keepDays: 365 }]' },
  'retention.database': {
    ...group,
    write: "TypeORM's options, { type: 'mysql', url: process.env.AUDIT_MAINTENANCE_URL }",
  },
  'retention.batchSize': integer(1, MOST_REMOVED),
  'retention.pauseMs': integer(0, 60_000),
  service: group,
  'service.name': text,
  'service.version': text,
};

/**
 * Checks the options once, at start.
 *
 * @returns the options, frozen
 * @throws AuditError `AUDIT_INVALID_OPTIONS`, with the option's path and what to write instead
 */
export function checkOptions(options: unknown): AuditModuleOptions {
  if (!group.accepts(options)) {
    throw invalid(
      '',
      `The audit options are ${showValue(options)}: write AuditModule.forRoot({ … }), AuditModule.forRoot() for the defaults, or let the factory of forRootAsync() return an object.`,
    );
  }
  const checked = { ...(options as AuditModuleOptions) };
  checkFeatures(checked);
  checkGroup('', checked as Record<string, unknown>);
  checkDatabase(checked);
  if (checked.service && checked.service.name === undefined) {
    throw invalid(
      'service.name',
      'The audit option service.name is missing: write service: { name: "billing-api" }.',
    );
  }
  return Object.freeze(checked);
}

function checkFeatures(options: object): void {
  for (const [path, call] of Object.entries(OF_FEATURES)) {
    const names = path.split('.');
    const last = names.pop()!;
    const owner = names.reduce<unknown>((at, name) => Object(at)[name], options);
    if (!Object.hasOwn(Object(owner) as object, last)) continue;
    const [feature] = call.split('(', 1);
    throw invalid(
      path,
      `The audit option ${path} is a feature: write features: [${call}], with import { ${feature} } from 'nest-audit-trail/${feature}'.`,
    );
  }
}

function checkGroup(prefix: string, options: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(options)) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const rule = OPTION_RULES[path];
    if (!rule) {
      const known = Object.keys(OPTION_RULES).filter(
        (other) => other.slice(0, Math.max(0, other.lastIndexOf('.'))) === prefix,
      );
      throw invalid(
        path,
        `There is no audit option "${path}". The options here are ${known.map((other) => other.slice(prefix === '' ? 0 : prefix.length + 1)).join(', ')}.`,
      );
    }
    if (value === undefined) continue;
    if (!rule.accepts(value)) {
      throw invalid(path, `The audit option ${path} is ${showValue(value)}: write ${rule.write}.`);
    }
    const hasParts = Object.keys(OPTION_RULES).some((other) => other.startsWith(`${path}.`));
    if (hasParts) checkGroup(path, value as Record<string, unknown>);
  }
}

function checkDatabase({ database, dataSource }: AuditModuleOptions): void {
  if (database === undefined) return;
  if (dataSource !== undefined) {
    throw invalid(
      'dataSource',
      "The audit options database and dataSource exclude each other: write database for a connection of its own, or dataSource to share the application's.",
    );
  }
  const { type } = database as { type?: unknown };
  if (!SUPPORTED_DATABASES.includes(type as (typeof SUPPORTED_DATABASES)[number])) {
    throw invalid(
      'database.type',
      `The audit option database.type is ${showValue(type)}: write one of ${SUPPORTED_DATABASES.map((known) => `'${known}'`).join(', ')}.`,
    );
  }
  if ('url' in database && !isText(database.url)) {
    throw invalid(
      'database.url',
      `The audit option database.url is ${showValue(database.url)}: write a URL such as mysql://user:password@host:3306/audit. Is the environment variable that it comes from set?`,
    );
  }
  if (type === 'better-sqlite3' && !isText(database.database)) {
    throw invalid(
      'database.database',
      `The audit option database.database is ${showValue(database.database)}: write the path of the SQLite file, 'audit.sqlite'.`,
    );
  }
}

function invalid(field: string, message: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTIONS', message, { field });
}
