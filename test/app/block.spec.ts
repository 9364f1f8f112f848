// Compliance rules that refuse: behind every guard and before the handler, whatever a client does about it.
import type { AuditModuleOptions } from 'nest-audit-trail';
import { policy } from 'nest-audit-trail/policy';
import { complianceRules } from 'nest-audit-trail/rules';
import { GuardsPassed } from '../../src/nest/audit.guard.js';
import { dial, send } from '../support/http-client.js';
import { eventually } from '../support/eventually.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { startPolicyApp } from '../support/policy-app.js';
import type { PolicyApp } from '../support/policy-app.js';
import { as } from '../support/user-header.js';

const LARGE = {
  id: 'large-payment',
  name: 'Large payments',
  category: 'compliance',
  severity: 'high',
  actions: ['block'],
  conditions: {
    all: [
      {
        field: 'metadata.handler',
        operator: 'equals',
        value: 'PaymentsController.pay',
      },
      {
        any: [
          {
            field: 'details.body.amount',
            operator: 'greater_than',
            value: 1_000,
          },
          {
            field: 'details.body.payee.country',
            operator: 'equals',
            value: 'XX',
          },
          {
            field: 'details.query.mode',
            operator: 'contains',
            value: 'forced',
          },
        ],
      },
      { field: 'metadata.roles', operator: 'not_contains', value: 'treasurer' },
    ],
  },
} as const;

const SILENT = {
  ...LARGE,
  id: 'no-health',
  name: 'No health',
  conditions: {
    field: 'metadata.path',
    operator: 'contains',
    value: '/health',
  },
} as const;

/** One condition for each operator, each for a field of its own. */
const PICKY = (
  [
    ['equals-number', 'limit', 'equals', 5],
    ['equals-flag', 'urgent', 'equals', true],
    ['equals-text', 'code', 'equals', '7'],
    ['in', 'kind', 'in', [1, 2]],
    ['not-equals', 'country', 'not_equals', 'CH'],
    ['item', 'items.country', 'equals', 'XX'],
    ['less', 'floor', 'less_than', 0],
    ['pattern', 'memo', 'matches', '(gift|bribe)s?$'],
    ['list', 'tags', 'contains', 7],
    ['part', 'mode', 'contains', 'forced'],
    ['digits', 'account', 'matches', '^99'],
    ['secret', 'payee.iban', 'in', ['DE89370400440532013000']],
  ] as const
).map(([id, field, operator, value]) => ({
  ...LARGE,
  id,
  conditions: {
    all: [
      { field: `details.body.${field}`, operator: 'not_in' as const, value: ['never'] },
      { field: `details.body.${field}`, operator, value },
      // Only where it was sent.
      { field: `details.body.with`, operator: 'equals' as const, value: id },
    ],
  },
}));

describeOnSqlite('a rule that blocks', (create) => {
  let database: TestDatabase;
  let app: PolicyApp;

  afterEach(async () => {
    await app?.close();
    await database.drop();
  });

  const blocking = complianceRules({ rules: [LARGE, SILENT] });

  async function start(more: AuditModuleOptions = {}): Promise<PolicyApp> {
    database = await create();
    app = await startPolicyApp({
      database: database.options,
      delivery: { directory: database.journal },
      features: [blocking],
      ...more,
    });
    return app;
  }

  const pay = (body: string, query = '', user: object = { id: 'ann', roles: ['clerk'] }) =>
    send(app.port, {
      method: 'POST',
      path: `/payments${query}`,
      body,
      headers: as(user),
    });

  it('refuses before the handler, and leaves an event', async () => {
    const { handled, events } = await start();
    const refused = await pay('{"amount":1001}');
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.body)).toEqual({
      statusCode: 403,
      code: 'AUDIT_BLOCKED',
      error: 'Forbidden',
      message: 'The request was refused by the compliance rule Large payments.',
      rule: 'large-payment',
    });
    expect(handled).toEqual([]);
    expect((await pay('{"amount":1000}')).status).toBe(201);
    expect((await pay('{"amount":1001}', '', { id: 'bob', roles: ['treasurer'] })).status).toBe(201);
    expect(handled).toEqual(['paid', 'paid']);
    const [blocked, ...others] = await events();
    expect(blocked).toMatchObject({
      userId: 'ann',
      action: 'payment.create',
      outcome: 'failure',
      category: 'authorization',
      complianceFlags: ['large-payment'],
      metadata: {
        statusCode: 403,
        stage: 'compliance',
        blockedBy: 'large-payment',
        errorName: 'ForbiddenException',
        roles: ['clerk'],
      },
    });
    expect(blocked!.details).toEqual({ approver: 'ann', 'body.amount': 1_001 });
    for (const { metadata, outcome } of others) {
      expect(outcome).toBe('success');
      expect(metadata).not.toHaveProperty('blockedBy');
    }
  });

  it('lets nothing hide from it', async () => {
    const { handled } = await start();
    const fill = (count: number) =>
      Array.from({ length: count }, (_, index) => `"k${index}":${index}`).join(',');
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    for (const [body, query] of [
      [`{${fill(2_000)},"amount":5000}`],
      [`{"deep":${deep},"amount":5000}`],
      ['{"payee.country":"DE","payee":{"country":"XX"}}'],
      ['{"payee":{"country":"XX"},"payee.country":"DE"}'],
      ['{"__proto__":{"amount":1},"amount":5000}'],
      ['{"amount":5000}', `?${fill(400).replace(/[":]/g, '').replace(/,/g, '&')}`],
      ['{}', `?mode=${'x'.repeat(3_000)}forced`],
      ['{}', '?mode=quiet&mode=forced'],
      ['{}', '?mode=quiet&mode=xforced'],
      ['{}', '?%6dode=forced'],
    ] as [string, string?][]) {
      expect([body.slice(0, 40), query?.slice(0, 20), (await pay(body, query)).status]).toEqual([
        body.slice(0, 40),
        query?.slice(0, 20),
        403,
      ]);
    }
    expect(handled).toEqual([]);
  });

  it('is not passed by another spelling', async () => {
    const { handled } = await start({ features: [complianceRules({ rules: [LARGE, ...PICKY] })] });
    for (const amount of [
      '5e3',
      '"5e3"',
      '" 5000"',
      '"+5000"',
      '"5000."',
      '"0x1388"',
      '["5000"]',
      '[[[5000]]]',
      '1e999',
      '"1e999"',
      '"Infinity"',
    ]) {
      expect([amount, (await pay(`{"amount":${amount}}`)).status]).toEqual([amount, 403]);
    }
    for (const [id, body] of [
      ['equals-number', '"limit":"5.0"'],
      ['equals-flag', '"urgent":"true"'],
      ['equals-text', '"code":7'],
      ['in', '"kind":["9"," 2"]'],
      ['not-equals', '"country":["CH","XX"]'],
      ['item', '"items":[{"country":"CH"},{"country":"XX"}]'],
      ['less', '"floor":"-1e-3"'],
      ['pattern', `"memo":"${'.'.repeat(9_990)}gifts"`],
      // Where there is too much text to look through, it is as if it were found.
      ['pattern', `"memo":"${'.'.repeat(10_001)}"`],
      ['pattern', `"memo":["${'.'.repeat(5_001)}","${'.'.repeat(5_000)}"]`],
      ['list', '"tags":["7"]'],
      ['list', '"tags":7'],
      ['equals-flag', '"urgent":" True"'],
      ['equals-flag', `"urgent":"${' '.repeat(20)}true"`],
      ['part', '"mode":["quiet","xforced"]'],
      ['digits', '"account":9912'],
      ['digits', '"account":[1,9912]'],
      ['secret', '"payee":{"iban":"DE89370400440532013000"}'],
    ]) {
      const { status, body: answer } = await pay(`{${body},"with":"${id}"}`);
      expect([body!.slice(0, 40), status]).toEqual([body!.slice(0, 40), 403]);
      expect(JSON.parse(answer)).toMatchObject({ rule: id });
    }
    expect(handled).toEqual([]);
    for (const [id, body] of [
      ['equals-number', '"limit":"5.1"'],
      ['equals-flag', '"urgent":"false"'],
      ['equals-text', '"code":"07"'],
      ['in', '"kind":["9","12"]'],
      ['not-equals', '"country":["CH","CH"]'],
      ['item', '"items":[{"country":"CH"}]'],
      ['less', '"floor":"0"'],
      ['pattern', `"memo":"${'.'.repeat(9_999)}"`],
      ['list', '"tags":["77"]'],
      ['part', '"mode":["force","d"]'],
      ['digits', '"account":1199'],
      ['secret', '"payee":{"iban":"DE02120300000000202051"}'],
    ]) {
      expect([body!.slice(0, 40), (await pay(`{${body},"with":"${id}"}`)).status]).toEqual([
        body!.slice(0, 40),
        201,
      ]);
    }
  });

  it('takes HEAD for the GET that it is answered as, and knows the id of the route', async () => {
    const { port, handled } = await start({
      features: [
        complianceRules({
          rules: [
            {
              ...LARGE,
              conditions: {
                all: [
                  { field: 'metadata.method', operator: 'equals', value: 'GET' },
                  { field: 'resourceId', operator: 'equals', value: 'P-7' },
                ],
              },
            },
          ],
        }),
      ],
    });
    const read = async (method: string, id: string) =>
      (await send(port, { method, path: `/payments/${id}` })).status;
    expect([await read('GET', 'P-7'), await read('HEAD', 'P-7'), await read('HEAD', 'P-8')]).toEqual([
      403, 403, 200,
    ]);
    expect(handled).toEqual(['P-8']);
  });

  it('knows the id of a route in each spelling', async () => {
    const conditions = { field: 'resourceId', operator: 'equals', value: '7' } as const;
    const { port, handled } = await start({
      features: [complianceRules({ rules: [{ ...LARGE, conditions }] })],
    });
    const read = async (id: string) => [id, (await send(port, { path: `/payments/${id}` })).status];
    for (const id of ['7', '07', '7.0', '%207']) expect(await read(id)).toEqual([id, 403]);
    expect(await read('17')).toEqual(['17', 200]);
    expect(handled).toEqual(['17']);
  });

  it.each(['guard', 'middleware'])(
    'refuses also where the client goes away while a %s waits',
    async (who) => {
      const taken: string[] = [];
      const { port, gate, handled, events } = await start({
        features: [
          complianceRules({
            rules: [{ ...LARGE, actions: ['block', 'alert'] }],
            handlers: { alert: ({ event }) => void taken.push(event.id) },
          }),
        ],
      });
      const socket = await dial(port);
      const body = '{"payee":{"country":"XX"}}';
      socket.write(
        `POST /payments HTTP/1.1\r\nHost: x\r\nx-user: {"id":"ann","tenantId":"acme"}\r\nx-wait: ${who}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      await gate.begun;
      socket.destroy();
      await eventually(async () => expect((await events()).length).toBeGreaterThan(0));
      gate.open();
      expect((await pay('{"amount":1}')).status).toBe(201);
      expect(handled).toEqual(['paid']);
      const stored = await events();
      const [left, ...more] = stored.filter(({ outcome }) => outcome !== 'success');
      expect(left).toMatchObject({ outcome: 'partial', complianceFlags: [] });
      expect(more).toEqual([
        expect.objectContaining({
          action: 'audit.amend',
          userId: 'ann',
          tenantId: 'acme',
          outcome: 'failure',
          complianceFlags: ['large-payment'],
          details: {
            eventId: left!.id,
            blockedBy: 'large-payment',
            statusCode: 403,
            aborted: true,
          },
        }),
      ]);
      await eventually(() => expect(taken).toEqual([more[0]!.id]));
    },
  );

  it('leaves an event where the client goes away from a request that was to leave none', async () => {
    const { port, gate, handled, events } = await start({
      features: [blocking, policy([{ level: 'none' }])],
    });
    const socket = await dial(port);
    const body = '{"payee":{"country":"XX"}}';
    socket.write(
      `POST /payments HTTP/1.1\r\nHost: x\r\nx-wait: guard\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await gate.begun;
    const gone = new Promise((resolve) => socket.once('close', resolve));
    socket.destroy();
    await gone;
    // Whatever the server hears after this, it heard that before.
    expect((await pay('{"amount":1}')).status).toBe(201);
    gate.open();
    const stored = await eventually(async () => {
      const all = await events();
      expect(all).toHaveLength(1);
      return all;
    });
    expect(stored).toMatchObject([
      {
        action: 'payment.create',
        outcome: 'partial',
        complianceFlags: ['large-payment'],
        metadata: { blockedBy: 'large-payment', aborted: true, stage: 'compliance' },
      },
    ]);
    expect(handled).toEqual(['paid']);
  });

  it('is above a policy that silences, but not above @NoAudit()', async () => {
    const { port, handled, events } = await start({
      features: [blocking, policy([{ level: 'none' }])],
    });
    expect((await pay('{"amount":1001,"note":"x"}')).status).toBe(403);
    expect((await pay('{"amount":1}')).status).toBe(201);
    expect((await send(port, { path: '/health' })).status).toBe(403);
    expect((await send(port, { path: '/health/silent' })).status).toBe(200);
    expect(handled).toEqual(['paid', 'silent']);
    const stored = await events();
    expect(stored.map(({ complianceFlags }) => complianceFlags)).toEqual([['large-payment'], ['no-health']]);
    // As little of it as the policy asks for.
    expect(stored[0]!.details).toEqual({ approver: 'ann' });
  });

  it.each([
    ['has no guard on handlers that nobody records or refuses', [policy([])], 0],
    ['has a guard on each handler, since rules that block may come at run time', [complianceRules()], 1],
  ])('%s', async (_what, features, calls) => {
    const asked = vi.spyOn(GuardsPassed.prototype, 'canActivate');
    try {
      const { port } = await start({ capture: { requests: 'annotated' }, features });
      expect((await send(port, { path: '/health' })).status).toBe(200);
      expect(asked).toHaveBeenCalledTimes(calls);
    } finally {
      asked.mockRestore();
    }
  });

  it('judges handlers that are not recorded', async () => {
    const { port, events } = await start({
      capture: { requests: 'annotated' },
    });
    expect((await send(port, { path: '/health' })).status).toBe(403);
    expect((await send(port, { path: '/answers/text' })).status).toBe(200);
    expect((await events()).map(({ metadata }) => metadata['blockedBy'])).toEqual(['no-health']);
  });
});
