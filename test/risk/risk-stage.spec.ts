// The score by default: each factor alone and in sum, and what bad options are told.
import type { AuditLogEvent } from 'nest-audit-trail';
import { CATEGORIES, OUTCOMES, SEVERITIES } from 'nest-audit-trail';
import type { AuditVerb } from '../../src/recorder/classify.js';
import { RiskStage } from '../../src/recorder/risk/risk-stage.js';
import type { RiskOptions } from '../../src/recorder/risk/risk-options.js';
import { PRIVILEGED_ROLE_POINTS, RISK_POINTS, VOLUME_STEPS } from '../../src/recorder/risk/risk-points.js';
import { volumeOf } from '../../src/recorder/risk/volume.js';
import { judged, scored, sumOf } from './judged-event.js';
import { expectRefusedOption } from '../support/refused-option.js';

const VERBS = Object.keys(RISK_POINTS.verb) as AuditVerb[];

describe('risk score', () => {
  type Case = [string, Partial<AuditLogEvent>, AuditVerb, RiskOptions, string[]];
  it.each<Case>([
    ['a read', {}, 'read', {}, ['category:5']],
    ['a category', { category: 'security' }, 'read', {}, ['category:35']],
    ['a severity', { severity: 'critical' }, 'read', {}, ['category:5', 'severity:45']],
    ['an outcome', { outcome: 'partial' }, 'read', {}, ['category:5', 'outcome:10']],
    ['a verb', {}, 'delete', {}, ['category:5', 'verb:15']],
    [
      'a role in a list',
      { metadata: { roles: ['clerk', 'Admin'] } },
      'read',
      {},
      ['category:5', 'privilegedRole:10'],
    ],
    ['a role alone', { metadata: { roles: 'ROOT' } }, 'read', {}, ['category:5', 'privilegedRole:10']],
    ['a role of no privilege', { metadata: { roles: ['administrated'] } }, 'read', {}, ['category:5']],
    [
      "the application's own role",
      { metadata: { roles: ['auditor'] } },
      'read',
      { privilegedRoles: ['Auditor'] },
      ['category:5', 'privilegedRole:10'],
    ],
    ['99 records', { details: { recordCount: 99 } }, 'read', {}, ['category:5']],
    ['100 records', { details: { recordCount: 100 } }, 'read', {}, ['category:5', 'volume:5']],
    ['10,000 rows', { details: { rows: '10000', count: 3 } }, 'read', {}, ['category:5', 'volume:25']],
    [
      "the application's own steps",
      { details: { pages: 7 } },
      'read',
      { volumeKeys: ['pages'], weights: { volume: [{ from: 7, points: 40 }] } },
      ['category:5', 'volume:40'],
    ],
    ['a weight of 0', {}, 'read', { weights: { category: { data_access: 0 } } }, []],
    [
      'all of them',
      {
        category: 'data_modification',
        severity: 'medium',
        outcome: 'failure',
        metadata: { roles: ['owner'] },
        details: { records: 1_000 },
      },
      'update',
      {},
      ['category:15', 'severity:10', 'outcome:15', 'verb:10', 'privilegedRole:10', 'volume:15'],
    ],
  ])('of %s', (_, event, verb, options, factors) => {
    expect(scored(judged(event), verb, options)).toEqual({ riskScore: sumOf(factors), riskFactors: factors });
  });

  it('without anything around the event is the sum of what it says itself', () => {
    for (const category of CATEGORIES) {
      for (const severity of SEVERITIES) {
        for (const outcome of OUTCOMES) {
          for (const verb of VERBS) {
            const { riskScore } = scored(judged({ category, severity, outcome }), verb);
            const sum =
              RISK_POINTS.category[category] +
              RISK_POINTS.severity[severity] +
              RISK_POINTS.outcome[outcome] +
              RISK_POINTS.verb[verb];
            expect(riskScore).toBe(Math.min(100, sum));
          }
        }
      }
    }
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
    ['risk.weights.privilegedRole', { weights: { privilegedRole: -1 } }],
    ['risk.weights.severity.high', { weights: { severity: { high: 9 } } }],
    ['risk.weights.severity.medium', { weights: { severity: { low: 50 } } }],
    ['risk.weights.volume', { weights: { volume: {} } }],
    [
      'risk.weights.volume[1].from',
      {
        weights: {
          volume: [
            { from: 9, points: 1 },
            { from: 9, points: 2 },
          ],
        },
      },
    ],
    ['risk.weights.volume[0].points', { weights: { volume: [{ from: 9 }] } }],
    ['risk.privilegedRoles', { privilegedRoles: 'admin' }],
    ['risk.volumeKeys', { volumeKeys: [''] }],
  ])('that are wrong at %s are refused', (field, wrong) => {
    expectRefusedOption(field, () => new RiskStage(wrong as RiskOptions));
  });

  it('have every factor that the defaults have', () => {
    const all = { ...RISK_POINTS, privilegedRole: PRIVILEGED_ROLE_POINTS, volume: VOLUME_STEPS };
    expect(() => new RiskStage({ weights: all })).not.toThrow();
  });
});
