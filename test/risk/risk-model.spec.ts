// The score: each factor alone and in sum, its bounds, and what bad options are told.
import fc from 'fast-check';
import type { AuditLogEvent } from 'nest-audit-trail';
import { CATEGORIES, OUTCOMES, SEVERITIES } from 'nest-audit-trail';
import type { AuditVerb } from '../../src/recorder/classify.js';
import { RiskModel } from '../../src/recorder/risk/risk-model.js';
import type { RiskFacts } from '../../src/recorder/risk/risk-model.js';
import type { RiskOptions } from '../../src/recorder/risk/risk-options.js';
import { CONTEXT_POINTS, RISK_POINTS, VOLUME_STEPS } from '../../src/recorder/risk/risk-points.js';
import { volumeOf } from '../../src/recorder/risk/volume.js';
import { judged } from './judged-event.js';

const NOTHING: RiskFacts = { newAddress: false, newDevice: false, burst: false };
const VERBS = Object.keys(RISK_POINTS.verb) as AuditVerb[];
/** A Sunday, so that it is off hours at any time. */
const SUNDAY = Date.UTC(2025, 5, 15, 12);
const HOURS: RiskOptions = { businessHours: { timeZone: 'UTC', from: '08:00', to: '18:00' } };

describe('risk score', () => {
  type Case = [string, Partial<AuditLogEvent>, AuditVerb, Partial<RiskFacts>, RiskOptions, string[]];
  it.each<Case>([
    ['a read', {}, 'read', {}, {}, ['category:5']],
    ['a category', { category: 'security' }, 'read', {}, {}, ['category:35']],
    ['a severity', { severity: 'critical' }, 'read', {}, {}, ['category:5', 'severity:45']],
    ['an outcome', { outcome: 'partial' }, 'read', {}, {}, ['category:5', 'outcome:10']],
    ['a verb', {}, 'delete', {}, {}, ['category:5', 'verb:15']],
    ['off hours', { timestamp: SUNDAY }, 'read', {}, HOURS, ['category:5', 'offHours:10']],
    ['no business hours', { timestamp: SUNDAY }, 'read', {}, {}, ['category:5']],
    [
      'a role in a list',
      { metadata: { roles: ['clerk', 'Admin'] } },
      'read',
      {},
      {},
      ['category:5', 'privilegedRole:10'],
    ],
    ['a role alone', { metadata: { roles: 'ROOT' } }, 'read', {}, {}, ['category:5', 'privilegedRole:10']],
    ['a role of no privilege', { metadata: { roles: ['administrated'] } }, 'read', {}, {}, ['category:5']],
    [
      "the application's own role",
      { metadata: { roles: ['auditor'] } },
      'read',
      {},
      { privilegedRoles: ['Auditor'] },
      ['category:5', 'privilegedRole:10'],
    ],
    ['99 records', { details: { recordCount: 99 } }, 'read', {}, {}, ['category:5']],
    ['100 records', { details: { recordCount: 100 } }, 'read', {}, {}, ['category:5', 'volume:5']],
    ['10,000 rows', { details: { rows: '10000', count: 3 } }, 'read', {}, {}, ['category:5', 'volume:25']],
    [
      "the application's own steps",
      { details: { pages: 7 } },
      'read',
      {},
      { volumeKeys: ['pages'], weights: { volume: [{ from: 7, points: 40 }] } },
      ['category:5', 'volume:40'],
    ],
    ['a new address', {}, 'read', { newAddress: true }, {}, ['category:5', 'newAddress:10']],
    ['a new device', {}, 'read', { newDevice: true }, {}, ['category:5', 'newDevice:5']],
    ['a burst', {}, 'read', { burst: true }, {}, ['category:5', 'burst:15']],
    ['a weight of 0', {}, 'read', {}, { weights: { category: { data_access: 0 } } }, []],
    [
      'all of them',
      {
        category: 'data_modification',
        severity: 'medium',
        outcome: 'failure',
        timestamp: SUNDAY,
        metadata: { roles: ['owner'] },
        details: { records: 1_000 },
      },
      'update',
      { newAddress: true, newDevice: true, burst: true },
      HOURS,
      [
        'category:15',
        'severity:10',
        'outcome:15',
        'verb:10',
        'offHours:10',
        'privilegedRole:10',
        'volume:15',
        'newAddress:10',
        'newDevice:5',
        'burst:15',
      ],
    ],
  ])('of %s', (_, event, verb, facts, options, factors) => {
    const risk = new RiskModel(options).score(judged(event), verb, { ...NOTHING, ...facts });
    const sum = factors.reduce((total, factor) => total + Number(factor.split(':')[1]), 0);
    expect(risk).toEqual({ score: Math.min(100, sum), factors });
  });

  it('without anything around the event is the sum of what it says itself', () => {
    const model = new RiskModel();
    for (const category of CATEGORIES) {
      for (const severity of SEVERITIES) {
        for (const outcome of OUTCOMES) {
          for (const verb of VERBS) {
            const { score } = model.score(judged({ category, severity, outcome }), verb, NOTHING);
            const sum =
              RISK_POINTS.category[category] +
              RISK_POINTS.severity[severity] +
              RISK_POINTS.outcome[outcome] +
              RISK_POINTS.verb[verb];
            expect(score).toBe(Math.min(100, sum));
          }
        }
      }
    }
  });

  const points = fc.integer({ min: 0, max: 100 });
  const table = (names: readonly string[]) =>
    fc.record(Object.fromEntries(names.map((name) => [name, points])), { requiredKeys: [] });
  const options: fc.Arbitrary<RiskOptions> = fc.record({
    weights: fc.record({
      category: table(CATEGORIES),
      severity: fc
        .tuple(points, points, points, points)
        .map((four) => four.sort((a, b) => a - b))
        .map(([low, medium, high, critical]) => ({
          low: low!,
          medium: medium!,
          high: high!,
          critical: critical!,
        })),
      outcome: table(OUTCOMES),
      verb: table(VERBS),
      offHours: points,
      privilegedRole: points,
      newAddress: points,
      newDevice: points,
      burst: points,
      volume: fc
        .uniqueArray(fc.integer({ min: 1, max: 100_000 }), { maxLength: 5 })
        .chain((froms) =>
          fc.tuple(
            ...froms.sort((a, b) => a - b).map((from) => points.map((own) => ({ from, points: own }))),
          ),
        ),
    }),
    businessHours: fc.constantFrom(HOURS.businessHours!),
  });
  const event = fc.record({
    category: fc.constantFrom(...CATEGORIES),
    severity: fc.constantFrom(...SEVERITIES),
    outcome: fc.constantFrom(...OUTCOMES),
    timestamp: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    details: fc.dictionary(
      fc.constantFrom('recordCount', 'rows', '__proto__', 'other'),
      fc.oneof(fc.double(), fc.integer(), fc.string()),
    ),
    metadata: fc.record({ roles: fc.array(fc.constantFrom('admin', 'clerk', 'constructor')) }),
  });
  const facts = fc.record({ newAddress: fc.boolean(), newDevice: fc.boolean(), burst: fc.boolean() });
  const verb = fc.constantFrom(...VERBS);

  it('never leaves 0-100, and is the sum of its factors', () => {
    fc.assert(
      fc.property(options, event, verb, facts, (chosen, about, does, known) => {
        const { score, factors } = new RiskModel(chosen).score(judged(about), does, known);
        const sum = factors.reduce((total, factor) => total + Number(factor.split(':')[1]), 0);
        expect(Number.isInteger(score)).toBe(true);
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBe(Math.min(100, sum));
      }),
    );
  });

  it('never falls when severity rises', () => {
    fc.assert(
      fc.property(options, event, verb, facts, (chosen, about, does, known) => {
        const model = new RiskModel(chosen);
        const scores = SEVERITIES.map(
          (severity) => model.score(judged({ ...about, severity }), does, known).score,
        );
        expect(scores).toEqual([...scores].sort((a, b) => a - b));
      }),
    );
  });
});

describe("the application's scorer", () => {
  const score = (scorer: RiskOptions['scorer'], event = judged({ outcome: 'failure' })) =>
    new RiskModel({ scorer: scorer! }).score(event, 'read', NOTHING);

  it('gets the event with its score, and what made it', () => {
    const calls: unknown[] = [];
    score((event, risk) => calls.push([event.riskScore, event.outcome, risk]));
    expect(calls).toEqual([[20, 'failure', { score: 20, factors: ['category:5', 'outcome:15'] }]]);
  });

  it.each([
    ['wraps', (event: AuditLogEvent) => event.riskScore + 30, 50, 'scorer:30'],
    ['lowers', () => 3, 3, 'scorer:-17'],
    ['rounds', () => 49.5, 50, 'scorer:30'],
    ['is kept at 100', () => 1e9, 100, 'scorer:80'],
    ['is kept at 0', () => -7, 0, 'scorer:-20'],
    ['agrees', () => 20.2, 20, undefined],
  ])('%s', (_, scorer, expected, factor) => {
    const factors = ['category:5', 'outcome:15', ...(factor === undefined ? [] : [factor])];
    expect(score(scorer)).toEqual({ score: expected, factors });
  });

  it('may bring down what was above 100 before it was cut', () => {
    const event = judged({ category: 'security', severity: 'critical', outcome: 'failure' });
    const model = new RiskModel({ scorer: () => 40 });
    const { score: own, factors } = model.score(event, 'delete', NOTHING);
    expect([own, factors.at(-1)]).toEqual([40, 'scorer:-70']);
  });

  it.each<[string, () => unknown]>([
    ['is no number', () => '50'],
    ['is not finite', () => Number.NaN],
    ['is a promise', () => Promise.reject(new Error('too late'))],
    [
      'is an error',
      () => {
        throw new Error('no');
      },
    ],
  ])('whose answer %s leaves the default', (_, scorer) => {
    expect(score(scorer as () => number)).toEqual({
      score: 20,
      factors: ['category:5', 'outcome:15'],
      failed: true,
    });
  });
});

describe('risk volume', () => {
  it.each<[AuditLogEvent['details'], number]>([
    [{}, 0],
    [{ recordCount: 5, rows: 7 }, 7],
    [{ count: '12' }, 12],
    [{ count: '12.5' }, 0],
    [{ count: -3 }, 0],
    [{ count: true }, 0],
    [{ count: [4, 5] }, 0],
    [{ 'result.count': 9 }, 0],
  ])('of %j is %d', (details, volume) => {
    expect(volumeOf({ details }, ['recordCount', 'records', 'rows', 'count'])).toBe(volume);
  });
});

describe('risk options', () => {
  it.each<[string, unknown]>([
    ['risk', 'high'],
    ['risk.wieghts', { wieghts: {} }],
    ['risk.weights', { weights: [] }],
    ['risk.weights.colour', { weights: { colour: 3 } }],
    ['risk.weights.category.data', { weights: { category: { data: 3 } } }],
    ['risk.weights.verb.read', { weights: { verb: { read: 101 } } }],
    ['risk.weights.outcome.failure', { weights: { outcome: { failure: 1.5 } } }],
    ['risk.weights.offHours', { weights: { offHours: -1 } }],
    ['risk.weights.severity.high', { weights: { severity: { high: 9 } } }],
    ['risk.weights.severity.medium', { weights: { severity: { low: 50 } } }],
    ['risk.weights.volume', { weights: { volume: {} } }],
    [
      'risk.weights.volume.1.from',
      {
        weights: {
          volume: [
            { from: 9, points: 1 },
            { from: 9, points: 2 },
          ],
        },
      },
    ],
    ['risk.weights.volume.0.points', { weights: { volume: [{ from: 9 }] } }],
    [
      'risk.businessHours.timeZone',
      { businessHours: { timeZone: 'Mars/Phobos', from: '08:00', to: '18:00' } },
    ],
    ['risk.businessHours.from', { businessHours: { timeZone: 'UTC', from: '8', to: '18:00' } }],
    ['risk.businessHours.to', { businessHours: { timeZone: 'UTC', from: '08:00', to: '24:30' } }],
    ['risk.businessHours.to', { businessHours: { timeZone: 'UTC', from: '08:00', to: '08:00' } }],
    [
      'risk.businessHours.days.1',
      { businessHours: { timeZone: 'UTC', from: '08:00', to: '18:00', days: [1, 0] } },
    ],
    ['risk.businessHours.days', { businessHours: { timeZone: 'UTC', from: '08:00', to: '18:00', days: [] } }],
    ['risk.privilegedRoles', { privilegedRoles: 'admin' }],
    ['risk.volumeKeys', { volumeKeys: [''] }],
    ['risk.burst.events', { burst: { events: 1, seconds: 10 } }],
    ['risk.burst.seconds', { burst: { events: 10, seconds: 0 } }],
    ['risk.scorer', { scorer: 50 }],
  ])('that are wrong at %s are refused', (field, wrong) => {
    let thrown: unknown;
    try {
      new RiskModel(wrong as RiskOptions);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      code: 'AUDIT_INVALID_OPTIONS',
      field,
      message: expect.stringContaining(field) as string,
    });
  });

  it('have every factor that the defaults have', () => {
    const all = { ...RISK_POINTS, ...CONTEXT_POINTS, volume: VOLUME_STEPS };
    expect(() => new RiskModel({ weights: all })).not.toThrow();
  });
});
