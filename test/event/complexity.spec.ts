// What a client sends may be long, but never makes the audit work out of proportion to its length: not by one function that reads it, nor
// by a whole request.
import 'reflect-metadata';
import { All, Body, Controller, Get, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Audit, AuditError, AuditModule, AuditService } from 'nest-audit-trail';
import { policy } from 'nest-audit-trail/policy';
import { complianceRules } from 'nest-audit-trail/rules';
import { queryOf, rawPathOf } from '../../src/capture/request-target.js';
import type { CapturedRequest } from '../../src/capture/resolvers.js';
import { SafePaths } from '../../src/recorder/redaction/safe-paths.js';
import { SentValues } from '../../src/features/rules/sent-values.js';
import { assertEventInput } from '../../src/event/audit-event-input.js';
import { flattenFacts } from '../../src/event/flatten.js';
import { canonicalIp } from '../../src/event/ip-address.js';
import { safeText } from '../../src/event/safe-text.js';
import { pathTest } from '../../src/features/policy/path-pattern.js';
import { readPath } from '../../src/features/policy/request-path.js';
import { Redactor } from '../../src/recorder/redaction/redactor.js';
import { fold, normalize } from '../../src/features/rules/comparable-text.js';
import { decimalOf } from '../../src/features/rules/decimal.js';
import { checkQuery } from '../../src/trail/audit-query.dto.js';
import { send } from '../support/http-client.js';
import type { Call } from '../support/http-client.js';
import { createDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { bestOf, growthOf } from '../support/work-growth.js';
import type { Growth } from '../support/work-growth.js';

/**
 * What hostile texts repeat: the beginnings of all that is looked for, without what would end them. `␠` stands for a space, `␉`, `␍` and `␊`
 * for a tab and the ends of lines.
 */
const UNITS = String.raw`
  a aB 1 1␠ 1- 4111␠ 12345678901␠ 4 0 . 1. - _ ␠ ␉ ␊ ␍␊␠ ␠␠␊ / // /a /.. /reset /reset/ \ \\" " ' \" """ { [ } {"a": [[1],
  % %2 %25 %25%25 %2525 %ff %ff- %2f /%ff %7b%22 \u0061 \u \u{ \x & &quot; &# &a
  = : a= a: a:␠ a␠=␠ ␠" a␠" "a":"b", 'a'=> a=b& a=b;␠ a[b]= :: =>
  token token= token: token:␠ token:␊ token:␊␠ token␠=␠ token=" token="\ token={ password=[redacted pass␠word:␠
  hash= hash=" name= name="token" name=token␊ name=token;␊ value= value="name=" key:token␠value: seed␠phrase:
  --token --token␠ -a --a␠b␠ "--token", Cookie:␠a "Cookie:␠ 'Cookie:␠␊ Authorization: export␠token:␠
  < <a <a␠ <a> </a> <token <token> <token>x <token/> </token> <a␠key="token" <key>token</key> <a␠name="
  :// a:// https://a https://a: https://a@ https://a:b@ https://a:b/@ @ a@ a@a. a@a.a :@
  eyJ -eyJ eyJhbGciOi -eyJhbGciOi eyJhbGciOi. Basic␠ basic␠abcdefg␠ token␠ Bearer␉ sk- -sk- SG. AKIA
  -----BEGIN -----BEGIN␠PRIVATE␠KEY----- -----BEGIN␠A␠ -----END PuTTY-User-Key-File-2 $2b$ $argon2id$ $a
  identified␠by␠' curl␠-u␠a: curl␠,-ua:b password:A␠=␠" //a:b@ ␠//a: DE12-
  DE12 DE12␠ AT12␠ NO9␠ A/ AAAAAAAA/ YTpi cGFzc3dvcmQ9 é 😀 ﬀ İ`
  .trim()
  .split(/\s+/)
  .map((unit) => unit.replaceAll('␠', ' ').replaceAll('␉', '\t').replaceAll('␍', '\r').replaceAll('␊', '\n'))
  .concat('password\u00a0=\u00a0', '4111\u00a0', '`', 'e\u0301', '\u0301\u0323', '\ud800', '\u0000');
/** What comes at last: a quantifier that took all of it gives it back piece by piece. */
const ENDINGS = ['', 'x', '!', '=', '"', '@', '>', ' ', '\n'];

const hostile = (unit: string, ending: string) => (size: number) =>
  unit.repeat(Math.ceil(size / unit.length)).slice(0, size - ending.length) + ending;

/** All texts of one unit, and some of two and three, chosen by a fixed seed. */
const TEXTS: Readonly<Record<string, (size: number) => string>> = Object.fromEntries([
  ...UNITS.flatMap((unit, index) =>
    ['', ENDINGS[index % ENDINGS.length]!].map(
      (ending) => [JSON.stringify([unit, ending]), hostile(unit, ending)] as const,
    ),
  ),
  ...Array.from({ length: 60 }, (_, index) => {
    const [one, two, three] = [3, 7, 11].map((step) => UNITS[(index * step * 13 + step) % UNITS.length]!);
    const parts = index % 2 === 0 ? [one!, two!] : [one!, two!, three!];
    const text = (size: number) =>
      parts.map((part) => hostile(part, '')(Math.floor(size / parts.length))).join('');
    return [
      [JSON.stringify([parts.join('')]), hostile(parts.join(''), '')] as const,
      [JSON.stringify([parts, 'one after another']), text] as const,
    ];
  }).flat(),
]);

const redactor = new Redactor({ patterns: { email: 'mask', phone: 'mask' }, keys: ['taxNumber'] });
const isSecret = redactor.isSecretKey;
const rules = { text: (text: string) => redactor.text(text) };
const paths = new SafePaths(isSecret);
paths.learn(
  [
    '/reset/:token',
    '/a/:id/a/:token',
    '/:token/reset',
    '/files/*secret',
    '/a/a/a/:password',
    '/x{/:token}',
  ].flatMap((pattern) => [pattern, `/api${pattern}`]),
);
const globs = ['/**/a/**/b', '/**/reset/**', '/*/*/**/x'].map((glob) => pathTest(glob, false));
const sent = new SentValues(['body.a.b.c', 'body.a', 'query.a']);
const request = (url: string) => ({ url, headers: {} }) as unknown as CapturedRequest;

/** Each function that reads what a client sent, by what it does with a text. */
const FUNCTIONS: Readonly<Record<string, (text: string) => unknown>> = {
  'redaction of a text': (text) => redactor.text(text),
  'the test of a key': (text) => isSecret(text),
  'the facts of a text': (text) => flattenFacts({ text }, isSecret, rules),
  'the facts of a key': (text) => flattenFacts({ [text]: { a: 2, [`b${text}`]: 3 } }, isSecret, rules),
  'a safe text': (text) => safeText(text, 512),
  'an address': (text) => canonicalIp(text),
  'the path of no route': (text) => paths.ofNoRoute(text),
  'the path of a route': (text) => paths.ofRoute(text, '/reset/:token'),
  'the path of a target': (text) => rawPathOf(request(text)),
  'the query of a target': (text) => queryOf(request(`/?${text}`)),
  'the path as policies read it': (text) => globs.map((fits) => fits(readPath(text))),
  'a number of a rule': (text) => decimalOf(text),
  'a text of a rule': (text) => [normalize(text), fold(text)],
};

/** Queries, as a controller may take them from a client. */
const QUERIES: Readonly<Record<string, (size: number) => object>> = {
  'many unknown properties': (size) => VALUES['many keys']!(size * 32) as object,
  'a long unknown property': (size) => ({ ['k'.repeat(size)]: 1 }),
  'many commas': (size) => ({ severity: ','.repeat(size * 16) }),
  'many words': (size) => ({ severity: Array(size).fill('low') }),
  'many texts': (size) => ({ userId: Array(size).fill('ann') }),
  'a long text': (size) => ({ userId: 'a'.repeat(size * 16), text: 'b'.repeat(size * 16) }),
  'many facts': (size) => ({ details: VALUES['many keys']!(size) }),
};

/** Values of many parts. */
const VALUES: Readonly<Record<string, (size: number) => unknown>> = {
  'many keys': (size) =>
    Object.fromEntries(Array.from({ length: size / 8 }, (_, index) => [`key ${index}`, 1])),
  'many secret keys': (size) =>
    Object.fromEntries(Array.from({ length: size / 8 }, (_, index) => [`token${index}`, 1])),
  'many texts': (size) => Array.from({ length: size / 16 }, (_, index) => `token=${index} 4111 1111`),
  'many lists': (size) => Array.from({ length: size / 8 }, () => ['a', ['b']]),
  'many pairs': (size) => Array.from({ length: size / 16 }, () => ({ name: 'token', value: 'b' })),
  'lists in lists': (size) => nested(Math.min(size / 4, 4_000), (inner) => [inner, 1]),
  'objects in objects': (size) => nested(Math.min(size / 8, 4_000), (inner) => ({ a: inner, b: 1 })),
  'a long key over many lists': (size) => ({
    ['k'.repeat(size / 2)]: Array.from({ length: size / 256 }, () =>
      Array.from({ length: 32 }, () => [1, '2']),
    ),
  }),
  'long keys over long keys': (size) =>
    nested(12, (inner) => ({ ['k'.repeat(size / 16)]: inner, [`${'l'.repeat(size / 16)}`]: 1 })),
  'the keys that rules ask for': (size) =>
    Array.from({ length: size / 16 }, () => ({ a: [{ b: [{ c: 1 }] }], 'a.b': { c: 2 } })),
};

function nested(depth: number, around: (inner: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = around(value);
  return value;
}

const SIZE = 2_048;

function failures(growths: Readonly<Record<string, Growth>>): string[] {
  return Object.entries(growths)
    .filter(([, { isLinear }]) => !isLinear)
    .map(([what, { small, large }]) => `${what}: ${(large / small).toFixed(0)} times`);
}

describe('work in proportion to what a client sends', () => {
  it.each(Object.keys(FUNCTIONS))(
    '%s',
    async (name) => {
      const work = FUNCTIONS[name]!;
      const growths: Record<string, Growth> = {};
      for (const [shape, make] of Object.entries(TEXTS)) {
        growths[shape] = await growthOf(SIZE, (size) => {
          const text = make(size);
          return () => work(text);
        });
      }
      expect(failures(growths)).toEqual([]);
    },
    300_000,
  );

  it.each(Object.keys(VALUES))('facts and rules of %s', async (shape) => {
    const facts = await growthOf(SIZE, (size) => {
      const body = VALUES[shape]!(size);
      return () => flattenFacts({ body }, isSecret, rules);
    });
    const read = await growthOf(SIZE, (size) => {
      const body = VALUES[shape]!(size);
      return () => sent.read({ body: [body], query: [body] });
    });
    expect(failures({ facts, read })).toEqual([]);
  });
});

describe('what is asked for', () => {
  it.each(Object.keys(QUERIES))('takes time in proportion to %s', async (shape) => {
    const growths: Record<string, Growth> = {};
    for (const [what, check] of Object.entries({ checkQuery, assertEventInput })) {
      growths[what] = await growthOf(SIZE, (size) => {
        const query = QUERIES[shape]!(size);
        return () => expect(() => check(query)).toThrow(AuditError);
      });
    }
    expect(failures(growths)).toEqual([]);
  });

  it.each([checkQuery, assertEventInput])('is refused by the names of the first properties', (check) => {
    const many = { ['k'.repeat(1_000)]: 1, ...(VALUES['many keys']!(1_000) as object) };
    expect(() => check(many)).toThrow(
      /: it has no property "k{40,}…\[cut from 1000\]", "key 0", "key 1" and 123 more\.$/,
    );
    // What class-validator would say of a longer text is as long as the text.
    expect(() => check({ action: 'a.b', severity: ','.repeat(2_000) })).toThrow(/^.{0,400}$/);
  });
});

describe('what looks a little like a card or an account', () => {
  // Both are in proportion to the text: what is held small is how often each digit is looked at.
  it.each(['1', '1-2 ', '5 8 ', '4111 1112 ', '5-5 ', '12345678901 ', '411111111111111 ', 'DE12 ', 'AT12 '])(
    'costs no more than some dozen times what words do: %j',
    async (unit) => {
      const cost = (text: string) =>
        bestOf(100_000, (size) => {
          const whole = hostile(text, '')(size);
          return () => redactor.text(whole);
        });
      let ratio = Infinity;
      for (let attempt = 0; attempt < 5 && ratio > 50; attempt += 1) {
        ratio = (await cost(unit)) / (await cost('The quick brown fox jumps. '));
      }
      expect(ratio).toBeLessThan(50);
    },
  );
});

@Audit()
@Controller()
class ThingsController {
  @Get('reset/:token') reset(@Param('token') _token: string) {
    return {};
  }

  @Get('a/:id/invite/:code/:password') invite() {
    return {};
  }

  @All('files/:secret/*rest') files() {
    return {};
  }

  @Post('things') take(@Body() body: { said?: unknown }) {
    return { said: typeof body.said };
  }
}

/** Requests of a size, by what is long in them. */
const REQUESTS: Readonly<Record<string, (size: number) => Call>> = {
  'a path of slashes': (size) => ({ path: '/'.repeat(size) }),
  'a path of segments': (size) => ({ path: '/a'.repeat(size / 2) }),
  'a path that begins as a secret one again and again': (size) => ({ path: '/reset'.repeat(size / 6) }),
  'a path of two fixed segments': (size) => ({ path: '/a/b/invite'.repeat(size / 11) }),
  'a path of a wildcard': (size) => ({ path: `/files/x${'/a'.repeat(size / 2)}` }),
  'a path of percent signs': (size) => ({ path: `/${'%25%25'.repeat(size / 6)}` }),
  'a path of bytes that are no text': (size) => ({ path: '/%ff'.repeat(size / 4) }),
  'a path of digits': (size) => ({ path: `/${'1-'.repeat(size / 2)}` }),
  'a path of tokens': (size) => ({ path: `/reset/${'-eyJ'.repeat(size / 4)}` }),
  'a long query': (size) => ({ path: `/reset/x?a=${'%25%25'.repeat(size / 6)}` }),
  'many query parameters': (size) => ({ path: `/reset/x?${'a=1&'.repeat(size / 4)}` }),
  'a user agent': (size) => ({ path: '/reset/x', headers: { 'user-agent': 'a:"'.repeat(size / 3) } }),
  'a request id': (size) => ({ path: '/reset/x', headers: { 'x-request-id': '-eyJ'.repeat(size / 4) } }),
  'a traceparent': (size) => ({ path: '/reset/x', headers: { traceparent: `00-${'0'.repeat(size)}` } }),
  'addresses of proxies': (size) => ({
    path: '/reset/x',
    headers: { 'x-forwarded-for': '203.0.113.7, '.repeat(size / 13) + '1.1.1.1' },
  }),
  'an address': (size) => ({ path: '/reset/x', headers: { 'x-forwarded-for': `${':1'.repeat(size / 2)}x` } }),
  'many cookies': (size) => ({ path: '/reset/x', headers: { cookie: 'a=1; '.repeat(size / 5) } }),
  'many headers': (size) => ({
    path: '/reset/x',
    headers: Object.fromEntries(Array.from({ length: size / 64 }, (_, index) => [`x-a-${index}`, '1'])),
  }),
  ...Object.fromEntries(
    ['1', '1 ', '4111 ', '"', '\\', '{', '-eyJ', 'a=', '<a>', '%ff-', 'DE12 ', '\u0301\u0323'].map((unit) => [
      `a text of ${JSON.stringify(unit)} in a body`,
      (size: number) => posted({ said: `${unit.repeat((size / 2 / JSON.stringify(unit).length) | 0)}x` }),
    ]),
  ),
  'many texts of digits in a body': (size) =>
    posted({ said: Array.from({ length: size / 128 }, () => '4111 1112 '.repeat(10)) }),
  'a body of many keys': (size) =>
    posted(Object.fromEntries(Array.from({ length: size / 16 }, (_, index) => [`key${index}`, 1]))),
  'a body that is deep': (size) => ({
    ...posted({}),
    body: `{"said":${'['.repeat(size / 8)}${']'.repeat(size / 8)}}`,
  }),
  'a body of a long key': (size) => posted({ ['a"'.repeat(size / 6)]: { b: [[1], [2], { c: 3 }] } }),
  'a body that is no JSON': (size) => ({ ...posted({}), body: `{"said":${'1'.repeat(size)}x` }),
};

function posted(body: object): Call {
  return { method: 'POST', path: '/things', body: JSON.stringify(body) };
}

describe('a request takes time in proportion to its length', () => {
  let database: TestDatabase;
  let app: NestExpressApplication;
  let server: Server;

  beforeAll(async () => {
    database = await createDatabase('sqlite');
    @Module({
      imports: [
        AuditModule.forRoot({
          database: database.options,
          delivery: { directory: database.journal },
          capture: { query: true, body: true },
          features: [
            policy([{ level: 'response', match: { path: ['/**/a/**/b', '/reset/**'] } }]),
            complianceRules({
              rules: [
                {
                  id: 'no-digits',
                  name: 'No digits',
                  category: 'compliance',
                  severity: 'high',
                  conditions: {
                    any: [
                      { field: 'details.body.said', operator: 'matches', value: '(a|b)+c{1,9}d' },
                      { field: 'details.body.said', operator: 'greater_than', value: 1_000 },
                      { field: 'details.body.said', operator: 'equals', value: 5 },
                    ],
                  },
                  actions: ['block'],
                },
              ],
            }),
          ],
        }),
      ],
      controllers: [ThingsController],
    })
    class RootModule {}
    app = await NestFactory.create<NestExpressApplication>(RootModule, { logger: false });
    app.set('trust proxy', true);
    await app.init();
    // Longer requests than a server takes by default: what is out of proportion shows sooner.
    server = createServer({ maxHeaderSize: 1_000_000 }, app.getHttpAdapter().getInstance());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterAll(async () => {
    server?.closeAllConnections();
    server?.close();
    await app?.close();
    await database?.drop();
  });

  it.each(Object.keys(REQUESTS))(
    '%s',
    async (shape) => {
      const { port } = server.address() as AddressInfo;
      const growth = await growthOf(8_000, (size) => {
        const call = REQUESTS[shape]!(size);
        return async () => expect((await send(port, call)).status).toBeGreaterThan(0);
      });
      expect(failures({ [shape]: growth })).toEqual([]);
    },
    120_000,
  );

  it('each of them left an event', async () => {
    const audit = app.get(AuditService);
    await audit.flush();
    const { events } = await audit.find({ allTenants: true, limit: 1 });
    expect(events).toHaveLength(1);
    expect(audit.status().healthy).toBe(true);
  });
});
