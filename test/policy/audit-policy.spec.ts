// The policy by itself: which rule decides, on what is known, however the request is spelled.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditError } from 'nest-audit-trail';
import { AuditPolicy } from '../../src/features/policy/audit-policy.js';
import type {
  PolicyLevel,
  PolicyMatch,
  PolicyOptions,
  PolicyRule,
  PolicySubject,
} from 'nest-audit-trail/policy';

/** `true` where the rule decides, `false` where it does not match, `undefined` where that is not known. */
function verdict(match: PolicyMatch, subject: PolicySubject, level: PolicyLevel): boolean | undefined {
  const { rule, undecided } = new AuditPolicy([{ level, match }]).decide(subject);
  if (undecided.length > 0) return undefined;
  return rule !== undefined;
}

const WHOLE: PolicySubject = {
  path: '/api/invoices/7',
  route: '/api/invoices/:id',
  method: 'PUT',
  controller: 'InvoicesController',
  status: 404,
  user: 'ann',
  tenant: 'acme',
  roles: ['clerk', 'auditor'],
};
const NONE = { route: null, controller: null, status: null, user: null, tenant: null, roles: null };

describe('a rule', () => {
  it.each<[match: PolicyMatch, fits: boolean]>([
    [{}, true],
    [{ path: '/api/invoices/*' }, true],
    [{ path: '/api/customers/*' }, false],
    [{ path: ['/health', '/api/**'] }, true],
    [{ route: '/api/invoices/:id' }, true],
    [{ route: '/api/invoices' }, false],
    [{ method: 'put' }, true],
    [{ method: ['GET', 'POST'] }, false],
    [{ controller: 'InvoicesController' }, true],
    [{ controller: 'invoicescontroller' }, false],
    [{ status: 404 }, true],
    [{ status: '4xx' }, true],
    [{ status: [200, '5xx'] }, false],
    [{ user: ['bob', 'ann'] }, true],
    [{ user: 'an' }, false],
    [{ tenant: 'acme' }, true],
    [{ tenant: 'globex' }, false],
    [{ role: 'auditor' }, true],
    [{ role: ['admin', 'owner'] }, false],
    [{ method: 'PUT', status: '4xx', role: 'clerk', user: 'ann' }, true],
    [{ method: 'PUT', status: '4xx', role: 'clerk', user: 'bob' }, false],
  ])('asks for all that it names: %j', (match, fits) => {
    expect(verdict(match, WHOLE, 'metadata')).toBe(fits);
    expect(verdict(match, WHOLE, 'none')).toBe(fits);
  });

  const FACTS: [fact: keyof PolicySubject, match: PolicyMatch][] = [
    ['path', { path: '/api/invoices/7' }],
    ['route', { route: '/api/invoices/:id' }],
    ['method', { method: 'PUT' }],
    ['controller', { controller: 'InvoicesController' }],
    ['status', { status: 404 }],
    ['user', { user: 'ann' }],
    ['tenant', { tenant: 'acme' }],
    ['roles', { role: 'clerk' }],
  ];

  it.each(FACTS)('tells a %s that is not known yet from one that is not there', (fact, match) => {
    const { [fact]: _left, ...without } = WHOLE;
    expect(verdict(match, WHOLE, 'metadata')).toBe(true);
    expect(verdict(match, without, 'metadata')).toBeUndefined();
    if (fact in NONE) expect(verdict(match, { ...without, [fact]: null }, 'metadata')).toBe(false);
    // What does not match for another reason needs nobody to know more.
    const other: PolicyMatch = fact === 'tenant' ? { user: 'nobody' } : { tenant: 'nobody' };
    expect(verdict({ ...match, ...other }, without, 'metadata')).toBe(false);
  });

  it('that is of GET is also of HEAD, unless it silences', () => {
    expect(verdict({ method: 'GET' }, { method: 'HEAD' }, 'metadata')).toBe(true);
    expect(verdict({ method: 'GET' }, { method: 'HEAD' }, 'none')).toBe(false);
    expect(verdict({ method: 'HEAD' }, { method: 'GET' }, 'metadata')).toBe(false);
  });
});

describe('a path', () => {
  const fits = (pattern: string, path: string, level: PolicyLevel) =>
    verdict({ path: pattern }, { path }, level);

  it.each<[pattern: string, path: string, fits: boolean]>([
    ['/', '/', true],
    ['/', '/a', false],
    ['/**', '/', true],
    ['/**', '/a/b/c', true],
    ['/*', '/', false],
    ['/*', '/a', true],
    ['/*', '/a/b', false],
    ['/a/*', '/a', false],
    ['/a/*', '/a/', false],
    ['/a/*/c', '/a/b/c', true],
    ['/a/*/c', '/a/b/d', false],
    ['/a/**', '/a', true],
    ['/a/**', '/a/b/c', true],
    ['/a/**', '/ab', false],
    ['/a/**/d', '/a/d', true],
    ['/a/**/d', '/a/b/c/d', true],
    ['/a/**/d', '/a/d/d', true],
    ['/a/**/d', '/a/d/e', false],
    ['/**/x/*', '/a/x/b/x/c', true],
    ['/**/x/*', '/a/x/b/x', false],
    ['/a', '/a?b=/c', true],
    ['/über', '/%C3%BCber', true],
    ['/two words', '/two%20words', true],
  ])('is compared segment by segment: %s with %s', (pattern, path, expected) => {
    expect(fits(pattern, path, 'metadata')).toBe(expected);
    expect(fits(pattern, path, 'none')).toBe(expected);
  });

  it.each<[spelling: string, path: string]>([
    ['another case', '/ADMIN/Secret'],
    ['a slash at its end', '/admin/secret/'],
    ['escapes', '/admin/%73ecret'],
    ['escapes in small letters', '/%61dmin/secret'],
    ['doubled slashes', '//admin//secret'],
    ['backslashes', '/admin\\secret'],
    ['a fragment', '/admin/secret#/../health'],
    ['a space that URL parsers trim', '/admin/secret\u00a0'],
    ['an escaped slash', '/admin%2Fsecret'],
    ['an escaped backslash', '/admin%5csecret'],
    ['dots', '/static/../admin/./secret'],
    ['escaped dots', '/static/%2e%2e/admin/secret'],
    ['dots behind an escaped slash', '/static/..%2fadmin/secret'],
    ['the absolute form', 'http://user:password@host/admin/secret'],
    ['the absolute form with backslashes', 'http://host\\admin\\secret'],
  ])('can not be hidden by %s', (_spelling, path) => {
    // A router may find it where the rule means it, so what the rule records stays recorded ...
    expect(fits('/admin/secret', path, 'request')).toBe(true);
    // ... and may find it elsewhere, so what the rule silences is not this.
    expect(fits('/admin/secret', path, 'none')).toBe(false);
  });

  it.each<[spelling: string, path: string]>([
    ['dots', '/static/../transfers'],
    ['a single dot', '/static/./x'],
    ['escaped dots', '/static/%2e%2E/transfers'],
    ['an escaped slash', '/static/..%2ftransfers'],
    ['an escaped backslash', '/static/..%5ctransfers'],
    ['escaped escapes', '/static/%252e%252e/transfers'],
    ['escapes that are none', '/static/%zz'],
    ['escapes that are no text', '/static/%ff'],
    ['an escaped control character', '/static/%00'],
    ['an escaped question mark', '/static/%3Fx'],
    ['parameters of segments', '/static/x;/../transfers'],
    ['doubled slashes', '/static//transfers'],
    ['backslashes', '/static/..\\transfers'],
    ['bytes that are no ASCII', '/static/\u00fc'],
    ['no slash at its beginning', 'static/x'],
    ['the absolute form', 'http://static/static/x'],
    ['an authority that is none', 'http://x\\transfers/static/x'],
  ])('is not silenced by a wildcard where it has %s', (_spelling, path) => {
    expect(fits('/static/x', '/static/x', 'none')).toBe(true);
    for (const pattern of ['/**', '/static/**', '/static/*', '/static/*/*']) {
      expect([pattern, fits(pattern, path, 'none')]).toEqual([pattern, false]);
    }
    expect(fits('/**', path, 'metadata')).toBe(true);
  });

  it.each([
    ['/files/*', '/files/a%2Fb'],
    ['/files/*/b', '/files/a%2Fb'],
    ['/files/*', '/files/a..b'],
  ])('%s records %s, however its escapes are read', (pattern, path) => {
    expect(fits(pattern, path, 'request')).toBe(true);
  });

  it('is silenced with the slash at its end that the rule has', () => {
    expect(fits('/health/', '/health/', 'none')).toBe(true);
    expect(fits('/health/', '/health', 'none')).toBe(false);
    expect(fits('/health/', '/health', 'metadata')).toBe(true);
  });

  it('costs no more than its length, whatever it is', () => {
    const policy = new AuditPolicy([{ level: 'none', match: { path: '/**/a/**/a/**/a/**/b' } }]);
    expect(policy.decide({ path: '/a'.repeat(8_000) }).rule).toBeUndefined();
    expect(policy.decide({ path: `${'/a'.repeat(8_000)}/b` }).rule).toBeDefined();
  });
});

describe('rules', () => {
  const HEALTHY: PolicyRule = { id: 'healthy', level: 'none', match: { path: '/health', status: '2xx' } };
  const LOGIN: PolicyRule = { id: 'login', level: 'metadata', match: { path: '/login' } };
  const REST: PolicyRule = { level: 'request' };
  const policy = new AuditPolicy([HEALTHY, LOGIN, REST]);

  it.each<[subject: PolicySubject, decides: string, undecided: string[]]>([
    [{ path: '/health', status: 200 }, 'none', []],
    [{ path: '/health', status: 500 }, 'request', []],
    [{ path: '/health', status: null }, 'request', []],
    [{ path: '/health' }, 'request', ['healthy']],
    [{ path: '/login', status: 200 }, 'metadata', []],
    [{ path: '/login' }, 'metadata', []],
    [{ status: 200 }, 'request', ['healthy', 'login']],
    [{}, 'request', ['healthy', 'login']],
  ])('decide in their order: %j', (subject, level, undecided) => {
    const decision = policy.decide(subject);
    expect(decision.rule?.level).toBe(level);
    expect(decision.undecided.map(({ id }) => id)).toEqual(undecided);
  });

  it('decide nothing where there are none', () => {
    expect(new AuditPolicy([]).decide(WHOLE)).toEqual({ undecided: [] });
    expect(new AuditPolicy([LOGIN]).decide({ path: '/other' })).toEqual({ undecided: [] });
  });

  it('stay what they were when the application changes its list', () => {
    const match = { path: '/health' };
    const rules: PolicyRule[] = [{ level: 'none', match }];
    const mine = new AuditPolicy(rules);
    match.path = '/**';
    rules.length = 0;
    expect(mine.decide({ path: '/health' }).rule).toEqual({ level: 'none', match: { path: '/health' } });
    expect(mine.decide({ path: '/other' }).rule).toBeUndefined();
  });

  it.each<[subject: PolicySubject, explanation: object]>([
    [
      { path: '/health', status: 200 },
      {
        level: 'none',
        rule: 'healthy',
        reason: "Rule healthy decides, level none: path '/health', status '2xx'.",
      },
    ],
    [
      { path: '/health' },
      {
        level: 'request',
        rule: '#2',
        reason:
          "Rule #2 decides, level request: it is for every request. Rule healthy, level none, comes first if status '2xx', which was not given.",
      },
    ],
    [
      { path: '/Health/', status: 200 },
      {
        level: 'request',
        rule: '#2',
        reason:
          'Rule #2 decides, level request: it is for every request. Rule healthy, level none, takes paths and methods only to the letter, and this request only resembles them.',
      },
    ],
  ])('are explained: %j', (subject, explanation) => {
    expect(policy.explain(subject)).toEqual(explanation);
  });

  it('are explained where none matches', () => {
    expect(new AuditPolicy([LOGIN]).explain({ path: '/other' })).toEqual({
      reason: 'No rule matches: @Audit() and the capture options decide.',
    });
  });
});

describe('a policy that is wrong', () => {
  it.each<[field: string, policy: unknown, sentence: string | RegExp]>([
    ['policy', 'all', /^The audit option policy is "all": write a list of rules/],
    ['policy[0]', ['none'], /\(policy\[0\]\) is not valid: it is "none"; write \{ level/],
    ['policy[1].level', [{ level: 'none' }, {}], /level is undefined; write 'none' or 'metadata'/],
    ['policy[0].level', [{ level: 'all' }], /level is "all"/],
    [
      'policy[0].levle',
      [{ levle: 'none' }],
      'There is no "levle" in a rule of the audit policy (policy[0]). What there is: id, description, level, match, body, query, response.',
    ],
    ['policy[0].id', [{ id: '', level: 'none' }], /id is ""/],
    ['policy[0].id', [{ id: '#1', level: 'none' }], /without #/],
    [
      'policy[1].id',
      [
        { id: 'a', level: 'none' },
        { id: 'a', level: 'none' },
      ],
      /\(policy\[1\], "a"\) is not valid: id is "a"; write another/,
    ],
    ['policy[0].description', [{ level: 'none', description: 1 }], /description is 1/],
    ['policy[0].match', [{ level: 'none', match: '/health' }], /match is "\/health"/],
    ['policy[0].match', [{ level: 'none', match: undefined }], /match is undefined/],
    ['policy[0].match.path', [{ level: 'none', match: { path: undefined } }], /match.path is undefined/],
    ['policy[0].match.paths', [{ level: 'none', match: { paths: '/' } }], /no "match.paths"/],
    [
      'policy[0].match.path',
      [{ id: 'health', level: 'none', match: { path: 'health' } }],
      /^A rule of the audit policy \(policy\[0\], "health"\) is not valid: match.path is "health"; write a path from its first slash/,
    ],
    ['policy[0].match.path', [{ level: 'none', match: { path: ['/a', '/b?c'] } }], /without query/],
    ['policy[0].match.path', [{ level: 'none', match: { path: '/%61' } }], /as people read it/],
    ['policy[0].match.path', [{ level: 'none', match: { path: '/a\n' } }], /as people read it/],
    ['policy[0].match.path', [{ level: 'none', match: { path: '/\ud800' } }], /as people read it/],
    ['policy[0].match.path', [{ level: 'none', match: { path: '/a//b' } }], /without doubled slashes/],
    ['policy[0].match.path', [{ level: 'none', match: { path: '/a/../b' } }], /without '.' and '..'/],
    ['policy[0].match.path', [{ level: 'none', match: { path: '/a*' } }], /whole segments/],
    ['policy[0].match.path', [{ level: 'none', match: { path: '/a/:id' } }], /match.route/],
    ['policy[0].match.path', [{ level: 'none', match: { path: [] } }], /is an empty list; write at least/],
    ['policy[0].match.status', [{ level: 'none', match: { status: '4x' } }], /is "4x"; write a code, 404/],
    ['policy[0].match.status', [{ level: 'none', match: { status: [200, 999] } }], /is 999/],
    ['policy[0].match.method', [{ level: 'none', match: { method: 'GET,PUT' } }], /a method, 'POST'/],
    ['policy[0].match.user', [{ level: 'none', match: { user: 7 } }], /a text that is not empty/],
    ['policy[0].match.role', [{ level: 'none', match: { role: [''] } }], /a text that is not empty/],
    ['policy[0].body', [{ level: 'request', body: 'amount' }], /true, false or a list of field names/],
    ['policy[0].query', [{ level: 'request', query: [1] }], /true, false or a list of field names/],
    ['policy[0].body', [{ level: 'metadata', body: true }], /level: 'request', since level 'metadata'/],
    ['policy[0].response', [{ level: 'request', response: true }], /level: 'response'/],
    ['policy.file', { file: '' }, /policy.file is ""/],
    ['policy.file', { file: '/nowhere/policy.json' }, /can not be read/],
  ])('names %s', (field, policy, sentence) => {
    let thrown: unknown;
    try {
      new AuditPolicy(policy as PolicyOptions);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(AuditError);
    expect(thrown).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field });
    expect((thrown as Error).message).toEqual(
      typeof sentence === 'string' ? sentence : expect.stringMatching(sentence),
    );
  });
});

describe('a policy in a file', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audit-policy-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function read(text: string): Promise<AuditPolicy> {
    const file = join(folder, 'policy.json');
    await writeFile(file, text);
    return new AuditPolicy({ file });
  }

  it('is a list of rules, or an object that has one', async () => {
    const rules = [{ id: 'health', level: 'none', match: { path: '/health' } }];
    for (const text of [JSON.stringify(rules), JSON.stringify({ rules })]) {
      expect((await read(text)).decide({ path: '/health' }).rule?.id).toBe('health');
    }
  });

  it.each<[text: string, field: string, sentence: RegExp]>([
    ['{', 'policy.file', /policy\.json is no JSON/],
    ['{}', 'policy.file', /has no list of rules/],
    ['"none"', 'policy.file', /has no list of rules/],
    ['{"rules":[],"rule":[]}', 'policy.file', /nothing beside/],
    ['[{"level":"all"}]', 'policy[0].level', /level is "all"/],
  ])('is refused where it is none: %s', async (text, field, sentence) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTIONS',
      field,
      message: expect.stringMatching(sentence),
    });
  });
});
