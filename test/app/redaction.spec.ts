// What must not be stored is in no table, in no file of the journal, in no line of the log, wherever a client or the
// application put it, and however it was encoded.
import 'reflect-metadata';
import { Body, Controller, Get, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { Audit, AuditError, AuditModule, AuditService, pseudonym } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { Redactor } from '../../src/recorder/redaction/redactor.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { encoding, ENCODINGS, formsOf, secret } from '../support/planted-secrets.js';
import type { Planted } from '../support/planted-secrets.js';

const PSEUDONYM_KEY = Buffer.alloc(32, 7).toString('base64');

@Audit({
  body: true,
  query: true,
  details: ({ request, result }) => ({
    said: (request['body'] as { said?: unknown })?.said,
    answered: result,
  }),
})
@Controller('things')
class ThingsController {
  constructor(private readonly audit: AuditService) {}

  @Get(':id') read(@Param('id') id: string) {
    return { id, echo: id };
  }

  @Post('annotate') annotate(@Body() body: Record<string, unknown>) {
    this.audit.annotate({ details: body, metadata: { noted: body }, resourceId: String(body['said']) });
    return {};
  }

  @Post('fail') fail(@Body() body: { said: string }) {
    throw new Error(body.said);
  }

  @Post('echo') echo(@Body() body: Record<string, unknown>) {
    return body;
  }
}

describeOnSqlite('redaction', (create) => {
  let database: TestDatabase;
  let app: NestExpressApplication | undefined;
  let logged: string[];

  beforeEach(async () => {
    database = await create();
    logged = [];
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.drop();
  });

  async function start(options: AuditModuleOptions = {}): Promise<AuditService> {
    @Module({
      imports: [
        AuditModule.forRoot({
          database: database.options,
          delivery: { directory: database.journal },
          ...options,
        }),
      ],
      controllers: [ThingsController],
    })
    class RootModule {}
    const log = (...words: unknown[]) => void logged.push(words.map(String).join(' '));
    app = await NestFactory.create<NestExpressApplication>(RootModule, {
      logger: { log, warn: log, error: () => undefined, debug: log, verbose: log, fatal: log },
    });
    await app.listen(0, '127.0.0.1');
    return app.get(AuditService);
  }

  const url = (path: string) =>
    `http://127.0.0.1:${(app!.getHttpServer().address() as AddressInfo).port}/things/${path}`;

  async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<void> {
    const answer = await fetch(url(path), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    await answer.text();
  }

  /** Everything that a thief of the disk or of the database would have, and the log. */
  async function allThatIsKept(): Promise<string> {
    const files = await readdir(database.journal);
    const journal = await Promise.all(files.map((file) => readFile(join(database.journal, file), 'latin1')));
    const connection = await new DataSource(database.options).initialize();
    try {
      const tables = ['audit_events', 'audit_dead_letters', 'audit_sources', 'audit_settings'];
      const rows = await Promise.all(tables.map((table) => connection.query(`SELECT * FROM ${table}`)));
      return [...journal, JSON.stringify(rows), ...logged].join('\n');
    } finally {
      await connection.destroy();
    }
  }

  const PLACES: Readonly<Record<string, (text: string, audit: AuditService) => Promise<unknown>>> = {
    path: async (text) => (await fetch(url(encodeURIComponent(text)))).text(),
    query: async (text) => (await fetch(url(`1?note=${encodeURIComponent(text)}`))).text(),
    'user agent': async (text) =>
      (await fetch(url('1'), { headers: { 'user-agent': text.replaceAll('\n', ' ') } })).text(),
    'request id': async (text) =>
      (await fetch(url('1'), { headers: { 'x-request-id': text.replaceAll('\n', ' ') } })).text(),
    body: (text) => post('echo', { note: text }),
    'deep in the body': (text) => post('echo', { a: { list: [{ note: text }, 1], more: [text, text] } }),
    'a key of the body': (text) => post('echo', { [text]: 1 }),
    details: (text) => post('echo', { said: text }),
    annotation: (text) => post('annotate', { said: text }),
    error: (text) => post('fail', { said: text }),
    record: (text, audit) =>
      audit.record({ action: 'note.add', userAgent: text, details: { note: text, deep: { list: [text] } } }),
    'ids of a record': (text, audit) =>
      text.length > 250 || text.includes('\n')
        ? Promise.resolve()
        : audit.record({ action: 'note.add', userId: text, resourceId: text, sessionId: text }),
    'a record that is refused': (text, audit) =>
      audit.record({ action: 'note.add', severity: text } as never).catch((error: Error) => {
        logged.push(error.message);
      }),
  };

  it('lets no secret through, wherever it is planted and however it is encoded', async () => {
    const audit = await start();
    const planted: (Planted & { readonly where: string })[] = [];
    const places = fc.constantFrom(...Object.keys(PLACES));
    await fc.assert(
      fc.asyncProperty(secret, encoding, places, async (one, how, place) => {
        planted.push({ ...one, where: `${one.kind} ${how} in ${place}` });
        await PLACES[place]!(ENCODINGS[how]!(one.text), audit);
      }),
      { numRuns: 300 },
    );
    await audit.flush();
    const kept = await allThatIsKept();
    expect(kept).toContain('[redacted]');
    const found = planted.filter((one) => formsOf(one).some((form) => kept.includes(form)));
    expect(found.map(({ where, text }) => `${where}: ${text}`)).toEqual([]);
  });

  it('leaves alone what only looks a little like one', async () => {
    const audit = await start();
    const ordinary = {
      uuid: '01a2092a-40f3-7618-b679-000000000007',
      order: 'Order 2026-1129-4711, 3 items',
      millis: '1795450093811',
      iso: '2026-11-26T16:59:40.123Z',
      decimal: '12345678901234567890.50',
      trace: '4bf92f3577b34da6a3ce929d0e0e4736',
      german: 'Rechnung Nr. 4711 vom 3. Mai: 1.234,56 EUR, fällig in 30 Tagen.',
      agent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0.0.0 Safari/537.36',
      digits: '4111 1111 1111 1112',
      reference: 'DE89370400440532013001',
      json: '{"amount":7,"lines":[1,2],"currency":"EUR"}',
      time: 'from 08:00 to 18:00',
      url: 'https://example.com/invoices/7?page=2&sort=asc',
      base64: Buffer.from('just some words without a colon').toString('base64'),
      cursor: Buffer.from('{"page":2,"after":"7"}').toString('base64url'),
      globalId: Buffer.from('Invoice:4711').toString('base64'),
      encodedTime: Buffer.from('2026-11-26T16:59:40Z').toString('base64'),
      sentence: 'The token was renewed, and the basic plan kept.',
      email: 'ann@example.com',
      phone: '+49 30 1234567',
    };
    await audit.record({ action: 'note.add', details: ordinary });
    await audit.flush();
    const { events } = await audit.find({ allTenants: true });
    expect(events[0]!.details).toEqual(ordinary);
  });

  it('does with each pattern and each field what it is told', async () => {
    const audit = await start({
      redaction: {
        pseudonymKey: PSEUDONYM_KEY,
        keys: ['taxNumber'],
        fields: {
          userId: 'hmac',
          'details.*.iban': 'mask',
          'details.account': 'hmac',
          'metadata.path': 'remove',
        },
        patterns: { email: 'mask', card: 'mask', jwt: false, phone: 'remove' },
      },
    });
    const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.abcdefghijklmnop';
    await audit.record({
      action: 'note.add',
      userId: 'ann',
      details: {
        customer: { iban: 'DE89370400440532013000' },
        account: 'DE89370400440532013000',
        taxNumber: '12/345/67890',
        note: 'ann.smith@example.com paid by 4111 1111 1111 1111, call +49 30 1234567',
        jwt: 'kept by its key only',
        plain: jwt,
      },
      metadata: { path: '/secret/7' },
    });
    await audit.flush();
    const { events } = await audit.find({ allTenants: true, userId: pseudonym('ann', PSEUDONYM_KEY) });
    expect(events).toHaveLength(1);
    expect(events[0]!.userId).toMatch(/^hmac:v1:[\w-]{43}$/);
    expect(events[0]!.details).toEqual({
      'customer.iban': '[redacted …3000]',
      account: pseudonym('DE89370400440532013000', PSEUDONYM_KEY),
      taxNumber: '[redacted]',
      note: '[redacted ….com] paid by [redacted …1111], call [redacted]',
      jwt: '[redacted]',
      plain: jwt,
    });
    expect(events[0]!.metadata['path']).toBe('[redacted]');
    expect(await allThatIsKept()).not.toMatch(/"ann"|DE8937|smith/);
  });

  it('finds numbers among other numbers', async () => {
    const audit = await start();
    const found: [given: string, stored: string][] = [
      ['Order 7 4111 1111 1111 1111 12 paid', 'Order 7 [redacted] 12 paid'],
      ['2026 11 26 4111-1111-1111-1111', '2026 11 26 [redacted]'],
      ['4111111111111111 and 5500 0000 0000 0004', '[redacted] and [redacted]'],
      ['Nr12 DE89 3704 0044 0532 0130 00 by ann', 'Nr12 [redacted] by ann'],
      ['to Gb82 West 1234 5698 7654 32 by ann', 'to [redacted] by ann'],
      ['de89370400440532013000,gb29nwbk60161331926819', '[redacted],[redacted]'],
      ['about 4111111111111111.50 in all', 'about 4111111111111111.50 in all'],
      ['Ann,4111111111111111,12/27', 'Ann,[redacted],12/27'],
      ['[4111111111111111,5500000000000004]', '[[redacted],[redacted]]'],
      ['4,111,111,111,111,111 in all', '4,111,111,111,111,111 in all'],
    ];
    await audit.record({
      action: 'note.add',
      details: Object.fromEntries(found.map(([given], index) => [`n${index}`, given])),
    });
    await audit.flush();
    const { events } = await audit.find({ allTenants: true });
    expect(Object.values(events[0]!.details)).toEqual(found.map(([, stored]) => stored));
  });

  it('looks for no pattern where it is told not to, and still knows secret keys', async () => {
    const audit = await start({ redaction: { patterns: false } });
    await audit.record({ action: 'note.add', details: { note: 'Bearer abcdefghijklmnop', password: 'x' } });
    await audit.flush();
    const { events } = await audit.find({ allTenants: true });
    expect(events[0]!.details).toEqual({ note: 'Bearer abcdefghijklmnop', password: '[redacted]' });
  });

  it('stores addresses without their last part', async () => {
    const audit = await start({ redaction: { truncateIp: true } });
    const addresses: [given: string, stored: string][] = [
      ['203.0.113.77', '203.0.113.0'],
      ['::ffff:203.0.113.77', '203.0.113.0'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1::'],
      ['2001:db8::1', '2001:db8::'],
      ['::1', '::'],
    ];
    for (const [ipAddress] of addresses) await audit.record({ action: 'note.add', ipAddress });
    await (await fetch(url('1'))).text();
    await audit.flush();
    const { events } = await audit.find({ allTenants: true, order: 'oldest' });
    expect(events.map(({ ipAddress }) => ipAddress)).toEqual([
      ...addresses.map(([, stored]) => stored),
      '127.0.0.0',
    ]);
  });
});

describe('ids that are no secrets', () => {
  const redactor = new Redactor();
  /** The same ids in each run: a run by chance would fail by chance. */
  const bytes = (outputLength: number, nth: number) =>
    createHash('shake256', { outputLength }).update(String(nth)).digest();
  const hex = (length: number, nth: number) => bytes(length, nth).toString('hex');
  const below = (limit: number, nth: number) => bytes(6, nth).readUIntBE(0, 6) % limit;
  const uuid = (nth: number) =>
    hex(16, nth).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-a$4-$5');
  const kinds: Readonly<Record<string, (nth: number) => string>> = {
    UUIDs: uuid,
    'UUIDs behind a name': (nth) => `test-${uuid(nth)}`,
    'trace ids': (nth) => hex(16, nth),
    'object ids': (nth) => hex(12, nth),
    hashes: (nth) => hex(32, nth),
    'short ids': (nth) => bytes(15, nth).toString('base64url'),
    'order numbers': (nth) => `${2000 + below(99, nth)}-${below(1e6, nth + 1)}-${below(1e6, nth + 2)}`,
    times: (nth) => String(1_780_000_000_000 + below(1e9, nth)),
    'times of the day': (nth) => new Date(1_780_000_000_000 + below(1e9, nth)).toISOString(),
  };

  it.each(Object.keys(kinds))('are left alone: %s', (kind) => {
    const changed = Array.from({ length: 3_000 }, (_, nth) => kinds[kind]!(nth)).filter(
      (id) => redactor.text(id) !== id,
    );
    expect(changed).toEqual([]);
  });

  it('are left alone with the length and the check digits of an IBAN, where upper and lower case are mixed', () => {
    expect(redactor.text('bA5164HoLKa0y5OnTAwT')).toBe('bA5164HoLKa0y5OnTAwT');
    for (const iban of ['GB29NWBK60161331926819', 'gb29 nwbk 6016 1331 9268 19', 'Gb29 NWBK60161331926819'])
      expect(redactor.text(iban)).toBe('[redacted]');
  });
});

describe('options of redaction', () => {
  const refusal = (redaction: unknown): Promise<string> => {
    @Module({
      imports: [
        AuditModule.forRoot({
          database: { type: 'better-sqlite3', database: ':memory:' },
          redaction,
        } as AuditModuleOptions),
      ],
    })
    class RootModule {}
    return NestFactory.createApplicationContext(RootModule, { logger: false, abortOnError: false }).then(
      async (context) => {
        await context.close();
        return 'nothing';
      },
      (error: unknown) => (error instanceof AuditError ? error.message : String(error)),
    );
  };

  it.each<[redaction: unknown, message: string]>([
    [
      { fields: { userId: 'hide' } },
      "redaction.fields.userId is \"hide\": write 'remove' or 'mask' or 'hmac'.",
    ],
    [{ fields: { tenantId: 'hmac' } }, "redaction.fields.tenantId can't be redacted: write one of userId,"],
    [
      { fields: { 'metadata.sequence': 'remove' } },
      'redaction.fields["metadata.sequence"] can\'t be redacted',
    ],
    [
      { patterns: { passport: 'remove' } },
      'There is no audit option "redaction.patterns.passport". The options here are authorization,',
    ],
    [
      { patterns: { card: true } },
      "redaction.patterns.card is true: write 'remove' or 'mask' or 'hmac' or false.",
    ],
    [{ patterns: true }, "redaction.patterns is true: write false, or an object, { email: 'mask' }."],
    [{ fields: { userId: 'hmac' } }, "redaction.pseudonymKey is missing, and the mode 'hmac' needs it"],
    [{ pseudonymKey: 'c2hvcnQ=' }, 'redaction.pseudonymKey has 5 bytes: write 32 bytes or more'],
    [
      { pseudonymKey: 'not a key!' },
      'redaction.pseudonymKey is neither base64 nor hex: write 32 bytes or more',
    ],
    [{ truncateIp: 'yes' }, 'redaction.truncateIp is "yes": write true or false.'],
  ])('%j are refused with what to write instead', async (redaction, message) => {
    const begin = message.startsWith('There is') ? '' : 'The audit option ';
    expect(await refusal(redaction)).toContain(`${begin}${message}`);
  });

  it('say what is missing for a pseudonym', () => {
    expect(() => pseudonym('ann')).toThrow(
      'There is no key for pseudonyms: write redaction: { pseudonymKey } or set AUDIT_PSEUDONYM_KEY.',
    );
    expect(() => pseudonym('ann', 'c2hvcnQ=')).toThrow('redaction.pseudonymKey has 5 bytes');
  });
});
