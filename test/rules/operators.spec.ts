// Every operator on every type of field: what holds, and that nothing else does.
import fc from 'fast-check';
import type { AuditFacts, AuditLogEvent } from '../../src/event/audit-log-event.js';
import { RULE_OPERATORS } from '../../src/features/rules/compliance-rule.js';
import type { RuleCondition, RuleConditions } from '../../src/features/rules/compliance-rule.js';
import { compareDecimals, decimalOf } from '../../src/features/rules/decimal.js';
import { bookOf } from '../../src/features/rules/compliance-options.js';
import { eventOf, idsOf } from './event.js';

function holds(conditions: RuleConditions, event: AuditLogEvent): boolean {
  const book = bookOf({
    rules: [{ id: 'tried', name: 'Tried', category: 'compliance', severity: 'low', conditions }],
  });
  return book.matching(event).length === 1;
}

/** A value of each type that a fact can have; `absent` has none. */
const FACTS = {
  text: 'Zürich',
  digits: '7',
  number: 7,
  yes: true,
  texts: ['Zürich', '7'],
  numbers: [7, 12],
  decimal: '9007199254740993.50',
} as const;

type Fact = keyof typeof FACTS | 'absent';
const NAMES: readonly Fact[] = [...(Object.keys(FACTS) as Fact[]), 'absent'];

const event = eventOf({}, FACTS as unknown as AuditFacts);

/** A condition without its field, and the facts for which it holds. It must not hold for any other. */
type Row = readonly [condition: Omit<RuleCondition, 'field'>, ...holds: readonly Fact[]];

const POSITIVE: readonly Row[] = [
  [{ operator: 'equals', value: 'Zürich' }, 'text', 'texts'],
  [{ operator: 'equals', value: 'zürich' }],
  [{ operator: 'equals', value: 'ZÜRICH', ignoreCase: true }, 'text', 'texts'],
  [{ operator: 'equals', value: 'Züric' }],
  [{ operator: 'equals', value: '7' }, 'digits', 'texts'],
  [{ operator: 'equals', value: '7', ignoreCase: true }, 'digits', 'texts'],
  [{ operator: 'equals', value: 7 }, 'number', 'numbers'],
  [{ operator: 'equals', value: 1 }],
  [{ operator: 'equals', value: true }, 'yes'],
  [{ operator: 'equals', value: false }],
  [{ operator: 'equals', value: 'true' }],
  [{ operator: 'equals', value: '' }],
  [{ operator: 'contains', value: 'üri' }, 'text'],
  [{ operator: 'contains', value: 'ÜRI' }],
  [{ operator: 'contains', value: 'ÜRI', ignoreCase: true }, 'text'],
  [{ operator: 'contains', value: 'Zürich' }, 'text', 'texts'],
  [{ operator: 'contains', value: 'ZÜRICH', ignoreCase: true }, 'text', 'texts'],
  [{ operator: 'contains', value: '7' }, 'digits', 'texts', 'decimal'],
  [{ operator: 'contains', value: 7 }, 'numbers'],
  [{ operator: 'contains', value: 1 }],
  [{ operator: 'in', value: ['Bern', 'Zürich', true] }, 'text', 'texts', 'yes'],
  [{ operator: 'in', value: ['ZÜRICH'] }],
  [{ operator: 'in', value: ['ZÜRICH', 12], ignoreCase: true }, 'text', 'texts', 'numbers'],
  [{ operator: 'in', value: [7, 8] }, 'number', 'numbers'],
  [{ operator: 'in', value: ['7'] }, 'digits', 'texts'],
  [{ operator: 'in', value: [false] }],
];

const OTHERS: readonly Row[] = [
  [{ operator: 'greater_than', value: 6 }, 'digits', 'number', 'texts', 'numbers', 'decimal'],
  [{ operator: 'greater_than', value: '6' }, 'digits', 'number', 'texts', 'numbers', 'decimal'],
  [{ operator: 'greater_than', value: 7 }, 'numbers', 'decimal'],
  [{ operator: 'greater_than', value: 12 }, 'decimal'],
  [{ operator: 'greater_than', value: '9007199254740993.49' }, 'decimal'],
  [{ operator: 'greater_than', value: '9007199254740993.50' }],
  [{ operator: 'greater_than', value: -1 }, 'digits', 'number', 'texts', 'numbers', 'decimal'],
  [{ operator: 'less_than', value: 8 }, 'digits', 'number', 'texts', 'numbers'],
  [{ operator: 'less_than', value: 7 }],
  [{ operator: 'less_than', value: '7.0000000000000000000001' }, 'digits', 'number', 'texts', 'numbers'],
  [{ operator: 'less_than', value: '9007199254740993.5' }, 'digits', 'number', 'texts', 'numbers'],
  [
    { operator: 'less_than', value: '9007199254740993.51' },
    'digits',
    'number',
    'texts',
    'numbers',
    'decimal',
  ],
  [{ operator: 'less_than', value: 9007199254740992 }, 'digits', 'number', 'texts', 'numbers'],
  [{ operator: 'matches', value: '^Z.+h$' }, 'text', 'texts'],
  [{ operator: 'matches', value: 'ric' }, 'text', 'texts'],
  [{ operator: 'matches', value: 'RIC' }],
  [{ operator: 'matches', value: 'ZÜR', ignoreCase: true }, 'text', 'texts'],
  [{ operator: 'matches', value: '^7$' }, 'digits', 'texts'],
  [{ operator: 'matches', value: '\\.50$' }, 'decimal'],
  [{ operator: 'matches', value: 'true' }],
];

const NEGATIONS = { equals: 'not_equals', contains: 'not_contains', in: 'not_in' } as const;

const NEGATIVE: readonly Row[] = POSITIVE.map(([condition, ...held]) => [
  { ...condition, operator: NEGATIONS[condition.operator as keyof typeof NEGATIONS] },
  ...NAMES.filter((name) => !held.includes(name)),
]);

const TABLE = [...POSITIVE, ...NEGATIVE, ...OTHERS];

describe('operators', () => {
  it('are all tried', () => {
    expect([...new Set(TABLE.map(([{ operator }]) => operator))].sort()).toEqual([...RULE_OPERATORS].sort());
  });

  it.each(TABLE.map(([condition, ...held]) => [condition, held] as const))(
    '%j holds for %j',
    (condition, held) => {
      const found = NAMES.filter((name) => holds({ ...condition, field: `details.${name}` }, event));
      expect(found).toEqual(NAMES.filter((name) => held.includes(name)));
    },
  );

  it.each(NEGATIVE.map(([condition]) => [condition]))(
    '%j holds where there is no such field',
    (condition) => {
      expect(holds({ ...condition, field: 'userId' }, eventOf())).toBe(true);
    },
  );
});

describe('fields', () => {
  const all = eventOf(
    {
      userId: 'u-1',
      resourceId: 'INV-7',
      ipAddress: '10.0.0.7',
      userAgent: 'curl/8',
      sessionId: 's-1',
      complianceFlags: ['one', 'two'],
    },
    { 'changes.amount.before': 120, ...(JSON.parse('{"__proto__":"own"}') as AuditFacts) },
    { statusCode: 403, roles: ['admin', 'clerk'] },
  );

  it.each([
    ['id', all.id],
    ['timestamp', all.timestamp],
    ['tenantId', 'acme'],
    ['userId', 'u-1'],
    ['action', 'invoice.read'],
    ['resource', 'invoice'],
    ['resourceId', 'INV-7'],
    ['ipAddress', '10.0.0.7'],
    ['userAgent', 'curl/8'],
    ['sessionId', 's-1'],
    ['severity', 'low'],
    ['category', 'data_access'],
    ['outcome', 'success'],
    ['riskScore', 5],
    ['complianceFlags', 'two'],
    ['details.changes.amount.before', 120],
    ['details.__proto__', 'own'],
    ['metadata.statusCode', 403],
    ['metadata.roles', 'clerk'],
  ])('%s is read', (field, value) => {
    expect(holds({ field, operator: 'equals', value }, all)).toBe(true);
    expect(holds({ field, operator: 'not_equals', value }, all)).toBe(false);
  });

  it.each([
    'details.changes',
    'details.changes.amount',
    'details.amount.before',
    'details.constructor',
    'details.toString',
    'metadata.__proto__',
    'metadata.hasOwnProperty',
    'metadata.statuscode',
  ])('%s is none', (field) => {
    expect(holds({ field, operator: 'matches', value: '.' }, all)).toBe(false);
    expect(holds({ field, operator: 'not_in', value: ['x'] }, all)).toBe(true);
  });

  it('that are inherited are none', () => {
    const heir = { ...eventOf(), details: Object.create({ name: 'x' }) as AuditFacts };
    expect(holds({ field: 'details.name', operator: 'equals', value: 'x' }, heir)).toBe(false);
  });

  it('that two rules read are the same to both, and each event is read anew', () => {
    const rule = (id: string, conditions: RuleConditions) =>
      ({ id, name: id, category: 'compliance', severity: 'low', conditions }) as const;
    const book = bookOf({
      rules: [
        rule('is', { field: 'action', operator: 'equals', value: 'a.b' }),
        rule('folded', { field: 'action', operator: 'equals', value: 'A.B', ignoreCase: true }),
        rule('found', { field: 'action', operator: 'matches', value: 'b$' }),
        rule('found too', { field: 'action', operator: 'matches', value: '^A', ignoreCase: true }),
      ].map((one) => ({ ...one, id: one.id.replace(' ', '-') })),
    });
    const matched = (action: string) => idsOf(book, eventOf({ action }));
    expect(matched('a.b')).toEqual(['is', 'folded', 'found', 'found-too']);
    expect(matched('A.b')).toEqual(['folded', 'found', 'found-too']);
    expect(matched('c')).toEqual([]);
    expect(matched('a.b')).toEqual(['is', 'folded', 'found', 'found-too']);
  });
});

describe('groups', () => {
  const yes = { field: 'action', operator: 'equals', value: 'invoice.read' } as const;
  const no = { field: 'action', operator: 'equals', value: 'other' } as const;

  it.each<readonly [RuleConditions, boolean]>([
    [{ all: [yes, yes] }, true],
    [{ all: [yes, no] }, false],
    [{ all: [no, yes] }, false],
    [{ all: [yes] }, true],
    [{ any: [no, yes] }, true],
    [{ any: [yes, no] }, true],
    [{ any: [no, no] }, false],
    [{ any: [no] }, false],
    [{ all: [yes, { any: [no, { all: [yes, yes] }] }] }, true],
    [{ all: [yes, { any: [no, { all: [yes, no] }] }] }, false],
    [{ any: [no, { all: [yes, { any: [no, no] }] }] }, false],
  ])('%j is %s', (conditions, expected) => {
    expect(holds(conditions, eventOf())).toBe(expected);
  });
});

describe('Unicode', () => {
  const composed = 'Zo\u00eb';
  const decomposed = 'Zoe\u0308';

  it.each([
    [composed, decomposed],
    [decomposed, composed],
  ])('does not care how letters were typed: %j, %j', (stored, written) => {
    const typed = eventOf({}, { name: stored, names: ['x', stored] });
    for (const field of ['details.name', 'details.names']) {
      expect(holds({ field, operator: 'equals', value: written }, typed)).toBe(true);
      expect(holds({ field, operator: 'not_equals', value: written }, typed)).toBe(false);
      expect(holds({ field, operator: 'contains', value: written }, typed)).toBe(true);
      expect(holds({ field, operator: 'in', value: [written] }, typed)).toBe(true);
      expect(holds({ field, operator: 'matches', value: `^${written}$` }, typed)).toBe(true);
      expect(
        holds({ field, operator: 'equals', value: written.toUpperCase(), ignoreCase: true }, typed),
      ).toBe(true);
      expect(
        holds({ field, operator: 'matches', value: `^${written.toUpperCase()}$`, ignoreCase: true }, typed),
      ).toBe(true);
    }
  });

  it('takes no longer over a letter with thousands of marks', () => {
    // Sorted, they would be as many as no process has time for.
    const marks = 'a' + '\u0301'.repeat(500_000) + '\u0323'.repeat(500_000);
    const marked = eventOf({}, { name: `${composed} ${marks} ${decomposed}` });
    for (const ignoreCase of [false, true]) {
      const condition = { field: 'details.name', operator: 'contains', ignoreCase } as const;
      expect(holds({ ...condition, value: ` ${decomposed}` }, marked)).toBe(true);
      expect(holds({ ...condition, value: 'b' }, marked)).toBe(false);
    }
  });

  it.each([
    ['ПЛАТЁЖ', 'платёж', true],
    ['ΑΒΓ', 'αβγ', true],
    ['𐐀', '𐐨', true],
    ['ℌ', 'h', false],
    ['STRASSE', 'straße', false],
    ['I', 'ı', false],
  ])('%s without case is %s: %s', (stored, value, expected) => {
    const cased = eventOf({}, { name: stored });
    expect(holds({ field: 'details.name', operator: 'equals', value, ignoreCase: true }, cased)).toBe(
      expected,
    );
  });

  it('counts a letter beyond the first plane as one', () => {
    const emoji = eventOf({}, { name: 'a🚀b' });
    expect(holds({ field: 'details.name', operator: 'matches', value: '^a.b$' }, emoji)).toBe(true);
    expect(holds({ field: 'details.name', operator: 'contains', value: '🚀' }, emoji)).toBe(true);
  });
});

describe('numbers', () => {
  it.each([
    ['12345678901234567891', '12345678901234567890', 1],
    [2 ** 53, '9007199254740993', -1],
    ['-5', 5, -1],
    ['-12345678901234567891', '-12345678901234567890', -1],
    ['007', 7, 0],
    ['7.50', '7.5', 0],
    ['-0', 0, 0],
    ['-0.000', 0, 0],
    ['0.1', 0.1, 0],
    [1e-7, '0.0000001', 0],
    [-2.5e-7, '-0.00000025', 0],
    [1e21, '1000000000000000000000', 0],
    [-1e21, '-1000000000000000000001', 1],
    ['10', '9', 1],
    ['0.10', '0.09', 1],
    [' 7\n', 7, 0],
    ['+7', 7, 0],
    ['-.5', -0.5, 0],
    ['5.', 5, 0],
    ['1e3', 1_000, 0],
    ['5E-1', 0.5, 0],
    ['0x1388', 5_000, 0],
    ['0b11', 3, 0],
    ['+12345678901234567891.', '12345678901234567890', 1],
  ])('%s and %s', (left, right, order) => {
    const compare = (a: unknown, b: unknown) => Math.sign(compareDecimals(decimalOf(a)!, decimalOf(b)!));
    expect(compare(left, right)).toBe(order);
    expect(compare(right, left) + order).toBe(0);
  });

  it.each([
    '',
    ' ',
    '.',
    '+',
    '1,000',
    '1_000',
    '- 7',
    '1e999',
    '٧',
    '7n',
    'Infinity',
    'NaN',
    '--7',
    NaN,
    Infinity,
    true,
    null,
    undefined,
    [7],
  ])('%j is none', (value) => {
    expect(decimalOf(value)).toBeUndefined();
  });

  it('are in the order in which numbers and bigints are', () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        (left, right) => {
          expect(Math.sign(compareDecimals(decimalOf(left)!, decimalOf(right)!))).toBe(
            Number(left > right) - Number(left < right),
          );
        },
      ),
    );
    fc.assert(
      fc.property(fc.bigInt(), fc.bigInt(), (left, right) => {
        expect(Math.sign(compareDecimals(decimalOf(String(left))!, decimalOf(String(right))!))).toBe(
          Number(left > right) - Number(left < right),
        );
      }),
    );
  });
});

describe('patterns', () => {
  const matches = (value: string, text: string, ignoreCase?: boolean) =>
    holds(
      { field: 'userAgent', operator: 'matches', value, ...(ignoreCase !== undefined && { ignoreCase }) },
      eventOf({ userAgent: text }),
    );

  it.each([
    ['(a+)+$', `${'a'.repeat(50_000)}!`, false],
    ['(a+)+$', 'a'.repeat(50_000), true],
    ['^(a|a)*$', `${'a'.repeat(50_000)}!`, false],
    ['(x+x+)+y', 'x'.repeat(50_000), false],
    ['(.*)*\\d', 'a'.repeat(50_000), false],
  ])('%s takes no longer than its text is long', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
    expect(matches(pattern, text, true)).toBe(expected);
  });

  it.each([
    ['a$', 'a\n', false],
    ['^b', 'a\nb', false],
    ['(?m)^b', 'a\nb', true],
    ['a.b', 'a\nb', false],
    ['\\bcat\\b', 'a cat.', true],
    ['\\bcat\\b', 'concat', false],
    ['x|y', 'ay', true],
    ['\\p{Lu}', 'é', false],
    ['\\p{Lu}', 'É', true],
  ])('%s in %j: %s', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  it('have no case where none is asked for, whatever letters they escape', () => {
    expect(matches('^\\S+$', 'ABC', true)).toBe(true);
    expect(matches('^\\S+$', 'A C', true)).toBe(false);
    expect(matches('abc|xyz', 'XYZ', true)).toBe(true);
    expect(matches('abc|xyz', 'XYZ')).toBe(false);
  });

  it('are found in each text anew, however many there were before it', () => {
    const book = bookOf({
      rules: ['7$', '(7|8)+$'].map((value, index) => ({
        id: `r-${index}`,
        name: 'Ends so',
        category: 'compliance',
        severity: 'low',
        conditions: { field: 'userAgent', operator: 'matches', value },
      })),
    });
    for (let round = 0; round < 2; round += 1) {
      for (let number = 0; number < 600; number += 1) {
        // Some longer than what is remembered.
        const text = `${'-'.repeat(number % 100 === 7 ? 1_000 : 1)}${number}`;
        expect([text, idsOf(book, eventOf({ userAgent: text }))]).toEqual([
          text,
          number % 10 === 7 ? ['r-0', 'r-1'] : number % 10 === 8 ? ['r-1'] : [],
        ]);
      }
    }
  });

  it('are found by their own rules, however many look into a field', () => {
    // More than run through a text together, some with a repetition, and each in two fields.
    const rules = Array.from({ length: 250 }, (_, number) =>
      (['userAgent', 'details.list'] as const).map((field) => ({
        id: `${field === 'userAgent' ? 'a' : 'l'}-${number}`,
        name: 'Numbered',
        category: 'compliance' as const,
        severity: 'low' as const,
        conditions: {
          field,
          operator: 'matches' as const,
          value: `(^|[^0-9])${number % 3 === 0 ? '0*' : ''}${number}([^0-9]|$)`,
        },
      })),
    ).flat();
    const book = bookOf({ rules });
    fc.assert(
      fc.property(
        fc.array(fc.nat(400), { maxLength: 5 }),
        fc.array(fc.nat(400), { maxLength: 5 }),
        (some, others) => {
          const found = idsOf(
            book,
            eventOf({ userAgent: `v${some.join('/')}` }, { list: others.map((one) => `n${one}`) }),
          );
          const expected = rules
            .map(({ id }) => id)
            .filter((id) => (id.startsWith('a') ? some : others).includes(Number(id.slice(2))));
          expect(found).toEqual(expected);
        },
      ),
    );
  });
});
