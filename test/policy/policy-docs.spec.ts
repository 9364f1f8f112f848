// What docs/record/policy.md says is what the policy does.
import type { DynamicModule, ValueProvider } from '@nestjs/common';
import type { AuditModuleOptions, FeatureHost } from 'nest-audit-trail';
import type { PolicySubject } from 'nest-audit-trail/policy';
import { AuditPolicy } from '../../src/features/policy/audit-policy.js';
import { POLICY_LEVELS } from '../../src/features/policy/policy-rule.js';
import { WrittenExamples } from '../support/docs/examples.js';
import { codeWords, Page } from '../support/docs/page.js';

const page = Page.read('docs/record/policy.md');
const words = (cells: string[][]) => cells.map(([cell]) => codeWords(cell!)[0] ?? cell);

describe('docs/record/policy.md', () => {
  it('has every level', () => {
    expect(words(page.section('Levels').table('Level'))).toEqual([...POLICY_LEVELS]);
  });

  it('has every fact that a rule can ask for', () => {
    let message = '';
    try {
      new AuditPolicy([{ level: 'none', match: { nonsense: true } as object }]);
    } catch (error) {
      ({ message } = error as Error);
    }
    const [, known = ''] = /What there is: (.*)\.$/.exec(message) ?? [];
    expect(words(page.section('What a rule matches').table('Fact'))).toEqual(known.split(', '));
  });

  it('explains as the policy of its example does', async () => {
    const examples = new WrittenExamples(page);
    try {
      const { providers = [] } = (await examples.import(0))['audit'] as DynamicModule;
      const options = providers.map((provider) => (provider as ValueProvider<AuditModuleOptions>).useValue);
      const [feature] = options.find((value) => value?.features)!.features!;
      const policy = feature!.run({} as FeatureHost).service as AuditPolicy;
      const asked = page.section('Ask it').table('Asked');
      expect(asked.length).toBeGreaterThan(2);
      for (const [call = '', answer] of asked) {
        const literal = (codeWords(call)[0] ?? call).replace(/(\w+):/g, '"$1":').replace(/'/g, '"');
        const { reason } = policy.explain(JSON.parse(literal) as PolicySubject);
        expect([call, reason]).toEqual([call, answer]);
      }
    } finally {
      examples.remove();
    }
  });
});
