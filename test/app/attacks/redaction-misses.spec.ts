// Secrets in the shapes in which applications log them, sent as a body and given to `record()`: none of them may be in a row, in
// a dead letter or in a file of the journal; and what only looks like one stays readable.
import 'reflect-metadata';
import { Body, Controller, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { Audit, AuditModule, AuditService } from 'nest-audit-trail';
import { flattenFacts } from '../../../src/event/flatten.js';
import { Redactor } from '../../../src/recorder/redaction/redactor.js';
import { narrowActions, POISON } from '../../support/narrow-column.js';
import { send } from '../../support/http-client.js';
import { describeOnSqlite } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';

const b64 = (text: string) => Buffer.from(text).toString('base64');
const long = (text: string) => text.repeat(Math.ceil(300 / text.length)).slice(0, 300);

/** By what it is: a value that holds the secret. */
const SHAPES: Readonly<Record<string, (secret: string) => unknown>> = {
  'an encrypted PEM key': (s) =>
    `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0F-1E\n\n${s}\n-----END RSA PRIVATE KEY-----`,
  'a PEM key that was cut': (s) => `-----BEGIN ENCRYPTED PRIVATE KEY-----\nx-comment: a-b\n\n${s}`,
  'a PGP key': (s) =>
    `-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v1.4 - gpg4win\n\n${s}\n=ab-c\n-----END PGP PRIVATE KEY BLOCK-----`,
  'an SSH2 key': (s) =>
    `---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: "a-b"\n${s}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----`,
  'a PuTTY key': (s) =>
    `PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nPrivate-Lines: 1\n${s}\nPrivate-MAC: 00ff`,
  'a PEM key in a string of JSON': (s) =>
    JSON.stringify({
      pem: `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n${s}\n-----END RSA PRIVATE KEY-----`,
    }),
  'a URL whose password has an @': (s) => `https://ann:p@${s}@example.com/a`,
  'a URL whose password has a slash': (s) => `postgres://ann:p/${s}@db.example.com/a`,
  'a URL whose password has an @ and a slash': (s) => `redis://:p@x/${s}@cache:6379/0`,
  'a URL whose password has a hash': (s) => `amqp://ann:p#${s}@queue/a`,
  'a URL whose password has an apostrophe': (s) => `postgres://ann:it's-${s}@db.example.com/a`,
  'a URL with a token as its user': (s) => `git clone https://${s}@example.com/a.git`,
  'a URL of a database with a token as its user': (s) => `connecting to libsql://${s}${s}@db/a`,
  'a URL that is encoded': (s) => `next=${encodeURIComponent(`https://ann:p@${s}@example.com/`)}`,
  'a key of 300 characters that ends with password': (s) => ({ [`${long('field ')}password`]: s }),
  'a key of 300 characters with password in its middle': (s) => ({ [`${long('a')}password${long('b')}`]: s }),
  'a long key in a text': (s) => `password${long('x')}=${s}`,
  'a key in escapes of JSON': (s) => `{"pass\\u0077ord": "${s}"}`,
  'a key in escapes of JSON, escaped again': (s) => JSON.stringify(`{"pass\\u0077ord": "${s}"}`),
  'a key in escapes of JavaScript': (s) => `{ p\\x61ssword: '${s}', p\\u{61}ss: 1 }`,
  'JSON in HTML': (s) => `data-x="{&quot;password&quot;:&quot;${s}&quot;}"`,
  'a key in entities of HTML': (s) => `p&#97;ssword=${s}`,
  'an element of XML': (s) => `<login><user>ann</user><password>${s}</password></login>`,
  'an element of XML with a namespace and attributes': (s) =>
    `<wsse:Password Type="a:b#PasswordText">${s}</wsse:Password>`,
  'an element of XML with elements in it': (s) =>
    `<credentials><user>ann</user><value><![CDATA[${s}]]></value></credentials>`,
  'an element of XML in a string of JSON as Go writes it': (s) =>
    `"\\u003cpassword\\u003e${s}\\u003c/password\\u003e"`,
  'an element of XML that was escaped': (s) => `&lt;password&gt;${s}&lt;/password&gt;`,
  'an element of XML that was cut': (s) => `<soap><password>${s}`,
  'an element of XML by an attribute': (s) => `<entry key="db.password">${s}</entry>`,
  'a plist': (s) => `<dict><key>password</key><string>${s}</string></dict>`,
  'an attribute of XML': (s) => `<user name="ann" password="${s}"/>`,
  'an input of HTML': (s) => `<input type="hidden" name="csrfToken" value="${s}">`,
  'an input of HTML, its value first': (s) => `<input value="${s}" name="csrfToken">`,
  'an option with a space': (s) => `mysqldump --user ann --password ${s} --all`,
  'an option with an equals sign': (s) => `mysqldump --user=ann --password=${s} --all`,
  'an option with quotes': (s) => `login --password "${s} and more"`,
  'an option of one hyphen': (s) => `Connect-It -Password ${s}`,
  'a list of arguments': (s) => ['login', '--password', s, '--verbose'],
  'a list of arguments in a text': (s) => `["login","--password","${s}"]`,
  'a hash of Ruby': (s) => `{:user=>"ann", :password=>"${s}"}`,
  'a hash of Ruby with spaces': (s) => `{"user" => "ann", "password" => "${s}"}`,
  'an array of PHP': (s) => `['user' => 'ann', 'password' => '${s}']`,
  'a variable of PHP': (s) => `$config['db']['password'] = '${s}';`,
  'a dict of Python with bytes': (s) => `{'user': 'ann', 'password': b'${s}'}`,
  'a struct of Rust': (s) => `Login { user: "ann", password: Some("${s}") }`,
  'a pair of name and value': (s) => ({ name: 'password', value: s }),
  'pairs of key and value in a list': (s) => [
    { key: 'user', value: 'ann' },
    { value: s, key: 'api_key' },
  ],
  'a pair of a header': (s) => ({ headers: [{ name: 'Authorization', value: `Custom ${s}` }] }),
  'a change of a field': (s) => ({ field: 'password', oldValue: s, newValue: `${s}2` }),
  'a JSON patch': (s) => [{ op: 'replace', path: '/user/password', value: s }],
  'a pair with a label': (s) => ({ label: 'Security code', value: s }),
  'entries in lists': (s) => [
    ['user', 'ann'],
    ['password', s],
  ],
  'raw headers': (s) => ['Host', 'a', 'Cookie', `theme=${s}`],
  'a pair in a text': (s) => `{"name":"password","value":"${s}"}`,
  'a pair in a text, its value first': (s) => `[{"value":"1","name":"a"},{"value":"${s}","name":"password"}]`,
  'a pair of key and value in a text': (s) => `{ key: 'secret', value: '${s}' }`,
  pw: (s) => ({ pw: s, user_pw: s, dbPw: s }),
  securityAnswer: (s) => ({ securityAnswer: s, security_answers: [s] }),
  one_time_code: (s) => ({ one_time_code: s, oneTimeCode: s }),
  seedPhrase: (s) => ({ seedPhrase: s, 'seed phrase': s }),
  recoveryPhrase: (s) => ({ recoveryPhrase: s }),
  'two-factor and SMS codes': (s) => ({ twoFactorCode: s, smsCode: s, backup_phrase: s }),
  'a seed phrase in a sentence': (s) => `seed phrase: legal winner ${s} yellow`,
  YAML: (s) => `user: ann\npassword: correct horse ${s}\nrole: admin`,
  'YAML with spaces': (s) => `user:         ann\npassword:     ${s}`,
  'a block of YAML': (s) => `user: ann\npassword: |\n  first\n  ${s}\nrole: admin`,
  'an object of YAML': (s) => `user: ann\ncredentials:\n  user: ann\n  value: ${s}\nrole: admin`,
  'a settings file': (s) => `[db]\nuser = ann\npassword = correct horse ${s}\n`,
  TOML: (s) => `password = """${s}"""`,
  'a form of several parts': (s) =>
    `--x\r\nContent-Disposition: form-data; name="user"\r\n\r\nann\r\n--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n${s} and more\r\n--x--`,
  'a form': (s) => `user=ann&password=${s}&b=2`,
  'a form with an encoded key': (s) => `user=ann&p%61ssword=${s}`,
  'a form encoded twice': (s) => encodeURIComponent(`user=ann&p%61ssword=${s}`),
  'a nested form': (s) => `user[name]=ann&user[password]=${s}`,
  'a nested form that is encoded': (s) => `user%5Bname%5D=ann&user%5Bpassword%5D=${s}`,
  'a header of Basic authentication': (s) => `Authorization: Basic ${b64(`ann:${s}`)}`,
  'Basic authentication in a sentence': (s) => `sent Basic ${b64(`ann:${s}`)} twice`,
  'a header of an unknown scheme': (s) => `Authorization: Hawk id="ann", mac="${s}"`,
  'a header in a command': (s) => `curl -H 'Authorization: Custom ${s}' https://example.com`,
  'cookies in a header': (s) => `Host: a\r\nCookie: theme=dark; session=${s}; b=1\r\nAccept: */*`,
  'a cookie after one that is recognised': (s) =>
    `Cookie: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.abc; session=${s}`,
  'words after a card': (s) => `password: "4111 1111 1111 1111 ${s}"`,
  'a cookie that is set': (s) => `Set-Cookie: s=${s}; Path=/`,
  'a JSON Web Token behind a hyphen': (s) => `x_eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.${s}`,
  'base64 of JSON': (s) => b64(JSON.stringify({ user: 'ann', password: s })),
  'base64 of XML': (s) => b64(`<password>${s}</password>`),
  'a connection string': (s) => `Server=db;User Id=sa;Pwd=${s};Encrypt=true`,
  'a statement of SQL': (s) => `CREATE USER ann WITH PASSWORD '${s}'`,
  'a statement of SQL that makes a user': (s) => `CREATE USER ann IDENTIFIED BY '${s}'`,
  'a statement of SQL with a plugin': (s) => `ALTER USER ann IDENTIFIED WITH mysql_native_password BY "${s}"`,
  'a setting with no-break spaces': (s) => `password\u00a0=\u00a0${s}`,
  'a URL without a scheme': (s) => `clone //ann:${s}@example.com/a`,
  'a command of curl': (s) => `curl -s -u ann:${s} https://example.com`,
  'a command of curl in a list': (s) => `["curl","--user","ann:${s}"]`,
  'a command of curl with a backslash in the password': (s) => `curl -u 'ann:\\a\\${s}' https://example.com`,
  'a command of curl with a domain': (s) => `curl -u 'CORP\\ann:${s}' https://example.com`,
  'a variable of GraphQL': (s) => `query($user: String, $password: String! = "${s}")`,
  'a variable of TypeScript': (s) => `const password: string = '${s}';`,
  'keys in one word': (s) => ({ newpass: s, mypin: s, oldPass2: s }),
  'a key with an umlaut': (s) => [{ pässword: s }, { 'pa\u0308ssword': s }, `pässword=${s}`],
  'a quote that is doubled': (s) => `password='it''s ${s}'`,
  'a bracket in a password': (s) => `password=ab)c]${s} ok`,
  'a hash by bcrypt': (s) => `found $2b$10$${s}${s} in the table`,
  'a hash by Apache': (s) => `found ann:$apr1$abcdefgh$${s} in the file`,
  'tokens of Slack': (s) => `xapp-1-A01-02-${s} xoxc-1-${s} xoxd-%2B${s}%3D`,
  'tokens of GitLab': (s) => `glrt-${s} gldt-${s} glptt-${s}`,
  'secrets of Google and Stripe': (s) => `GOCSPX-${s} whsec_${s}`,
  'a hash by argon2': (s) => ({ hash: `$argon2id$v=19$m=65536$${s}` }),
};

/** What must be read as it came. */
const ORDINARY: Readonly<Record<string, unknown>> = {
  hashtag: '#summer',
  passenger: 'Ann Smith',
  compass: 'north',
  spawned: 'yes',
  hash: 'browns',
  contentHash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  usage: 'Usage: login <user> <password> [options]',
  xml: '<order><id>7</id><amount>12</amount></order>',
  html: '<a href="/invoices/7">Invoice 7</a>',
  identified: 'identified by the police',
  commented: '// see ann@example.com',
  container: 'docker run -u 1000:1000 web',
  typed: 'amount: Int = "7"',
  at: 1764338400000,
  crème: 'brûlée',
  scoped: 'https://registry.npmjs.org/@nestjs/core',
  port: 'http://localhost:3000/@vite/client',
  profile: 'https://social.example/@ann',
  clone: 'ssh://git@example.com/a.git and https://git@example.com/a.git',
  database: 'postgres://app@db.example.com/books',
  mail: 'mailto:ann@example.com',
  arguments: ['--page', '2', '--sort', 'asc'],
  command: 'npm run build -- --watch src',
  pairs: [
    { name: 'amount', value: 7 },
    { key: 'currency', value: 'EUR' },
  ],
  entries: [
    ['amount', '7'],
    ['currency', 'EUR'],
  ],
  yaml: 'user: ann\nrole: admin\nnote: |\n  two\n  lines',
  escaped: '{"name":"Zo\\u00eb","amount":7}',
  entities: 'Smith &amp; Sons, &quot;the best&quot;',
  percent: '100%25 sure',
  ruby: '{:amount=>7, :currency=>"EUR"}',
  form: 'amount=7&currency=EUR&note=ok',
  sentence: 'She said: "the keys are in the car", and left the keyboard there.',
  money: 'It costs $5 or $6 a day, $2b in all.',
  schemes: 'Basic subscription, token subscription, digest newsletter, to negotiate settlements.',
  quoted: "{'url':'postgres://db/books','mail':'ann@example.com'}",
  time: 'from 08:00 to 18:00, then 2026-11-26T16:59:40Z',
};

@Audit({ body: true })
@Controller('things')
class ThingsController {
  @Post() take(@Body() _body: unknown) {
    return {};
  }
}

describeOnSqlite('redaction misses no secret by the shape that it has', (create) => {
  let database: TestDatabase;
  let app: NestExpressApplication;
  let kept: string;
  let ordinary: Readonly<Record<string, unknown>>;
  const secretOf = new Map(
    Object.keys(SHAPES).map((shape) => [shape, `Zq7${randomBytes(9).toString('hex')}Kx`]),
  );
  // A digest is hexadecimal, and recognised by that.
  const digest = randomBytes(16).toString('hex');

  const halved = randomBytes(18).toString('hex');

  async function journal(): Promise<string> {
    const files = await readdir(database.journal);
    return (await Promise.all(files.map((file) => readFile(join(database.journal, file), 'latin1')))).join(
      '',
    );
  }

  beforeAll(async () => {
    database = await create();
    @Module({
      imports: [
        AuditModule.forRoot({
          database: database.options,
          delivery: { directory: database.journal },
        }),
      ],
      controllers: [ThingsController],
    })
    class RootModule {}
    app = await NestFactory.create<NestExpressApplication>(RootModule, { logger: false });
    await app.listen(0, '127.0.0.1');
    const audit = app.get(AuditService);
    const { port } = app.getHttpServer().address() as AddressInfo;
    const connection = await new DataSource(database.options).initialize();
    try {
      await narrowActions(connection, 'sqlite');
      const values = [
        ...[...secretOf].map(([shape, secret]) => SHAPES[shape]!(secret)),
        { hash: digest },
        `user=ann hash=${digest}`,
      ];
      const journals: string[] = [];
      for (const given of values) {
        await send(port, {
          method: 'POST',
          path: '/things',
          body: JSON.stringify({ given, deep: { list: [{ given }] } }),
        });
        await audit.record({ action: 'note.add', details: { given } });
        await audit.record({ action: POISON, details: { given } });
        journals.push(await journal());
      }
      // Its first half is what is kept of the path.
      await send(port, { path: `/${'a/'.repeat(1_005)}ghp_${halved}` });
      // What stands before it becomes short, so that the half of it that is looked at would be kept.
      const long = `Bearer ${'a'.repeat(9_500)} and ${'b '.repeat(356)}`;
      await audit.record({ action: 'note.add', details: { given: `${long}ghp_${halved}` }, userAgent: long });
      await send(port, { method: 'POST', path: '/things', body: JSON.stringify(ORDINARY) });
      await audit.flush();
      const tables = ['audit_events', 'audit_dead_letters'];
      const rows = await Promise.all(
        tables.map((table) => connection.query<object[]>(`SELECT * FROM ${table}`)),
      );
      const [events, letters] = rows.map((all) => all.length);
      expect(events).toBeGreaterThan(values.length * 2);
      expect(letters).toBeGreaterThanOrEqual(values.length);
      kept = [...journals, await journal(), JSON.stringify(rows)].join('\n');
      const found = await audit.find({ allTenants: true, action: 'thing.create', limit: 1 });
      ordinary = found.events[0]!.details;
    } finally {
      await connection.destroy();
    }
  }, 120_000);

  afterAll(async () => {
    await app?.close();
    await database?.drop();
  });

  it.each(Object.keys(SHAPES))('%s', (shape) => {
    const secret = secretOf.get(shape)!;
    expect(kept.includes(secret)).toBe(false);
    expect(kept.includes(b64(`ann:${secret}`).slice(8, 28))).toBe(false);
  });

  it.each([
    4111111111111111,
    [7, 4111111111111111],
    '4111\u00a01111\u202f1111 1111',
    'DE89-3704-0044-0532-0130-00',
    'DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000',
  ])('an account as %j', (account) => {
    const { given } = flattenFacts({ given: account }, () => false, {
      text: (text) => new Redactor().text(text),
    });
    expect(given).toEqual(Array.isArray(account) ? ['7', '[redacted]'] : '[redacted]');
  });

  it('a digest under the key hash', () => {
    expect(kept.includes(digest)).toBe(false);
  });

  it('a token where its text is cut', () => {
    expect(kept.includes(halved.slice(0, 8))).toBe(false);
  });

  it('and leaves alone what only looks like one', () => {
    const expected = Object.fromEntries(
      Object.entries(ORDINARY).map(([key, value]) => [`body.${key}`, value]),
    );
    const flat = { ...expected };
    for (const key of ['pairs', 'entries']) {
      delete flat[`body.${key}`];
      (ORDINARY[key] as readonly (readonly unknown[] | object)[]).forEach((item, index) => {
        if (Array.isArray(item)) flat[`body.${key}.${index}`] = item;
        else for (const [one, value] of Object.entries(item)) flat[`body.${key}.${index}.${one}`] = value;
      });
    }
    expect(ordinary).toEqual(flat);
  });
});
