// Each rule of each pack: by an event for which it holds, and by its nearest neighbour, which differs in one field.
import type { AuditFacts, AuditLogEvent } from '../../src/event/audit-log-event.js';
import { COMPLIANCE_PACK_NAMES } from '../../src/features/rules/compliance-rule.js';
import { COMPLIANCE_PACKS } from '../../src/features/rules/packs/all.js';
import { bookOf } from '../../src/features/rules/compliance-options.js';
import { eventOf, idsOf } from './event.js';

const read = (resource: string, details: AuditFacts = {}, metadata: AuditFacts = {}) =>
  eventOf({ userId: 'u-1', action: `${resource}.read`, resource, category: 'data_access' }, details, {
    method: 'GET',
    statusCode: 200,
    ...metadata,
  });

const change = (action: string, metadata: AuditFacts = {}, details: AuditFacts = {}) =>
  eventOf(
    { userId: 'u-1', action, resource: action.split('.')[0]!, category: 'data_modification' },
    details,
    { method: 'POST', statusCode: 200, ...metadata },
  );

const denied = (resource: string) =>
  eventOf(
    {
      userId: 'u-1',
      action: `${resource}.read`,
      resource,
      category: 'authorization',
      outcome: 'failure',
      severity: 'high',
    },
    {},
    { method: 'GET', statusCode: 403, stage: 'guard' },
  );

const refusedLogin = eventOf(
  {
    action: 'session.login',
    resource: 'session',
    category: 'authentication',
    outcome: 'failure',
    severity: 'medium',
  },
  { account: 'u-1' },
  { method: 'POST', statusCode: 401 },
);

const ofAudit = (action: string) =>
  eventOf({
    tenantId: 'default',
    action,
    resource: 'audit',
    category: 'system',
    outcome: 'failure',
    severity: 'high',
  });

const finding = eventOf({
  action: 'detection.foreign-tenant',
  resource: 'detection',
  category: 'security',
  outcome: 'failure',
  severity: 'high',
});

const recorded = (action: string, category: AuditLogEvent['category']) =>
  eventOf({ userId: 'u-1', action, resource: action.split('_')[0]!, category });

/** The neighbour: the same event with one other value; `undefined` takes it away. */
type Other =
  | Partial<Omit<AuditLogEvent, 'details' | 'metadata'>>
  | { readonly details: object }
  | { readonly metadata: object };

const CASES: Readonly<Record<string, readonly (readonly [event: AuditLogEvent, other: Other])[]>> = {
  'sox.302-approval': [
    [change('invoice.approve'), { action: 'invoice.approval-request' }],
    [change('budget.release-all'), { outcome: 'failure' }],
    [change('journal-entry.reverse'), { category: 'data_access' }],
  ],
  'sox.404-financial-record-change': [
    [change('journal-entry.create'), { resource: 'journalist' }],
    [change('invoice.update'), { outcome: 'failure' }],
    [change('credit-payment.update'), { category: 'data_access' }],
  ],
  'sox.404-privileged-change': [
    [
      change('invoice.update', { roles: ['clerk', 'Admin'] }),
      { metadata: { roles: ['clerk', 'Administration'] } },
    ],
    [change('invoice.update', { roles: ['root'] }), { resource: 'photo' }],
  ],
  'sox.404-impersonated-change': [
    [change('invoice.update', { impersonatorId: 'u-9' }), { metadata: { impersonatorId: undefined } }],
    [change('invoice.update', { impersonatorId: 'u-9' }), { outcome: 'failure' }],
  ],
  'sox.404-access-right-change': [
    [change('role.update'), { resource: 'rolex' }],
    [change('user-permission.delete'), { outcome: 'failure' }],
    [recorded('authz_change', 'authorization'), { action: 'authz_fail' }],
    [recorded('privilege_permissions_changed', 'authorization'), { outcome: 'failure' }],
  ],
  'sox.404-denied-access': [
    [denied('invoice'), { outcome: 'success' }],
    [denied('invoice'), { category: 'authentication' }],
  ],
  'sox.404-audit-trail-incomplete': [
    [ofAudit('audit.gap'), { action: 'audit.amend' }],
    [ofAudit('audit.loss'), { action: 'audit.losses' }],
    [ofAudit('audit.drop'), { action: 'drop' }],
  ],
  'sox.802-record-deletion': [
    [change('invoice.delete'), { action: 'invoice.deliver' }],
    [change('invoice.undo', { method: 'DELETE' }), { metadata: { method: 'POST' } }],
    [change('invoice.purge-all'), { resource: 'photo' }],
    [change('invoice.delete'), { outcome: 'failure' }],
  ],
  'gdpr.5.2-audit-trail-incomplete': [[ofAudit('audit.gap'), { action: 'audit.amend' }]],
  'gdpr.7.1-consent-change': [
    [change('consent.update'), { resource: 'content' }],
    [change('cookie-consent.create'), { outcome: 'failure' }],
    [change('consent.withdraw'), { category: 'data_access' }],
  ],
  'gdpr.15-subject-request': [
    [change('subject-request.create'), { resource: 'request' }],
    [read('access-request'), { category: 'authorization' }],
  ],
  'gdpr.17-erasure': [
    [change('customer.delete'), { action: 'customer.update' }],
    [change('user.erase'), { resource: 'userland' }],
    [change('employee.remove'), { outcome: 'failure' }],
  ],
  'gdpr.32.1-bulk-export': [
    [{ ...read('customer'), action: 'customer.export-csv' }, { action: 'customer.explore' }],
    [change('customer.export-csv'), { category: 'authorization' }],
    [read('customer', { recordCount: 1_000 }), { details: { recordCount: 999 } }],
    [read('customer', { rows: 1_000 }), { resource: 'product' }],
    [read('customer', { recordCount: 5_000 }), { outcome: 'failure' }],
    [read('customer', { records: 5_000 }), { category: 'data_modification' }],
  ],
  'gdpr.32.1-denied-access': [
    [denied('customer'), { resource: 'product' }],
    [denied('customer'), { outcome: 'success' }],
  ],
  'gdpr.32.4-privileged-access': [
    [read('employee', {}, { roles: ['SUPERUSER'] }), { metadata: { roles: ['user'] } }],
    [change('employee.update', { roles: ['owner'] }), { category: 'system' }],
    [read('employee', {}, { roles: ['admin'] }), { resource: 'product' }],
  ],
  'gdpr.33-possible-breach': [
    [finding, { category: 'system' }],
    [{ ...finding, severity: 'low' }, { action: 'detections.brute-force' }],
    [eventOf({ category: 'security', severity: 'critical' }), { severity: 'medium' }],
  ],
  'hipaa.164.308.a.4-access-right-change': [[change('role.update'), { resource: 'rule' }]],
  'hipaa.164.308.a.5-refused-login': [
    [refusedLogin, { outcome: 'success' }],
    [refusedLogin, { category: 'authorization' }],
  ],
  'hipaa.164.308.a.6-security-incident': [[finding, { category: 'system' }]],
  'hipaa.164.312.a.1-denied-access': [
    [denied('patient'), { resource: 'patience' }],
    [denied('patient'), { outcome: 'success' }],
  ],
  'hipaa.164.312.a.2-emergency-access': [
    [change('patient.break-glass'), { action: 'patient.break-plaster' }],
    [change('patient.emergency-access'), { outcome: 'failure' }],
    [read('patient', { emergency: true }), { details: { emergency: false } }],
  ],
  'hipaa.164.312.b-record-access': [
    [read('patient'), { resource: 'product' }],
    [read('lab-result'), { category: 'data_modification' }],
  ],
  'hipaa.164.312.c.1-record-change': [
    [change('prescription.update'), { resource: 'subscription' }],
    [change('medical-record.delete'), { outcome: 'failure' }],
  ],
  'hipaa.164.528-disclosure': [
    [change('patient.export'), { action: 'patient.update' }],
    [change('medical-record.share'), { action: 'medical-record.shelve' }],
    [read('patient', { recordCount: 1_000 }), { details: { recordCount: 999 } }],
    [change('medical-record.send'), { resource: 'mail' }],
  ],
  'pci-dss.10.2.1.1-cardholder-data-access': [
    [read('card'), { resource: 'cardigan' }],
    [change('payment-method.create'), { category: 'authorization' }],
    [read('card'), { userId: undefined }],
  ],
  'pci-dss.10.2.1.2-administrative-action': [
    [read('report', {}, { roles: ['admin'] }), { metadata: { roles: ['administration'] } }],
    [read('report', {}, { roles: ['admin'] }), { metadata: { roles: undefined } }],
  ],
  'pci-dss.10.2.1.3-audit-trail-access': [
    [read('audit'), { category: 'system' }],
    [read('audit-log'), { resource: 'audit-plan' }],
    [denied('audit-trail'), { category: 'system' }],
  ],
  'pci-dss.10.2.1.4-invalid-access-attempt': [
    [refusedLogin, { outcome: 'success' }],
    [denied('invoice'), { category: 'data_access' }],
  ],
  'pci-dss.10.2.1.5-credential-change': [
    [change('user.create'), { action: 'user.greet' }],
    [change('api-key.revoke'), { resource: 'api' }],
    [{ ...change('password.reset'), category: 'authentication' }, { outcome: 'failure' }],
    [recorded('authn_password_change', 'authentication'), { action: 'authn_password_change_fail' }],
    [recorded('user_created', 'security'), { action: 'user_seen' }],
  ],
  'pci-dss.10.2.1.6-audit-log-stopped': [
    [ofAudit('audit.drop'), { action: 'audit.amend' }],
    [recorded('sys_monitor_disabled', 'system'), { action: 'sys_startup' }],
  ],
  'pci-dss.10.2.1.7-system-object-change': [
    [change('webhook.create'), { action: 'webhook.call' }],
    [change('feature-flag.delete'), { resource: 'flag' }],
    [change('certificate.add'), { outcome: 'failure' }],
  ],
  'pci-dss.10.7.2-logging-failure': [[ofAudit('audit.gap'), { action: 'audit.amend' }]],
  'iso-27001.8.15-rejected-access': [
    [refusedLogin, { category: 'system' }],
    [denied('invoice'), { outcome: 'success' }],
  ],
  'iso-27001.8.15-privilege-use': [
    [read('report', {}, { roles: ['root'] }), { metadata: { roles: ['rooter'] } }],
  ],
  'iso-27001.8.15-configuration-change': [
    [change('setting.update'), { resource: 'seating' }],
    [change('app-config.update'), { category: 'data_access' }],
    [eventOf({ action: 'rule.set', category: 'compliance' }), { category: 'system' }],
    [change('setting.update'), { outcome: 'failure' }],
  ],
  'iso-27001.8.15-identity-change': [[change('user.delete'), { resource: 'ticket' }]],
  'iso-27001.8.15-deletion': [
    [change('photo.delete'), { action: 'photo.print' }],
    [change('photo.undo', { method: 'DELETE' }), { metadata: { method: 'PUT' } }],
    [change('photo.delete'), { category: 'authorization' }],
  ],
  'iso-27001.8.15-alarm': [[finding, { category: 'compliance' }]],
  'iso-27001.8.15-fault': [
    [{ ...read('report', {}, { statusCode: 500 }), outcome: 'failure' }, { metadata: { statusCode: 499 } }],
    [{ ...read('report', {}, { statusCode: 503 }), outcome: 'failure' }, { outcome: 'success' }],
    [
      { ...read('report', {}, { interrupted: true }), outcome: 'partial' },
      { metadata: { interrupted: false } },
    ],
  ],
  'iso-27001.8.15-log-protection': [
    [read('audit-event'), { resource: 'event' }],
    [ofAudit('audit.loss'), { action: 'audit.amend' }],
  ],
};

function neighbourOf(event: AuditLogEvent, other: Other): AuditLogEvent {
  const merged = { ...event, ...other } as AuditLogEvent;
  for (const name of ['details', 'metadata'] as const) {
    if (name in other) merged[name] = { ...event[name], ...merged[name] };
  }
  // What is taken away is not there.
  return JSON.parse(JSON.stringify(merged)) as AuditLogEvent;
}

/** The values of an event, each under its path. */
function valuesOf(event: AuditLogEvent): Map<string, string> {
  const { details, metadata, ...own } = event;
  const entries = [
    ...Object.entries(own),
    ...Object.entries(details).map(([key, value]) => [`details.${key}`, value] as const),
    ...Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value] as const),
  ];
  return new Map(entries.map(([path, value]) => [path, JSON.stringify(value)]));
}

const rules = COMPLIANCE_PACK_NAMES.flatMap((pack) => COMPLIANCE_PACKS[pack]);
const book = bookOf({ packs: COMPLIANCE_PACK_NAMES });

describe('packs', () => {
  it('have their rules under their names, each with its clause, and a case here', () => {
    for (const pack of COMPLIANCE_PACK_NAMES) {
      expect(COMPLIANCE_PACKS[pack].filter(({ id }) => !id.startsWith(`${pack}.`))).toEqual([]);
      expect(COMPLIANCE_PACKS[pack].length).toBeGreaterThanOrEqual(5);
    }
    expect(rules.filter(({ clause, description }) => !clause || !description)).toEqual([]);
    expect(Object.keys(CASES).sort()).toEqual(rules.map(({ id }) => id).sort());
  });

  it('need no handler, and block nothing', () => {
    expect(book.rules.filter(({ enabled, actions }) => !enabled || actions?.join() !== 'log')).toEqual([]);
    expect(book.canBlock).toBe(false);
  });

  it('leave an everyday event alone', () => {
    expect(idsOf(book, read('photo'))).toEqual([]);
    expect(idsOf(book, change('photo.update'))).toEqual([]);
  });

  describe.each(Object.entries(CASES))('%s', (id, cases) => {
    it.each(cases.map(([event, other]) => [other, event] as const))(
      'holds for an event, and not with %j',
      (other, event) => {
        const neighbour = neighbourOf(event, other);
        const [values, others] = [valuesOf(event), valuesOf(neighbour)];
        const differing = [...new Set([...values.keys(), ...others.keys()])].filter(
          (path) => values.get(path) !== others.get(path),
        );
        expect(differing).toHaveLength(1);
        expect(idsOf(book, event)).toContain(id);
        expect(idsOf(book, neighbour)).not.toContain(id);
      },
    );
  });
});
