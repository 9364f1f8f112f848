// The pages of rules are what the code says. `npm run docs:rules` writes them again.
import { readFileSync, writeFileSync } from 'node:fs';
import { partsOf, withGenerated } from '../support/docs/generated.js';
import { generatedParts } from './rules-page.js';

const PAGES = ['docs/comply/rules.md', 'docs/reference/rule-packs.md'];

describe('the pages of rules', () => {
  const parts = generatedParts();

  beforeAll(() => {
    if (process.env['AUDIT_WRITE_DOCS'] !== '1') return;
    for (const page of PAGES) writeFileSync(page, withGenerated(readFileSync(page, 'utf8'), parts));
  });

  it('have every part that is generated, once', () => {
    expect(PAGES.flatMap((page) => partsOf(readFileSync(page, 'utf8'))).sort()).toEqual(
      [...parts.keys()].sort(),
    );
  });

  it.each(PAGES)('say what the code does: %s', (path) => {
    const page = readFileSync(path, 'utf8');
    expect(page).toBe(withGenerated(page, parts));
  });
});
