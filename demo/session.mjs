// The session that the demo plays, as a client far away would, and what its events must say afterwards.
import { once } from 'node:events';
import { request } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { filter, firstValueFrom, ReplaySubject, timeout } from 'rxjs';

// Whose event it is. Who was not authenticated is nobody, in the tenant of those who have none.
const NOBODY = { userId: undefined, tenantId: 'default' };
const ALICE = { userId: 'alice', tenantId: 'acme' };
const BOB = { userId: 'bob', tenantId: 'acme' };
const CAROL = { userId: 'carol', tenantId: 'acme' };
const DAVE = { userId: 'dave', tenantId: 'globex' };

/**
 * @param {string} url where the API is
 * @param {import('nest-audit-trail').AuditService} audit
 * @param {string} resetToken what dave of globex got by e-mail
 * @returns each request with the answer's status and what its event must be, the secrets sent, and tokens to go on with
 */
export async function playSession(url, audit, resetToken) {
  const client = new Client(url, audit);
  const login = async (name, company) => {
    const says = `${name} of ${company} logs in`;
    const body = { email: `${name}@${company}.example`, password: `${name}-password` };
    const expected = { action: 'session.login', userId: name, tenantId: company, category: 'authentication' };
    return (await client.send(says, 'POST /login', { body }, expected)).accessToken;
  };

  await client.send('a load balancer asks; @NoAudit()', 'GET /health', {}, null);
  await client.send(
    'someone guesses the password of alice',
    'POST /login',
    { body: { email: 'alice@acme.example', password: 'letmein' } },
    { action: 'session.login', userId: undefined, tenantId: 'acme', details: { account: 'alice' } },
  );
  await client.send(
    'someone tries an account that is not there',
    'POST /login',
    { body: { email: 'mallory@acme.example', password: 'letmein' } },
    { ...NOBODY, action: 'session.login', details: {} },
  );
  await client.send(
    'someone has no token',
    'GET /invoices',
    {},
    { ...NOBODY, action: 'invoice.list', stage: 'guard' },
  );

  const alice = await login('alice', 'acme');
  await client.send(
    'alice lists the drafts',
    'GET /invoices?status=draft',
    { token: alice },
    { ...ALICE, action: 'invoice.list', path: '/invoices', details: { 'query.status': 'draft' } },
  );
  await client.send(
    'alice reads one',
    'GET /invoices/INV-1001',
    { token: alice },
    { ...ALICE, action: 'invoice.read', resourceId: 'INV-1001' },
  );
  const { id } = await client.send(
    'alice creates one',
    'POST /invoices',
    { token: alice, body: { customer: 'Umbrella', cents: 310_000, currency: 'CHF' } },
    { ...ALICE, action: 'invoice.create', resourceId: 'INV-1004' },
  );
  await client.send(
    'alice forgets the currency',
    'POST /invoices',
    { token: alice, body: { customer: 'Umbrella', cents: -1 } },
    { ...ALICE, action: 'invoice.create', resourceId: undefined },
  );
  await client.send(
    'a broken client sends half a body',
    'POST /invoices',
    { token: alice, text: '{"customer":"Umb' },
    { ...NOBODY, action: 'http.request', resource: 'http', category: 'security', stage: 'parser' },
  );
  await client.send(
    'alice may not approve',
    `POST /invoices/${id}/approve`,
    { token: alice },
    { ...ALICE, action: 'invoice.approve', resourceId: id, category: 'authorization', stage: 'guard' },
  );

  await client.send(
    'alice may not enter one as large as this; a rule blocks it',
    'POST /invoices',
    { token: alice, body: { customer: 'Umbrella', cents: 2_500_000, currency: 'CHF' } },
    {
      ...ALICE,
      action: 'invoice.create',
      resourceId: undefined,
      category: 'authorization',
      stage: 'compliance',
      blockedBy: 'company.four-eyes',
      flagged: 'company.four-eyes',
    },
  );

  const bob = await login('bob', 'acme');
  await client.send(
    'bob approves',
    `POST /invoices/${id}/approve`,
    { token: bob },
    {
      ...BOB,
      action: 'invoice.approve',
      resourceId: id,
      severity: 'high',
      details: {
        cents: 310_000,
        currency: 'CHF',
        'changes.status.before': 'draft',
        'changes.status.after': 'approved',
      },
    },
  );
  await client.send(
    'alice books it',
    'POST /journal-entries',
    { token: alice, body: journalEntry(310_000) },
    { ...ALICE, action: 'journal-entry.create', resourceId: 'JE-1', details: { lines: 2, difference: 0 } },
  );
  await client.send(
    'alice books what does not balance',
    'POST /journal-entries',
    { token: alice, body: journalEntry(310_001) },
    { ...ALICE, action: 'journal-entry.create', details: { lines: 2, difference: -1 } },
  );
  await client.send(
    'bob exports the invoices',
    'GET /invoices/export',
    { token: bob },
    { ...BOB, action: 'invoice.export', severity: 'medium', details: { records: 3 } },
  );
  await client.send(
    'bob downloads the journal; a rule flags it',
    'GET /journal-entries/export.csv',
    { token: bob },
    {
      ...BOB,
      action: 'journal-entry.export',
      details: { format: 'csv', rows: 250_000 },
      flagged: 'company.bulk-export',
    },
  );
  const massExport = await client.finding('mass-export');
  await client.abort(
    'bob closes the laptop during the next one',
    'GET /journal-entries/export.csv',
    { token: bob },
    { ...BOB, action: 'journal-entry.export', outcome: 'partial', aborted: true, details: { format: 'csv' } },
  );
  await client.send(
    'bob runs into a bug',
    'GET /reports/balance-sheet',
    { token: bob },
    { ...BOB, action: 'report.balance-sheet', errorName: 'TypeError' },
  );
  await client.send(
    'bob mistypes a path',
    'GET /invoice',
    { token: bob },
    { ...NOBODY, action: 'http.request', category: 'system', stage: 'router' },
  );

  await client.send(
    'dave of globex sets a new password by a link',
    `POST /reset/${resetToken}`,
    { body: { password: 'correct-horse-battery' } },
    {
      ...DAVE,
      action: 'password.reset',
      path: '/reset/[redacted]',
      details: { 'body.password': '[redacted]' },
    },
  );
  await client.send(
    'someone finds the link and tries it again',
    `POST /reset/${resetToken}`,
    { body: { password: 'correct-horse-battery' } },
    { ...NOBODY, action: 'password.reset', path: '/reset/[redacted]' },
  );
  const { accessToken: dave } = await client.send(
    'dave logs in with it',
    'POST /login',
    { body: { email: 'dave@globex.example', password: 'correct-horse-battery' } },
    { ...DAVE, action: 'session.login' },
  );
  await client.send(
    'dave looks for an invoice of acme',
    `GET /invoices/${id}`,
    { token: dave },
    { ...DAVE, action: 'invoice.read', resourceId: id, errorName: 'Problem' },
  );

  for (let attempt = 1; attempt <= 9; attempt += 1) {
    await client.send(
      attempt === 1 ? 'someone guesses on, nine times' : '',
      'POST /login',
      { body: { email: 'alice@acme.example', password: `letmein${attempt}` } },
      { action: 'session.login', userId: undefined, tenantId: 'acme', details: { account: 'alice' } },
    );
  }
  const bruteForce = await client.finding('brute-force');

  // What is asked of the audit now is to know of all the above.
  await audit.flush();
  const carol = await login('carol', 'acme');
  await client.send(
    "carol, acme's auditor, reads who approved it",
    `GET /invoices/${id}/history`,
    { token: carol },
    { ...CAROL, action: 'invoice.history', resourceId: id },
  );
  const { events } = await client.send(
    'carol reads the failures',
    'GET /audit?outcome=failure&limit=100',
    { token: carol },
    { ...CAROL, action: 'audit.list' },
  );
  await client.send(
    'carol reads the figures',
    'GET /audit/statistics',
    { token: carol },
    { ...CAROL, action: 'audit.statistics' },
  );
  await client.send(
    'alice may not read the audit',
    'GET /audit',
    { token: alice },
    { ...ALICE, action: 'audit.list', stage: 'guard' },
  );
  if (events.length === 0 || events.some(({ tenantId }) => tenantId !== 'acme')) {
    throw new Error("GET /audit did not answer acme's failures alone");
  }
  return {
    steps: client.steps,
    secrets: [...client.secrets],
    tokens: { carol, bob },
    findings: [massExport, bruteForce],
  };
}

/** What the invoice means in the books: receivables against revenue. */
function journalEntry(revenue) {
  const lines = [
    { account: '1400', cents: 310_000 },
    { account: '8400', cents: -revenue },
  ];
  return { memo: 'Invoice to Umbrella', lines };
}

/** Sends requests one after another, each with an id of its own, and keeps what their events must be. */
class Client {
  steps = [];
  secrets = new Set();
  findings = new ReplaySubject();

  constructor(url, audit) {
    this.url = url;
    this.audit = audit;
    audit.observe({ allTenants: true, resource: 'detection' }).subscribe(this.findings);
  }

  /** @param expected what the event must say besides the status; `null` where there must be none */
  async send(says, line, options, expected) {
    const { method, path, headers, body, requestId } = this.prepare(line, options);
    const response = await fetch(this.url + path, { method, headers, body });
    const text = await response.text();
    this.note(says, line, response.status, requestId, expected);
    return response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : undefined;
  }

  /** Takes the first piece of the answer, then cuts the connection; waits until the server has noticed. */
  async abort(says, line, options, expected) {
    const { method, path, headers, requestId } = this.prepare(line, options);
    const recorded = firstValueFrom(
      this.audit.observe().pipe(
        filter(({ metadata }) => metadata.requestId === requestId),
        timeout(10_000),
      ),
    );
    const download = request(this.url + path, { method, headers, agent: false }).end();
    const [response] = await once(download, 'response');
    await once(response, 'data');
    download.destroy();
    await recorded;
    this.note(says, line, response.statusCode, requestId, expected);
  }

  /** Waits for the one that tells of what was just done. */
  async finding(name) {
    const found = await firstValueFrom(
      this.findings.pipe(
        filter(({ action }) => action === `detection.${name}`),
        timeout(20_000),
      ),
    );
    console.log(
      `  ---  ${found.action.padEnd(37)}  is found by the audit: ${found.details.count} by the ${found.details.by} ${found.details.key}`,
    );
    return found;
  }

  prepare(line, { token, body, text }) {
    const [method, path] = line.split(' ');
    const requestId = `session-${this.steps.length + 1}`;
    const headers = { 'x-request-id': requestId, 'user-agent': 'accounting-client/1.0' };
    for (const secret of [token, body?.password, path.split('/reset/')[1]]) {
      if (secret) this.secrets.add(secret);
    }
    if (token) headers.authorization = `Bearer ${token}`;
    if (body || text) headers['content-type'] = 'application/json';
    return { method, path, headers, requestId, body: text ?? JSON.stringify(body) };
  }

  note(says, line, statusCode, requestId, expected) {
    this.steps.push({ line, statusCode, requestId, expected });
    const shown = line.replace(/(?<=\/reset\/).*/, (token) => `${token.slice(0, 8)}…`);
    console.log(`  ${statusCode}  ${shown.padEnd(37)}  ${says}`);
  }
}

/** Where to find the expected fields that are not the event's own. */
const IN_METADATA = new Set([
  'method',
  'path',
  'statusCode',
  'stage',
  'errorName',
  'aborted',
  'stageErrors',
  'blockedBy',
]);

/** What is wrong with the events: one sentence for each thing, none where all is well. */
export function checkEvents({ steps, secrets, findings }, events, door) {
  const problems = [];
  for (const { line, statusCode, requestId, expected } of steps) {
    const own = events.filter(({ metadata }) => metadata.requestId === requestId);
    const [event] = own;
    if (own.length !== (expected ? 1 : 0)) problems.push(`${line} (${requestId}) has ${own.length} events`);
    if (!event || !expected) continue;
    const always = {
      outcome: statusCode < 400 ? 'success' : 'failure',
      method: line.split(' ')[0],
      path: line.split(' ')[1].split('?')[0],
      statusCode,
      aborted: undefined,
      stageErrors: undefined,
    };
    const { flagged, ...fields } = expected;
    if (flagged && !event.complianceFlags.includes(flagged)) {
      problems.push(`${line} (${requestId}) is not flagged by ${flagged}`);
    }
    for (const [field, value] of Object.entries({ ...always, ...fields })) {
      const stored = IN_METADATA.has(field) ? event.metadata[field] : event[field];
      if (isDeepStrictEqual(stored, value)) continue;
      // Express tells nobody whether it was middleware that refused.
      if (door === 'express' && value === 'guard' && stored === undefined) continue;
      problems.push(
        `${line} (${requestId}): ${field} is ${JSON.stringify(stored)}, not ${JSON.stringify(value)}`,
      );
    }
  }
  const due = steps.filter(({ expected }) => expected !== null).length;
  const found = events.filter(({ action }) => action.startsWith('detection.')).map(({ id }) => id);
  const expectedIds = findings.map(({ id }) => id);
  if (!isDeepStrictEqual(found, expectedIds))
    problems.push(`there are ${found.length} findings, not ${expectedIds.length}`);
  if (events.length !== due + found.length) {
    problems.push(
      `there are ${events.length} events of ${due} audited requests and ${found.length} findings`,
    );
  }
  const stored = JSON.stringify(events);
  if (secrets.some((secret) => stored.includes(secret))) problems.push('a password or a token was stored');
  return problems;
}
