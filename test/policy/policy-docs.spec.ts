// What docs/record/policy.md says is what the policy does.
import type { DynamicModule, ValueProvider } from '@nestjs/common';
import type { AuditModuleOptions, FeatureHost } from 'nest-audit-trail';
import type { PolicySubject } from 'nest-audit-trail/policy';
import { AuditPolicy } from '../../src/features/policy/audit-policy.js';
import { POLICY_LEVELS } from '../../src/features/policy/policy-rule.js';
import { WrittenExamples } from '../support/docs/examples.js';
import { describeGenerated } from '../support/docs/generated.js';
import { membersTable } from '../support/docs/members-table.js';
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
});

const ASKED = [
  "{ path: '/health', method: 'GET', status: 200 }",
  "{ path: '/other', method: 'GET' }",
  "{ path: '/Health/', method: 'GET', status: 200, roles: [] }",
];

/** What the policy of the page's example answers. */
async function explain(asked: string): Promise<string> {
  const examples = new WrittenExamples(page);
  try {
    const { providers = [] } = (await examples.import(0))['audit'] as DynamicModule;
    const options = providers.map((provider) => (provider as ValueProvider<AuditModuleOptions>).useValue);
    const [feature] = options.find((value) => value?.features)!.features!;
    const policy = feature!.run({} as FeatureHost).service as AuditPolicy;
    const literal = asked.replace(/(\w+):/g, '"$1":').replace(/'/g, '"');
    return policy.explain(JSON.parse(literal) as PolicySubject).reason;
  } finally {
    examples.remove();
  }
}

const answers: (readonly [string, string])[] = [];
for (const asked of ASKED) answers.push([`\`${asked}\``, await explain(asked)]);

describeGenerated('docs/record/policy.md', {
  answers: membersTable(['Asked', 'Answer'], answers, (answer) => answer),
});
