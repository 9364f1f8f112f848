// The event itself: its type, its ids, and the pure functions that make its values safe.
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import type { AuditLogEvent } from 'nest-audit-trail';
import { actionOfRoute, resourceOfController } from '../../src/capture/route-names.js';
import { SafePaths } from '../../src/recorder/redaction/safe-paths.js';
import { createEventId, firstIdOf } from '../../src/event/event-id.js';
import { FACT_LIMITS, flattenFacts } from '../../src/event/flatten.js';
import { canonicalIp } from '../../src/event/ip-address.js';
import { safeText } from '../../src/event/safe-text.js';
import { canonicalJson } from '../../src/ledger/canonical-json.js';
import { defaultSeverity } from '../../src/recorder/classify.js';
import { createSecretKeyTest } from '../../src/recorder/redaction/secret-key.js';
import { judged, scored } from '../risk/judged-event.js';
import { EVENT_COLUMNS, readRow, toRow } from '../../src/store/event-row.js';
import type { EventRow } from '../../src/store/event-row.js';
import { anyCharacter } from '../support/any-character.js';

/** The public type, written out: `tsc` refuses this file if the real one has a property more, fewer or looser. */
interface Promised {
  id: string;
  timestamp: number;
  tenantId: string;
  userId?: string;
  action: string;
  resource: string;
  resourceId?: string;
  details: Record<string, string | number | boolean | string[] | number[]>;
  ipAddress?: string;
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
  riskScore: number;
  complianceFlags: string[];
  metadata: Record<string, string | number | boolean | string[] | number[]>;
}
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Flat<T> = { [K in keyof T]: T[K] };
const eventIsAsPromised: Same<Flat<AuditLogEvent>, Flat<Promised>> = true;

const nothingSecret = () => false;

describe('the event', () => {
  it('has exactly the promised type', () => {
    expect(eventIsAsPromised).toBe(true);
  });

  it('has ids that sort by time, and within a millisecond in the order in which they were made', () => {
    const ids = [5, 5, 5, 6, 1_000_000_000_000].map(createEventId);
    expect([...ids].sort()).toEqual(ids);
    expect(firstIdOf(6) < ids[3]!).toBe(true);
    expect(firstIdOf(6) > ids[2]!).toBe(true);
    expect(new Set(Array.from({ length: 10_000 }, () => createEventId(7))).size).toBe(10_000);
  });

  it('keeps text well-formed, printable and bounded, whatever it was', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: anyCharacter, maxLength: 300 }),
        fc.integer({ min: 30, max: 100 }),
        (text, limit) => {
          const safe = safeText(text, limit);
          expect(safe.length).toBeLessThanOrEqual(limit);
          expect(safe.isWellFormed()).toBe(true);
          // eslint-disable-next-line no-control-regex
          expect(safe).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
          if (text.length <= limit && /^[ -~]*$/.test(text)) expect(safe).toBe(text);
        },
      ),
    );
  });

  it('flattens anything to a bounded record of plain values, without throwing', () => {
    const circular: Record<string, unknown> = { a: 1 };
    circular['self'] = { circular };
    expect(
      flattenFacts({ circular, set: new Set([1, 2]), map: new Map([['k', { v: 1 }]]) }, nothingSecret),
    ).toEqual({
      'circular.a': 1,
      'circular.self.circular': '[circular]',
      set: [1, 2],
      'map.k.v': 1,
    });
    expect(
      flattenFacts(
        {
          date: new Date(0),
          bad: new Date(Number.NaN),
          big: 12345678901234567890n,
          decimal: { toJSON: () => '12.30' },
          buffer: Buffer.from('secret'),
          nan: Number.NaN,
          zero: -0,
          mixed: [1, 'a', true, null, new Date(0)],
          empty: [],
          error: new RangeError('with a password'),
          entity: { hidden: 1, toJSON: () => ({ shown: 2 }) },
          silent: { hidden: 1, toJSON: () => undefined },
          silents: [1, { hidden: 1, toJSON: () => undefined }],
        },
        nothingSecret,
      ),
    ).toEqual({
      date: '1970-01-01T00:00:00.000Z',
      bad: 'Invalid Date',
      big: '12345678901234567890',
      decimal: '12.30',
      buffer: '[binary, 6 bytes]',
      nan: 'NaN',
      zero: 0,
      mixed: ['1', 'a', 'true', '1970-01-01T00:00:00.000Z'],
      empty: [],
      error: 'RangeError',
      'entity.shown': 2,
      'silents.0': 1,
    });
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string(),
          fc.anything({
            withBigInt: true,
            withDate: true,
            withMap: true,
            withSet: true,
            withNullPrototype: true,
            withSparseArray: true,
          }),
        ),
        (value) => {
          const facts = flattenFacts(value, nothingSecret);
          const json = canonicalJson(facts);
          expect(Buffer.byteLength(json)).toBeLessThanOrEqual(FACT_LIMITS.bytes);
          // The independent implementation of RFC 8785 agrees, and nothing is lost on the way back.
          expect(json).toBe((canonicalize as unknown as (input: unknown) => string)(facts));
          expect(JSON.parse(json)).toEqual(facts);
        },
      ),
    );
  });

  it('says how much it cut', () => {
    const many = flattenFacts(
      Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`k${index}`, index])),
      nothingSecret,
    );
    expect(many['…']).toBe('144 more cut');
    const big = flattenFacts(
      { a: '€'.repeat(9_000), b: Array.from({ length: 300 }, () => 'x'.repeat(3_000)), c: 1 },
      nothingSecret,
    );
    expect(big['a']).toMatch(/…\[cut from 9000\]$/);
    expect(big['…']).toBe('1 more cut');
    expect(big['c']).toBe(1);
  });

  it.each([
    '{"payee.country":"CH","payee":{"country":"XX"}}',
    '{"payee":{"country":"XX"},"payee.country":"CH"}',
  ])('says of a body what its handler reads, and counts what imitates it: %s', (body) => {
    const details = { 'body.amount': 7, body: { amount: 8, ...(JSON.parse(body) as object) } };
    expect(flattenFacts(details, nothingSecret)).toEqual({
      'body.amount': 7,
      'body.payee.country': 'XX',
      '…': '2 more cut',
    });
  });

  it('survives the way into a row and back', () => {
    const event: AuditLogEvent = {
      id: createEventId(1),
      timestamp: 1,
      tenantId: 't',
      action: 'a.b',
      resource: 'a',
      details: { __proto__x: 'y', 'ü "': ['\n'] },
      severity: 'low',
      category: 'system',
      outcome: 'success',
      riskScore: 0,
      complianceFlags: [],
      metadata: {},
    };
    const row = Object.fromEntries(
      EVENT_COLUMNS.map((column, index) => [column, toRow(event)[index]]),
    ) as EventRow;
    expect(readRow({ ...row, timestamp: '1' }).event).toEqual(event);
  });

  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:51234', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:CB00:7107', '203.0.113.7'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
    ['256.1.1.1', undefined],
    ['localhost', undefined],
    ['', undefined],
    ['1.2.3.4, 5.6.7.8', undefined],
  ])('writes the address %s as %s', (address, canonical) => {
    expect(canonicalIp(address)).toBe(canonical);
  });

  it('knows secret keys in any spelling, and leaves the others', () => {
    const isSecret = createSecretKeyTest(['taxNumber']);
    const secret =
      'password,PASSWORD,userPassword,passwrd,pass,pwd,userpwd,dbpass,pswd,token,accessToken,csrf-token,xsrf,client_secret,Authorization,authorisation,cookie,Set-Cookie,apiKey,API_KEY,x-api-key,appkey,card,cardNumber,cardno,CARDNUMBER,creditCard,cc_number,ccNumber,cvv,CVV2,cvvcode,cvc,iban,IBAN,user_iban,ibannumber,bankAccount,sortCode,ssn,SSN,customer.ssn,clientSecrets,ibanKey,privateKey,sshKey,masterKey,jwt,otp,otpCode,mfaCode,recoveryCode,pin,PINcode,pan,oauth_code,code_verifier,SAMLResponse,sessionId,connectionString,dsn,mnemonic,taxNumber,TAX_NUMBER,tax-numbers,payload.credentials.user,ｐａｓｓｗｏｒｄ';
    const open =
      'name,company,amount,discard,cardinality,classname,description,spinner,shipping,author,authorizedBy,compass,passenger,monkey,key,keyboard,session,userId,expansion,opinion,account,accountNumber,currency,status,code,postalCode,cosign,tokyo,citibank,multiBankId,secretary,secretariat';
    expect(secret.split(',').filter((key) => !isSecret(key))).toEqual([]);
    expect(open.split(',').filter((key) => isSecret(key))).toEqual([]);
  });

  it.each([
    ['/reset/abc', '/reset/:token', '/reset/[redacted]'],
    ['/reset/abc/', '/reset/:token', '/reset/[redacted]'],
    ['/API/Reset/abc', '/api/reset/:token', '/API/Reset/[redacted]'],
    ['/users/7/keys/abc', '/users/:id/keys/:apiKey', '/users/7/keys/[redacted]'],
    ['/reset/abc/more', '/reset/:token', '/reset/:token'],
    ['/files/a/b', '/files/*secret', '/files/*secret'],
    ['/invoices/7', '/invoices/:id', '/invoices/7'],
  ])('writes the path %s of the route %s as %s', (path, route, redacted) => {
    expect(new SafePaths(createSecretKeyTest()).ofRoute(path, route)).toBe(redacted);
  });

  it.each([
    ['/reset/abc', '/reset/:token', '/reset/[redacted]'],
    ['/reset/abc/extra', '/reset/:token', '/reset/[redacted]/extra'],
    ['/api/v2/reset/abc', '/reset/:token', '/api/v2/reset/[redacted]'],
    ['//reset//abc', '/reset/:token', '/reset/[redacted]'],
    ['/reset', '/reset/:token', '/reset'],
    ['/other/abc', '/reset/:token', '/other/abc'],
    ['/files/a/b/c', '/files/*secret', '/files/[redacted]'],
    ['/a/b', '/:token', '/a/b'],
    ['/reset/reset/abc', '/reset/:token', '/reset/[redacted]/[redacted]'],
    ['/reset/abc/reset/def', '/reset/:token', '/reset/[redacted]/reset/[redacted]'],
    ['/r%65set/abc', '/reset/:token', '/r%65set/[redacted]'],
    ['/reset%2Fabc', '/reset/:token', '/reset/[redacted]'],
    ['/users/7/keys/abc', '/users/:id/keys/:apiKey', '/users/7/keys/[redacted]'],
    ['/reset/./abc', '/reset/:token', '/reset/[redacted]'],
    ['/reset/%2e/abc', '/reset/:token', '/reset/[redacted]'],
    ['/reset/;a/abc', '/reset/:token', '/reset/[redacted]'],
    ['/reset;a=1/abc', '/reset/:token', '/reset;a=1/[redacted]'],
    ['/reset%20/abc', '/reset/:token', '/reset%20/[redacted]'],
    ['/r%2565set/abc', '/reset/:token', '/r%2565set/[redacted]'],
    ['/reset%252fabc', '/reset/:token', '/reset/[redacted]'],
    ['/reset/abc/..', '/reset/:token', '/reset/[redacted]/..'],
    ['/reset/x/../abc', '/reset/:token', '/reset/[redacted]/../[redacted]'],
    ['/invoices/./7;a=1', '/reset/:token', '/invoices/./7;a=1'],
  ])('writes the unrouted path %s beside the route %s as %s', (path, route, redacted) => {
    const paths = new SafePaths(createSecretKeyTest());
    paths.learn([route]);
    expect(paths.ofNoRoute(path)).toBe(redacted);
  });

  it('names resources and actions', () => {
    const names = [
      'InvoicesController',
      'JournalEntriesController',
      'AddressesController',
      'ExpensesController',
      'StatusController',
      'HTTPProxiesController',
      'Health',
      'Controller',
    ];
    expect(names.map((name) => resourceOfController(name))).toEqual([
      'invoice',
      'journal-entry',
      'address',
      'expense',
      'status',
      'http-proxy',
      'health',
      'http',
    ]);
    const mechanisms: [controller: string, path: string, resource: string][] = [
      ['FilesLocalController', 'files/upload', 'file'],
      ['FilesS3PresignedController', 'files/upload', 'file'],
      ['InvoicesApiController', 'v2/invoices', 'invoice'],
      ['V1InvoicesController', '', 'invoice'],
      ['InvoicesV2Controller', '', 'invoice'],
      ['ApiController', '/api/v1/:tenant/orders/:id', 'order'],
      ['ApiController', ':id', 'api'],
      ['V1Controller', '', 'v1'],
      // Things and places, not mechanisms.
      ['ApiKeysController', 'users/:id/api-keys', 'api-key'],
      ['LocalesController', 'locales', 'locale'],
      ['AuthController', 'auth/me', 'auth'],
      ['HomeController', '', 'home'],
      ['HealthController', 'status', 'health'],
    ];
    for (const [controller, path, resource] of mechanisms)
      expect(resourceOfController(controller, path), controller).toBe(resource);
    const routes: [string, string, string][] = [
      ['GET', '/', 'findAll'],
      ['GET', ':id', 'findOne'],
      ['POST', '', 'add'],
      ['PUT', ':invoiceId', 'replace'],
      ['PATCH', '/:id', 'patch'],
      ['DELETE', ':id', 'remove'],
      ['POST', ':id', 'touch'],
      ['POST', ':id/approve', 'approveNow'],
      ['GET', 'export', 'exportCSV'],
      ['GET', '*path', 'proxy'],
    ];
    expect(routes.map(([method, path, handler]) => actionOfRoute('invoice', method, path, handler))).toEqual([
      'invoice.list',
      'invoice.read',
      'invoice.create',
      'invoice.update',
      'invoice.update',
      'invoice.delete',
      'invoice.touch',
      'invoice.approve-now',
      'invoice.export-csv',
      'invoice.proxy',
    ]);
  });

  it('scores risk as the documented sum', () => {
    const scoreRisk = (
      category: AuditLogEvent['category'],
      severity: AuditLogEvent['severity'],
      outcome: AuditLogEvent['outcome'],
      verb: 'read' | 'delete',
    ) => scored(judged({ category, severity, outcome }), verb).riskScore;
    expect(scoreRisk('data_access', 'low', 'success', 'read')).toBe(5);
    expect(scoreRisk('data_modification', 'medium', 'success', 'delete')).toBe(40);
    expect(scoreRisk('authorization', 'high', 'failure', 'read')).toBe(70);
    expect(scoreRisk('security', 'critical', 'failure', 'delete')).toBe(100);
    expect(defaultSeverity('data_modification', 'success', 'delete')).toBe('medium');
    expect(defaultSeverity('data_modification', 'failure', 'delete')).toBe('high');
    expect(defaultSeverity('data_access', 'failure', 'delete')).toBe('low');
  });
});
