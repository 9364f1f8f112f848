// docs/options.md is what the code says. `npm run docs:options` writes it anew.
import { readFileSync, writeFileSync } from 'node:fs';
import { auditOptions } from '../../src/engine/audit.options.js';
import { partsOf, withGenerated } from '../support/docs/generated.js';
import { optionsTable } from '../support/docs/options-table.js';

const PAGE = 'docs/options.md';

describe('the page of options', () => {
  const parts = new Map([
    ['options', optionsTable(auditOptions, 'src/engine/audit.options.ts', 'AuditModuleOptions')],
  ]);

  beforeAll(() => {
    if (process.env['AUDIT_WRITE_DOCS'] !== '1') return;
    writeFileSync(PAGE, withGenerated(readFileSync(PAGE, 'utf8'), parts));
  });

  it('has every part that is generated, once', () => {
    expect(partsOf(readFileSync(PAGE, 'utf8'))).toEqual([...parts.keys()]);
  });

  it('says what the code does', () => {
    const page = readFileSync(PAGE, 'utf8');
    expect(page).toBe(withGenerated(page, parts));
  });
});
