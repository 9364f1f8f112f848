// Measures what each stage of the judgement costs an event: `npm run measure:judgement`. Stages alone, without the capture
// before them and the journal behind them; `npm run measure:rules` has the rules in more detail, `npm run bench` what a request
// costs as a whole. Medians and quartiles of microseconds of processor time. Needs a build, and no server.
import { Detector } from '../dist/esm/features/detection/detector.js';
import { AuditPolicy } from '../dist/esm/features/policy/audit-policy.js';
import { RuleBook } from '../dist/esm/features/rules/rule-book.js';
import { measurePerEvent } from './measure/per-event.mjs';
import { riskStages } from './measure/risk-stages.mjs';

const silent = { log() {}, warn() {}, error() {} };

const policy = new AuditPolicy([
  { level: 'none', match: { path: ['/health', '/metrics/**'] } },
  { level: 'response', match: { route: '/payments/:id/approve', method: 'POST' } },
  { level: 'request', match: { method: ['POST', 'PUT', 'PATCH'], role: 'admin' } },
  { level: 'request', match: { status: '5xx' } },
  { level: 'metadata', match: { path: '/**' } },
]);
const subjectOf = ({ metadata, userId, tenantId }) => ({
  path: metadata.path,
  route: metadata.route,
  method: metadata.method,
  controller: null,
  status: metadata.statusCode,
  user: userId,
  tenant: tenantId,
  roles: metadata.roles,
});

const risk = riskStages();
const book = new RuleBook({ packs: ['sox', 'gdpr', 'hipaa', 'pci-dss', 'iso-27001'] });

let findings = 0;
// Only what happens at once for each event: nothing is looked up in a database here.
const detector = new Detector(
  {},
  {},
  { report: () => (findings += 1), store: () => undefined, flush: () => undefined },
  silent,
);

measurePerEvent(
  new Map([
    ['policy: five rules', (event) => policy.decide(subjectOf(event)).undecided.length + 1],
    ['risk: by default', risk.byDefault],
    ['risk: what memory knows, and the sum', risk.withFeature],
    ['risk: remembering the event', risk.remember],
    [`compliance: all packs, ${book.rules.length} rules`, (event) => book.match(event).length],
    [
      'detection: six of them',
      (event) => {
        detector.observe(event);
        return findings;
      },
    ],
  ]),
);
