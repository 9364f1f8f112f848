// The rule book through its door: what it takes and what it refuses, how it is changed, and what blocks.
import { AuditError } from '../../src/event/audit-error.js';
import { RULE_ACTIONS } from '../../src/features/rules/compliance-rule.js';
import type {
  ComplianceOptions,
  ComplianceRule,
  RuleConditions,
} from '../../src/features/rules/compliance-rule.js';
import { bookOf } from '../../src/features/rules/compliance-options.js';
import { FIELDS_BEFORE_HANDLER } from '../../src/features/rules/event-field.js';
import { COMPLIANCE_PACKS } from '../../src/features/rules/packs/all.js';
import { MAX_RULES } from '../../src/features/rules/rule-book.js';
import { eventOf, idsOf } from './event.js';

const deletes: RuleConditions = { field: 'action', operator: 'matches', value: '\\.delete$' };

const rule = (more: object = {}): ComplianceRule => ({
  id: 'no-delete',
  name: 'Nothing is deleted',
  category: 'compliance',
  severity: 'high',
  conditions: deletes,
  ...more,
});

const deletion = eventOf({ action: 'invoice.delete' });

function refusalOf(work: () => unknown): AuditError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(AuditError);
    return error as AuditError;
  }
  throw new Error('It was not refused.');
}

/** Wrong parts of a rule, the field that is named, and what the message must say. */
const WRONG: readonly (readonly [part: object, field: string, says: RegExp])[] = [
  [{ id: undefined }, 'id', /is missing: write/],
  [{ id: '' }, 'id', /is "": write/],
  [{ id: 'a b' }, 'id', /is "a b"/],
  [{ id: 'a,b' }, 'id', /letters, digits/],
  [{ id: 'x'.repeat(129) }, 'id', /128/],
  [{ id: 7 }, 'id', /is 7/],
  [{ name: ' ' }, 'name', /write a text/],
  [{ name: undefined }, 'name', /is missing/],
  [{ description: 7 }, 'description', /is 7/],
  [{ clause: '' }, 'clause', /write a text/],
  [{ category: 'data' }, 'category', /'data_access'/],
  [{ severity: 'urgent' }, 'severity', /'critical'/],
  [{ enabled: 'yes' }, 'enabled', /true or false/],
  [{ action: ['log'] }, 'action', /is no property: write id, name/],
  [{ actions: [] }, 'actions', /is an empty list: write/],
  [{ actions: 'log' }, 'actions', /is "log"/],
  [{ actions: ['log', 'mail'] }, 'actions[1]', /is "mail": write one of 'log', 'alert'/],
  [{ actions: ['log', 'log'] }, 'actions[1]', /a second time/],
  [{ actions: ['alert'] }, 'actions[0]', /no handler: write complianceRules\(\{ handlers: \{ alert:/],
  [{ actions: ['log', 'notify'] }, 'actions[1]', /no handler/],
  [{ actions: ['escalate'] }, 'actions[0]', /no handler/],
  [{ conditions: undefined }, 'conditions', /is missing: write \{ field, operator, value \}/],
  [{ conditions: [] }, 'conditions', /is an empty list/],
  [{ conditions: { all: [] } }, 'conditions.all', /at least one condition/],
  [{ conditions: { all: undefined } }, 'conditions.all', /is missing: write a list with at least one/],
  [{ conditions: { any: [{ any: undefined }] } }, 'conditions.any[0].any', /is missing/],
  [{ conditions: { any: deletes } }, 'conditions.any', /is an object: write a list/],
  [{ conditions: { all: [deletes], any: [deletes] } }, 'conditions.any', /is no property/],
  // oxlint-disable-next-line no-sparse-arrays
  [{ conditions: { all: [deletes, , deletes] } }, 'conditions.all[1]', /is missing/],
  [{ conditions: { all: [deletes, { any: [null] }] } }, 'conditions.all[1].any[0]', /is null/],
  [
    { conditions: { ...deletes, regex: true } },
    'conditions.regex',
    /write field, operator, value, ignoreCase/,
  ],
  [
    { conditions: { all: [{ ...deletes, field: 'actor' }] } },
    'conditions.all[0].field',
    /is "actor": write one of id, timestamp, tenantId/,
  ],
  [{ conditions: { ...deletes, field: 'details' } }, 'conditions.field', /details\.<key>/],
  [{ conditions: { ...deletes, field: 'details.' } }, 'conditions.field', /details\.<key>/],
  [{ conditions: { ...deletes, field: 'action.name' } }, 'conditions.field', /is "action.name"/],
  [{ conditions: { ...deletes, field: '__proto__' } }, 'conditions.field', /is "__proto__"/],
  [{ conditions: { ...deletes, field: 7 } }, 'conditions.field', /is 7/],
  [{ conditions: { ...deletes, operator: '==' } }, 'conditions.operator', /is "==": write one of 'equals'/],
  [{ conditions: { ...deletes, ignoreCase: 1 } }, 'conditions.ignoreCase', /true or false/],
  [
    { conditions: { field: 'riskScore', operator: 'equals', value: 7, ignoreCase: true } },
    'conditions.ignoreCase',
    /no meaning/,
  ],
  [
    { conditions: { field: 'details.n', operator: 'less_than', value: '7', ignoreCase: true } },
    'conditions.ignoreCase',
    /no meaning/,
  ],
  [{ conditions: { field: 'action', operator: 'equals', value: ['a'] } }, 'conditions.value', /operator in/],
  [
    { conditions: { field: 'action', operator: 'not_equals', value: ['a'] } },
    'conditions.value',
    /operator not_in/,
  ],
  [{ conditions: { field: 'action', operator: 'equals', value: null } }, 'conditions.value', /is null/],
  [{ conditions: { field: 'action', operator: 'equals' } }, 'conditions.value', /is missing/],
  [{ conditions: { field: 'riskScore', operator: 'equals', value: NaN } }, 'conditions.value', /is NaN/],
  [{ conditions: { field: 'action', operator: 'contains', value: '' } }, 'conditions.value', /not empty/],
  [{ conditions: { field: 'action', operator: 'not_contains', value: true } }, 'conditions.value', /is true/],
  [
    { conditions: { field: 'riskScore', operator: 'greater_than', value: 'high' } },
    'conditions.value',
    /a number/,
  ],
  [{ conditions: { field: 'riskScore', operator: 'less_than', value: [1] } }, 'conditions.value', /a number/],
  [
    { conditions: { field: 'action', operator: 'in', value: 'a' } },
    'conditions.value',
    /a list with at least one/,
  ],
  [{ conditions: { field: 'action', operator: 'in', value: [] } }, 'conditions.value', /is an empty list/],
  [{ conditions: { field: 'action', operator: 'not_in', value: ['a', {}] } }, 'conditions.value', /a list/],
  [
    { conditions: { field: 'action', operator: 'in', value: Array.from({ length: 1_001 }, String) } },
    'conditions.value',
    /at most 1000/,
  ],
  [
    { conditions: { field: 'action', operator: 'matches', value: 7 } },
    'conditions.value',
    /regular expression/,
  ],
  [
    { conditions: { field: 'action', operator: 'matches', value: '(a)\\1' } },
    'conditions.value',
    /no backreferences/,
  ],
  [
    { conditions: { field: 'action', operator: 'matches', value: 'a(?=b)' } },
    'conditions.value',
    /no lookaround/,
  ],
  [{ conditions: { field: 'action', operator: 'matches', value: '(?<!a)b' } }, 'conditions.value', /RE2/],
  [{ conditions: { field: 'action', operator: 'matches', value: '(a' } }, 'conditions.value', /RE2/],
  [
    { conditions: { field: 'action', operator: 'matches', value: 'a'.repeat(501) } },
    'conditions.value',
    /501 characters/,
  ],
  [
    { conditions: { field: 'action', operator: 'matches', value: '((a{30}){30}){30}' } },
    'conditions.value',
    /RE2/,
  ],
  [
    { conditions: { field: 'action', operator: 'matches', value: '[ab]{900}[cd]{900}[ef]{900}' } },
    'conditions.value',
    /instructions/,
  ],
  [
    { conditions: { field: 'severity', operator: 'equals', value: 'HIGH' } },
    'conditions.value',
    /severity never is: write one of 'low'/,
  ],
  [
    { conditions: { field: 'outcome', operator: 'in', value: ['failure', 'failed'] } },
    'conditions.value',
    /is "failed"/,
  ],
  [
    { conditions: { field: 'category', operator: 'not_equals', value: 'data' } },
    'conditions.value',
    /'data_access'/,
  ],
  [{ conditions: nested(9) }, `conditions${'.all[0]'.repeat(9)}`, /nested too deep/],
  [{ conditions: { any: Array.from({ length: 257 }, () => deletes) } }, 'conditions.any[256]', /at most 256/],
];

function nested(levels: number): RuleConditions {
  return levels === 0 ? deletes : { all: [nested(levels - 1)] };
}

describe('a wrong rule', () => {
  it.each(WRONG)('%j is refused, naming %s', (part, field, says) => {
    const wrong = rule(part);
    const atStart = refusalOf(() => bookOf({ rules: [rule({ id: 'first' }), wrong] }));
    expect([atStart.code, atStart.field]).toEqual([
      'AUDIT_INVALID_OPTIONS',
      `complianceRules.rules[1].${field}`,
    ]);
    expect(atStart.message).toMatch(says);
    expect(atStart.message).toContain('complianceRules.rules[1]');

    const book = bookOf({ rules: [rule({ id: 'first' })] });
    const before = [...book.rules];
    const atCall = refusalOf(() => book.set(wrong));
    expect([atCall.code, atCall.field]).toEqual(['AUDIT_INVALID_RULE', field]);
    expect(atCall.message).toMatch(says);
    if (!('id' in part)) {
      for (const { message } of [atStart, atCall]) expect(message).toContain('"no-delete"');
    }
    expect(book.rules).toEqual(before);
    expect(idsOf(book, deletion)).toEqual(['first']);
  });

  it.each([null, undefined, 'rule', [], 7])('%j is no rule', (wrong) => {
    const atStart = refusalOf(() => bookOf({ rules: [wrong as unknown as ComplianceRule] }));
    expect([atStart.code, atStart.field]).toEqual(['AUDIT_INVALID_OPTIONS', 'complianceRules.rules[0]']);
    const atCall = refusalOf(() => bookOf().set(wrong));
    expect([atCall.code, atCall.field]).toEqual(['AUDIT_INVALID_RULE', undefined]);
  });

  it('is one that contains itself', () => {
    const all: RuleConditions[] = [];
    const endless = { all };
    all.push(endless, endless);
    expect(refusalOf(() => bookOf().set(rule({ conditions: endless }))).message).toMatch(/too deep/);
  });

  it('is one of too many conditions, before any of them is looked at', () => {
    const pattern = { field: 'action', operator: 'matches', value: 'a'.repeat(100_000) };
    const looked: string[] = [];
    const watched = (index: number) => ({
      ...pattern,
      get field() {
        looked.push(`condition ${index}`);
        return 'action';
      },
    });
    const conditions = { any: Array.from({ length: 257 }, (_, index) => watched(index)) } as never;
    expect(refusalOf(() => bookOf().set(rule({ conditions }))).message).toMatch(/at most 256/);
    expect(looked).toEqual([]);
  });

  it('is kept as it was checked, also where it is an object of a class', () => {
    class Declared {
      readonly name = 'Declared';
      readonly category = 'compliance';
      readonly severity = 'high';
      get id() {
        return 'declared';
      }
      get conditions() {
        return deletes;
      }
      toJSON() {
        return { ...this, conditions: { ...deletes, field: 'actor' } };
      }
    }
    const [kept] = bookOf().set(new Declared() as never).rules;
    expect(kept).toMatchObject({ id: 'declared', name: 'Declared', conditions: deletes });
  });

  it('can be as large as the bounds', () => {
    const largest = { any: [nested(7), ...Array.from({ length: 255 }, () => deletes)] };
    expect(bookOf().set(rule({ conditions: largest })).rules[0]!.conditions).toEqual(largest);
  });
});

describe('wrong options', () => {
  it.each<readonly [object, string, RegExp]>([
    [[], 'complianceRules', /is an empty list/],
    [
      { pack: ['sox'] },
      'complianceRules.pack',
      /There is no .* here are packs, rules, disabled, enabled, handlers/,
    ],
    [{ packs: 'sox' }, 'complianceRules.packs', /write a list/],
    [{ packs: ['sox', 'sarbanes'] }, 'complianceRules.packs[1]', /is "sarbanes": write 'sox' or 'gdpr' or/],
    [{ packs: ['sox', 'sox'] }, 'complianceRules.packs[1]', /a second time/],
    [{ rules: {} }, 'complianceRules.rules', /write a list/],
    [{ rules: [rule(), rule()] }, 'complianceRules.rules[1].id', /id of a rule before it/],
    [
      { packs: ['sox'], rules: [rule({ id: 'sox.302-approval' })] },
      'complianceRules.rules[0].id',
      /before it/,
    ],
    [
      { rules: [rule()], disabled: ['no-deletes'] },
      'complianceRules.disabled[0]',
      /is "no-deletes".*one of no-delete/,
    ],
    [{ disabled: ['x'] }, 'complianceRules.disabled[0]', /no rules/],
    [{ rules: [rule()], enabled: [7] }, 'complianceRules.enabled[0]', /is 7/],
    [
      { rules: [rule()], disabled: ['no-delete'], enabled: ['no-delete'] },
      'complianceRules.enabled[0]',
      /disabled as well/,
    ],
    [{ rules: [rule()], disabled: 'no-delete' }, 'complianceRules.disabled', /write a list/],
    [{ handlers: { page: () => undefined } }, 'complianceRules.handlers.page', /alert, notify, escalate/],
    [{ handlers: { alert: 'mail' } }, 'complianceRules.handlers.alert', /a function/],
    [{ handlers: [] }, 'complianceRules.handlers', /empty list/],
    [
      { rules: [rule({ enabled: false, actions: ['alert'] })], enabled: ['no-delete'] },
      'complianceRules.rules[0].actions[0]',
      /no handler/,
    ],
    [
      { rules: Array.from({ length: MAX_RULES + 1 }, (_, n) => rule({ id: `r-${n}` })) },
      'complianceRules.rules',
      /1001 rules/,
    ],
  ])('%j', (options, field, says) => {
    const error = refusalOf(() => bookOf(options as ComplianceOptions));
    expect([error.code, error.field]).toEqual(['AUDIT_INVALID_OPTIONS', field]);
    expect(error.message).toMatch(says);
  });
});

describe('a rule book', () => {
  it('without rules matches nothing', () => {
    const book = bookOf();
    expect(book.rules).toEqual([]);
    expect(idsOf(book, deletion)).toEqual([]);
    expect(book.canBlock).toBe(false);
    expect(book.blocking(deletion)).toBeUndefined();
  });

  it('has the rules of packs first, and fills in what they leave out', () => {
    const book = bookOf({ packs: ['pci-dss', 'sox'], rules: [rule()], disabled: ['sox.302-approval'] });
    expect(book.rules.map(({ id }) => id)).toEqual(
      [...COMPLIANCE_PACKS['pci-dss'], ...COMPLIANCE_PACKS.sox, rule()].map(({ id }) => id),
    );
    expect(book.rules.at(-1)).toEqual({ ...rule(), actions: ['log'], enabled: true });
    expect(book.rules.filter(({ enabled }) => !enabled).map(({ id }) => id)).toEqual(['sox.302-approval']);
  });

  it('answers the ids of enabled rules that hold, in their order', () => {
    const book = bookOf({
      rules: [
        rule({ id: 'z' }),
        rule({ id: 'off', enabled: false }),
        rule({ id: 'on', enabled: false }),
        rule({ id: 'other', conditions: { field: 'action', operator: 'equals', value: 'x' } }),
        rule({ id: 'a' }),
      ],
      enabled: ['on'],
    });
    expect(idsOf(book, deletion)).toEqual(['z', 'on', 'a']);
    expect(book.matching(deletion).map(({ id }) => id)).toEqual(['z', 'on', 'a']);
  });

  it('does not change with what it was made of', () => {
    const conditions = { any: [{ field: 'action', operator: 'in', value: ['invoice.delete'] }] };
    const given = rule({ conditions, actions: ['log'] });
    const made = bookOf({ rules: [given] });
    conditions.any[0]!.value.push('invoice.read');
    conditions.any.push({ field: 'action', operator: 'in', value: ['invoice.list'] });
    Object.assign(given, { enabled: false });
    const book = made.enable('no-delete', true);
    expect(idsOf(book, deletion)).toEqual(['no-delete']);
    expect(idsOf(book, eventOf({ action: 'invoice.read' }))).toEqual([]);
    expect(idsOf(book, eventOf({ action: 'invoice.list' }))).toEqual([]);
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(book.rules[0])).toBe(true);
  });

  it('does not change the event', () => {
    const event = eventOf({}, { 'a.b': ['x'] });
    const before = structuredClone(event);
    bookOf({ packs: ['sox', 'gdpr', 'hipaa', 'pci-dss', 'iso-27001'] }).matching(event);
    expect(event).toEqual(before);
  });

  it('takes a rule in the place of the one with its id, or behind all', () => {
    const before = bookOf({ rules: [rule({ id: 'a' }), rule({ id: 'b' })] });
    const longer = before.set(rule({ id: 'c' }));
    expect(longer.rules.at(-1)).toEqual({ ...rule({ id: 'c' }), actions: ['log'], enabled: true });
    const book = longer.set(
      rule({ id: 'a', conditions: { field: 'action', operator: 'equals', value: 'x.y' } }),
    );
    expect(idsOf(before, deletion)).toEqual(['a', 'b']);
    expect(book.rules.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(idsOf(book, deletion)).toEqual(['b', 'c']);
    expect(idsOf(book, eventOf({ action: 'x.y' }))).toEqual(['a']);
  });

  it('removes a rule', () => {
    const book = bookOf({ rules: [rule({ id: 'a' }), rule({ id: 'b' })] });
    const less = book.remove('a');
    expect(less.remove('a')).toBe(less);
    expect(idsOf(less, deletion)).toEqual(['b']);
    expect(idsOf(book, deletion)).toEqual(['a', 'b']);
  });

  it('turns a rule on and off', () => {
    const book = bookOf({ rules: [rule(), rule({ id: 'told', actions: ['alert'], enabled: false })] });
    const off = book.enable('no-delete', false);
    expect(off.rules[0]).toMatchObject({ id: 'no-delete', enabled: false });
    expect(idsOf(off, deletion)).toEqual([]);
    const on = off.enable('no-delete', true);
    expect(on.rules[0]).toMatchObject({ enabled: true });
    expect(idsOf(on, deletion)).toEqual(['no-delete']);

    const unknown = refusalOf(() => book.enable('nothing', true));
    expect(unknown.code).toBe('AUDIT_INVALID_RULE');
    expect(unknown.message).toContain('one of no-delete, told');
    const unhandled = refusalOf(() => book.enable('told', true));
    expect([unhandled.code, unhandled.field]).toEqual(['AUDIT_INVALID_RULE', 'actions[0]']);
    expect(book.rules.map(({ enabled }) => enabled)).toEqual([true, false]);
  });

  it('takes actions that have their handler', () => {
    const handlers = { alert: () => undefined, notify: () => undefined, escalate: () => undefined };
    const book = bookOf({
      handlers,
      rules: [rule({ actions: ['alert', 'notify', 'escalate', 'log'] })],
    });
    expect(idsOf(book, deletion)).toEqual(['no-delete']);
    expect(book.canBlock).toBe(false);
  });

  it('has a bound', () => {
    const book = bookOf({ rules: Array.from({ length: MAX_RULES }, (_, n) => rule({ id: `r-${n}` })) });
    expect(refusalOf(() => book.set(rule())).message).toContain('1000 rules');
    // One that is there can be changed.
    expect(book.set(rule({ id: 'r-7', enabled: false })).rules[7]!.enabled).toBe(false);
    expect(book.remove('r-0').set(rule()).rules.at(-1)!.id).toBe('no-delete');
  });
});

describe('blocking', () => {
  const blocks = (more: object = {}) => rule({ actions: ['log', 'block'], ...more });

  it('is done by the first enabled rule that says so and holds', () => {
    const book = bookOf({
      rules: [
        rule({ id: 'flags' }),
        blocks({ id: 'off', enabled: false }),
        blocks({ id: 'other', conditions: { field: 'userId', operator: 'equals', value: 'u-1' } }),
        blocks({ id: 'first' }),
        blocks({ id: 'second' }),
      ],
    });
    expect(book.canBlock).toBe(true);
    expect(book.blocking(deletion)?.id).toBe('first');
    expect(book.blocking({ ...deletion, userId: 'u-1' })?.id).toBe('other');
    expect(book.blocking(eventOf())).toBeUndefined();
    const off = ['first', 'other', 'second'].reduce((left, id) => left.enable(id, false), book);
    expect(off.canBlock).toBe(false);
    expect(off.blocking(deletion)).toBeUndefined();
  });

  it.each(FIELDS_BEFORE_HANDLER)('may look at %s', (field) => {
    const book = bookOf().set(
      blocks({ conditions: { field: field.replace('*', 'amount.net'), operator: 'not_in', value: ['x'] } }),
    );
    expect(book.blocking(eventOf())?.id).toBe('no-delete');
  });

  it.each([
    'id',
    'severity',
    'category',
    'outcome',
    'riskScore',
    'complianceFlags',
    'details.amount',
    'details.body',
    'details.body.',
    'details.bodyguard.name',
    'details.response.id',
    'metadata.statusCode',
    'metadata.durationMs',
    'metadata.errorName',
    'metadata.rolesOf',
    'metadata.source',
  ])('may not look at %s', (field) => {
    const value =
      field === 'severity' ? 'low' : field === 'category' ? 'system' : field === 'outcome' ? 'partial' : 'x';
    const conditions = { any: [deletes, { all: [{ field, operator: 'not_in', value: [value] }] }] };
    // Also one that is off: it could be turned on by nobody.
    const error = refusalOf(() => bookOf({ rules: [blocks({ conditions, enabled: false })] }));
    expect([error.code, error.field]).toEqual([
      'AUDIT_INVALID_OPTIONS',
      'complianceRules.rules[0].conditions.any[1].all[0].field',
    ]);
    expect(error.message).toMatch(
      /"no-delete".*not known yet when a request is blocked: write one of tenantId/,
    );
    expect(refusalOf(() => bookOf().set(blocks({ conditions }))).code).toBe('AUDIT_INVALID_RULE');
    expect(bookOf({ rules: [rule({ conditions })] }).rules).toHaveLength(1);
  });

  it('asks for what it reads of a body and a query, and for nothing else', () => {
    const reads = (id: string, ...fields: string[]) =>
      blocks({
        id,
        conditions: { any: fields.map((field) => ({ all: [{ field, operator: 'equals', value: 'x' }] })) },
      });
    const book = bookOf({
      rules: [
        rule({ id: 'flags', conditions: { field: 'details.body.note', operator: 'equals', value: 'x' } }),
        { ...reads('off', 'details.body.off'), enabled: false },
        reads('one', 'details.body.a.b', 'userId', 'details.query.c'),
        reads('two', 'details.query.c', 'details.body.d'),
      ],
    });
    expect(book.sent.keys).toEqual(['body.a.b', 'query.c', 'body.d']);
    expect(book.enable('one', false).sent.keys).toEqual(['query.c', 'body.d']);
  });

  it('takes a text for what it spells, and an event as it is', () => {
    const conditions = { field: 'details.body.n', operator: 'equals', value: 5 };
    const book = bookOf({ rules: [blocks({ conditions })] });
    const spelled = eventOf({}, { 'body.n': '5' });
    expect(book.blocking(spelled)?.id).toBe('no-delete');
    expect(idsOf(book, spelled)).toEqual([]);
  });

  it('looks with small patterns into what was sent, and with others elsewhere', () => {
    const matches = (field: string) => ({ field, operator: 'matches', value: '(a[ab]{150}c|b[ab]{150}d)' });
    const error = refusalOf(() => bookOf().set(blocks({ conditions: matches('details.query.q') })));
    expect([error.code, error.field]).toEqual(['AUDIT_INVALID_RULE', 'conditions.value']);
    expect(error.message).toMatch(/instructions, more than the 200/);
    expect(bookOf().set(blocks({ conditions: matches('metadata.path') })).canBlock).toBe(true);
    expect(bookOf().set(rule({ conditions: matches('details.query.q') })).rules[0]!.id).toBe('no-delete');
  });

  it('is the only action besides log that no handler does', () => {
    for (const action of RULE_ACTIONS) {
      const book = () => bookOf({ rules: [rule({ actions: [action] })] });
      if (action === 'log' || action === 'block') expect(book().canBlock).toBe(action === 'block');
      else expect(book).toThrow('no handler');
    }
  });
});
