// Reference tables are what the code says. `npm run docs:options` writes them again.
import { readdirSync, readFileSync } from 'node:fs';
import { auditOptions } from '../../src/engine/audit.options.js';
import { AuditError } from '../../src/event/audit-error.js';
import type { AuditErrorCode } from '../../src/event/audit-error.js';
import { detectionSchema } from '../../src/features/detection/detection-options.js';
import { policyRuleSchema } from '../../src/features/policy/check-policy.js';
import { protectionSchema } from '../../src/features/protection/protection-options.js';
import { retentionSchema } from '../../src/features/retention/retention-options.js';
import { riskContextSchema } from '../../src/features/risk/risk-context-options.js';
import { complianceSchema } from '../../src/features/rules/compliance-options.js';
import { SECRET_PARTS, SECRET_WORDS } from '../../src/recorder/redaction/secret-key.js';
import { RISK_POINTS } from '../../src/recorder/risk/risk-points.js';
import { EVENT_INDEXES } from '../../src/store/migrations/1763856000000-create-audit.js';
import { raisedEvents, raisedTables } from '../support/docs/events-tables.js';
import { describeGenerated } from '../support/docs/generated.js';
import { membersOf, membersTable, textsOf } from '../support/docs/members-table.js';
import { optionsTable } from '../support/docs/options-table.js';
import { commandSections, metricsTable } from '../support/docs/reference-tables.js';

const code = (text: string) => `\`${text}\``;
const told = ({ name, said }: { name: string; said: string }) => [code(name), said];
const statusOf = (errorCode: AuditErrorCode) => new AuditError(errorCode, '').statusCode;
const listed = (words: Iterable<string>) => Array.from(words, code).join(',\n');

const PARTS: Record<string, Record<string, string>> = {
  'docs/reference/options.md': {
    options: optionsTable(auditOptions, 'src/engine/audit.options.ts', 'AuditModuleOptions'),
    complianceRules: optionsTable(
      complianceSchema,
      'src/features/rules/compliance-rule.ts',
      'ComplianceOptions',
    ),
    detection: optionsTable(
      detectionSchema,
      'src/features/detection/detection-options.ts',
      'DetectionOptions',
    ),
    policy: optionsTable(policyRuleSchema, 'src/features/policy/policy-rule.ts', 'PolicyRule'),
    risk: optionsTable(riskContextSchema, 'src/features/risk/risk-context-options.ts', 'RiskContextOptions'),
    route: membersTable(
      ['Option', 'Default', 'Effect'],
      membersOf('src/capture/route-audit.ts', 'AuditRouteOptions'),
      ({ name, byDefault, said }) => [code(name), byDefault, said],
    ),
  },
  'docs/comply/encryption.md': {
    options: optionsTable(
      protectionSchema,
      'src/features/protection/protection-options.ts',
      'ProtectionOptions',
    ),
  },
  'docs/comply/privacy.md': {
    'secret parts': listed(SECRET_PARTS),
    'secret words': listed(SECRET_WORDS),
  },
  'docs/comply/retention.md': {
    options: optionsTable(retentionSchema, 'src/features/retention/retention-options.ts', 'RetentionOptions'),
  },
  'docs/operate/hardening.md': {
    status: membersTable(
      ['Property', 'Meaning'],
      [
        ...membersOf('src/delivery/delivery-options.ts', 'DeliveryStatus'),
        ...membersOf('src/trail/audit.service.ts', 'AuditStatus'),
      ],
      told,
    ),
  },
  'docs/operate/observability.md': { metrics: metricsTable() },
  'docs/operate/scaling.md': {
    indexes: membersTable(['Index', 'Columns'], Object.entries(EVENT_INDEXES), ([name, columns]) => [
      code(`audit_events_${name}`),
      columns.map(code).join(', '),
    ]),
  },
  'docs/reference/errors.md': {
    codes: membersTable(
      ['Code', 'Status', 'Meaning'],
      textsOf('src/event/audit-error.ts', 'AUDIT_ERROR_CODES'),
      ({ name, said }) => [code(name), String(statusOf(name as AuditErrorCode) ?? ''), said],
    ),
  },
  'docs/prove/tamper-evidence.md': {
    problems: membersTable(
      ['code', 'What is wrong'],
      textsOf('src/trail/verification/verification-result.ts', 'PROBLEM_CODES'),
      told,
    ),
  },
  'docs/read/listening.md': {
    conditions: membersTable(
      ['Condition', 'Meaning'],
      membersOf('src/features/listeners/event-conditions.ts', 'AuditEventFilter'),
      told,
    ),
  },
  'docs/read/querying.md': {
    filters: membersTable(
      ['Property', 'Meaning'],
      ['AuditFilterDto', 'AuditQueryDto'].flatMap((name) => membersOf('src/trail/audit-query.dto.ts', name)),
      told,
    ),
    sources: membersTable(
      ['Property', 'Meaning'],
      membersOf('src/store/source-summary.ts', 'AuditSource'),
      told,
    ),
  },
  'docs/record/risk.md': {
    points: membersTable(
      ['Factor', 'When', 'Points'],
      Object.entries(RISK_POINTS).flatMap(([factor, values]) =>
        Object.entries(values).map(([value, points]) => [code(factor), code(value), String(points)]),
      ),
      (row) => row,
    ),
  },
  'docs/reference/cli.md': { commands: commandSections() },
  'docs/reference/events.md': raisedTables(await raisedEvents()),
  'docs/reference/format.md': {
    fields: membersTable(
      ['Field', 'Always', 'What it is'],
      membersOf('src/event/audit-log-event.ts', 'AuditLogEvent'),
      ({ name, isOptional, said }) => [code(name), isOptional ? 'no' : 'yes', said],
    ),
  },
};

for (const [file, parts] of Object.entries(PARTS)) describeGenerated(file, parts);

it('lists every event that the library raises by itself', async () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('raised-events.ts'),
  );
  const elsewhere = sources.filter((file) =>
    /\baction: ['`](audit|compliance)/.test(readFileSync(`src/${file}`, 'utf8')),
  );
  expect(elsewhere).toEqual([]);
  const actions = (await raisedEvents()).map(({ action }) => action);
  expect(new Set(actions).size).toBe(actions.length);
});
