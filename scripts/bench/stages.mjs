// What each stage of an event's way costs, from the request to the row and the leaf: in one process, on the compiled rooms
// themselves. Answers when it is asked, so that the processor's time is of nothing else.
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conclusionOf, draftOf } from '../../dist/esm/capture/request-event.js';
import { flattenFacts } from '../../dist/esm/event/flatten.js';
import { encodeLine } from '../../dist/esm/journal/journal-line.js';
import { eventLeafHash } from '../../dist/esm/ledger/canonical-event.js';
import { AuditPolicy } from '../../dist/esm/features/policy/audit-policy.js';
import { Detector } from '../../dist/esm/features/detection/detector.js';
import { bookOf } from '../../dist/esm/features/rules/compliance-options.js';
import { Redactor } from '../../dist/esm/recorder/redaction/redactor.js';
import { SafePaths } from '../../dist/esm/recorder/redaction/safe-paths.js';
import { toRow } from '../../dist/esm/store/event-row.js';
import { timePerEvent } from './per-event.mjs';
import { riskStages } from './risk-stages.mjs';
import { answerQuestions } from './answers.mjs';
import { manyRules } from './many-rules.mjs';

const silent = { log() {}, warn() {}, error() {} };

answerQuestions({ measure });

/** @returns by stage, microseconds per event in each round */
function measure(rounds) {
  const folder = mkdtempSync(join(tmpdir(), 'audit-stages-'));
  const file = openSync(join(folder, 'journal'), 'a');
  try {
    return Object.fromEntries(timePerEvent(stages(file), rounds));
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true });
  }
}

function stages(file) {
  const redactor = new Redactor();
  const text = (value) => redactor.text(value);
  const paths = new SafePaths(redactor.isSecretKey);
  const risk = riskStages();
  const book = bookOf({ packs: ['sox', 'gdpr', 'hipaa', 'pci-dss', 'iso-27001'] });
  let findings = 0;
  const host = { report: () => (findings += 1), store: () => undefined, flush: () => undefined };
  const detector = new Detector({}, {}, host, silent);
  return new Map([
    [
      'build from the request',
      (event) => {
        const record = recordOf(event);
        return draftOf(record, paths).action.length + conclusionOf(record, 'sent', paths).captured.statusCode;
      },
    ],
    [
      'flatten and redact the details',
      (event) => Object.keys(flattenFacts(event.details, redactor.isSecretKey, { text })).length,
    ],
    [
      'redact user agent and path',
      (event) => text(event.userAgent).length + text(event.metadata.path).length,
    ],
    ['policy, five rules', (event) => policy.decide(factsOf(event)).undecided.length + 1],
    ['risk score', risk.byDefault],
    ['risk score, with the feature', risk.withFeature],
    [`compliance, all packs (${book.rules.length} rules)`, (event) => book.matching(event).length + 1],
    ...manyRules().map(([name, rules]) => {
      const many = bookOf({ rules });
      return [name, (event) => many.matching(event).length + 1];
    }),
    ['remember for risk', risk.remember],
    ['detection', (event) => (detector.observe(event), findings + 1)],
    ['one line of JSON', (event) => JSON.stringify(event).length],
    [
      'append to the journal, that line included',
      (event) => writeSync(file, encodeLine('event', 1, 1, JSON.stringify(event))),
    ],
    ['row of the table, in the other thread', (event) => toRow(event).length],
    ['leaf of the log, in the other thread', (event) => eventLeafHash(event).length],
  ]);
}

const policy = new AuditPolicy([
  { level: 'none', match: { path: ['/health', '/metrics/**'] } },
  { level: 'response', match: { route: '/payments/:id/approve', method: 'POST' } },
  { level: 'request', match: { method: ['POST', 'PUT', 'PATCH'], role: 'admin' } },
  { level: 'request', match: { status: '5xx' } },
  { level: 'metadata', match: { path: '/**' } },
]);

/** What a policy asks of a request. */
function factsOf({ metadata, userId, tenantId }) {
  return {
    path: metadata.path,
    route: metadata.route,
    method: metadata.method,
    controller: null,
    status: metadata.statusCode,
    user: userId,
    tenant: tenantId,
    roles: metadata.roles,
  };
}

function recordOf({ id, timestamp, metadata, ipAddress, userAgent, userId, tenantId, resourceId }) {
  return {
    id,
    startedAt: timestamp,
    startedTick: performance.now(),
    sentStatus: 200,
    request: { method: metadata.method, url: metadata.path, headers: { 'user-agent': userAgent } },
    route: { action: 'thing.read', resource: 'thing', handler: 'ThingsController.read' },
    declared: {},
    identity: { userId, tenantId, actorType: 'user', roles: metadata.roles },
    annotations: [],
    params: { id: resourceId },
    pattern: metadata.route,
    ipAddress,
    passedGuards: true,
  };
}
