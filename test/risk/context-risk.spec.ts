// What the feature adds to the score: each factor alone and with the default's, the scorer, and what bad options are told.
import fc from 'fast-check';
import type { AuditLogEvent, RiskOptions } from 'nest-audit-trail';
import { CATEGORIES, OUTCOMES, SEVERITIES } from 'nest-audit-trail';
import type { RiskContextOptions } from 'nest-audit-trail/risk';
import { contextRisk } from '../../src/features/risk/context-risk.js';
import { checkRiskContext, CONTEXT_POINTS } from '../../src/features/risk/risk-context-options.js';
import type { RiskFacts } from '../../src/features/risk/risk-memory.js';
import type { AuditVerb } from '../../src/recorder/classify.js';
import { RISK_POINTS } from '../../src/recorder/risk/risk-points.js';
import { judged, scored, sumOf } from './judged-event.js';
import { expectRefusedOption } from '../support/refused-option.js';

const VERBS = Object.keys(RISK_POINTS.verb) as AuditVerb[];
/** A Sunday, so that it is off hours at any time. */
const SUNDAY = Date.UTC(2025, 5, 15, 12);
const HOURS: RiskContextOptions = { businessHours: { timeZone: 'UTC', from: '08:00', to: '18:00' } };

/** The feature as it runs, where memory knows this. */
function context(options: RiskContextOptions, facts: Partial<RiskFacts> = {}) {
  const known = { newAddress: false, newDevice: false, burst: false, ...facts };
  return contextRisk(checkRiskContext(options), () => known);
}

describe('risk score with the feature', () => {
  type Case = [string, Partial<AuditLogEvent>, Partial<RiskFacts>, RiskContextOptions, string[]];
  it.each<Case>([
    ['nothing around it', {}, {}, {}, []],
    ['off hours', { timestamp: SUNDAY }, {}, HOURS, ['offHours:10']],
    ['no business hours', { timestamp: SUNDAY }, {}, {}, []],
    ['a new address', {}, { newAddress: true }, {}, ['newAddress:10']],
    ['a new device', {}, { newDevice: true }, {}, ['newDevice:5']],
    ['a burst', {}, { burst: true }, {}, ['burst:15']],
    ['a weight of 0', {}, { burst: true }, { weights: { burst: 0 } }, []],
  ])('of %s', (_, event, facts, options, added) => {
    const factors = ['category:5', ...added];
    expect(scored(judged(event), 'read', {}, context(options, facts))).toEqual({
      riskScore: sumOf(factors),
      riskFactors: factors,
      failed: false,
    });
  });

  it('of all factors has those of the default first', () => {
    const event = judged({
      category: 'data_modification',
      severity: 'medium',
      outcome: 'failure',
      timestamp: SUNDAY,
      metadata: { roles: ['owner'] },
      details: { records: 1_000 },
    });
    const feature = context(HOURS, { newAddress: true, newDevice: true, burst: true });
    expect(scored(event, 'update', {}, feature)).toEqual({
      riskScore: 100,
      riskFactors: [
        'category:15',
        'severity:10',
        'outcome:15',
        'verb:10',
        'privilegedRole:10',
        'volume:15',
        'offHours:10',
        'newAddress:10',
        'newDevice:5',
        'burst:15',
      ],
      failed: false,
    });
  });

  it('is what was added up before a feature failed', () => {
    const broken = {
      factors: () => {
        throw new Error('no');
      },
    };
    expect(scored(judged(), 'read', {}, context({}, { burst: true }), broken)).toEqual({
      riskScore: 20,
      riskFactors: ['category:5', 'burst:15'],
      failed: true,
    });
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
      privilegedRole: points,
      volume: fc
        .uniqueArray(fc.integer({ min: 1, max: 100_000 }), { maxLength: 5 })
        .chain((froms) =>
          fc.tuple(
            ...froms.sort((a, b) => a - b).map((from) => points.map((own) => ({ from, points: own }))),
          ),
        ),
    }),
  });
  const weights = fc.record({ offHours: points, newAddress: points, newDevice: points, burst: points });
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
  const feature = fc.tuple(weights, facts).map(([own, known]) => context({ ...HOURS, weights: own }, known));
  const features = fc.array(feature, { maxLength: 1 });
  const verb = fc.constantFrom(...VERBS);

  it('never leaves 0-100, and is the sum of its factors', () => {
    fc.assert(
      fc.property(options, event, verb, features, (chosen, about, does, added) => {
        const { riskScore, riskFactors } = scored(judged(about), does, chosen, ...added);
        expect(Number.isInteger(riskScore)).toBe(true);
        expect(riskScore).toBeGreaterThanOrEqual(0);
        expect(riskScore).toBe(sumOf(riskFactors));
      }),
    );
  });

  it('never falls when severity rises', () => {
    fc.assert(
      fc.property(options, event, verb, features, (chosen, about, does, added) => {
        const scores = SEVERITIES.map(
          (severity) => scored(judged({ ...about, severity }), does, chosen, ...added).riskScore,
        );
        expect(scores).toEqual([...scores].sort((a, b) => a - b));
      }),
    );
  });
});

describe("the application's scorer", () => {
  const score = (scorer: RiskContextOptions['scorer'], event = judged({ outcome: 'failure' })) =>
    scored(event, 'read', {}, context({ scorer: scorer! }));

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
    expect(score(scorer)).toEqual({ riskScore: expected, riskFactors: factors, failed: false });
  });

  it('may bring down what was above 100 before it was cut', () => {
    const event = judged({ category: 'security', severity: 'critical', outcome: 'failure' });
    const { riskScore, riskFactors } = scored(event, 'delete', {}, context({ scorer: () => 40 }));
    expect([riskScore, riskFactors.at(-1)]).toEqual([40, 'scorer:-70']);
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
      riskScore: 20,
      riskFactors: ['category:5', 'outcome:15'],
      failed: true,
    });
  });
});

describe('options of the feature', () => {
  it.each<[string, unknown]>([
    ['risk', 'high'],
    ['risk.privilegedRoles', { privilegedRoles: ['admin'] }],
    ['risk.weights.offHours', { weights: { offHours: -1 } }],
    ['risk.weights.severity', { weights: { severity: {} } }],
    [
      'risk.businessHours.timeZone',
      { businessHours: { timeZone: 'Mars/Phobos', from: '08:00', to: '18:00' } },
    ],
    ['risk.businessHours.from', { businessHours: { timeZone: 'UTC', from: '8', to: '18:00' } }],
    ['risk.businessHours.to', { businessHours: { timeZone: 'UTC', from: '08:00', to: '24:30' } }],
    ['risk.businessHours.to', { businessHours: { timeZone: 'UTC', from: '08:00', to: '08:00' } }],
    [
      'risk.businessHours.days[1]',
      { businessHours: { timeZone: 'UTC', from: '08:00', to: '18:00', days: [1, 0] } },
    ],
    ['risk.businessHours.days', { businessHours: { timeZone: 'UTC', from: '08:00', to: '18:00', days: [] } }],
    ['risk.burst.events', { burst: { events: 1, seconds: 10 } }],
    ['risk.burst.seconds', { burst: { events: 10, seconds: 0 } }],
    ['risk.scorer', { scorer: 50 }],
  ])('that are wrong at %s are refused', (field, wrong) => {
    expectRefusedOption(field, () => checkRiskContext(wrong as RiskContextOptions));
  });

  it('have every factor that the defaults have', () => {
    expect(checkRiskContext({ weights: CONTEXT_POINTS }).weights).toEqual(CONTEXT_POINTS);
  });
});
