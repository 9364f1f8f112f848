// docs/comply/rules.md is what the code says. `npm run docs:rules` writes it anew.
import { readFileSync, writeFileSync } from 'node:fs';
import { partsOf, withGenerated } from '../support/docs/generated.js';
import { generatedParts } from './rules-page.js';

const PAGE = 'docs/comply/rules.md';

describe('the page of rules', () => {
  const parts = generatedParts();

  beforeAll(() => {
    if (process.env['AUDIT_WRITE_DOCS'] !== '1') return;
    writeFileSync(PAGE, withGenerated(readFileSync(PAGE, 'utf8'), parts));
  });

  it('has every part that is generated, once', () => {
    expect(partsOf(readFileSync(PAGE, 'utf8')).sort()).toEqual([...parts.keys()].sort());
  });

  it('says what the code does', () => {
    const page = readFileSync(PAGE, 'utf8');
    expect(page).toBe(withGenerated(page, parts));
  });
});
