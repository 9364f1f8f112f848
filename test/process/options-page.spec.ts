// The tables of options are what the code says. `npm run docs:options` writes them anew.
import { readFileSync, writeFileSync } from 'node:fs';
import { auditOptions } from '../../src/engine/audit.options.js';
import { protectionSchema } from '../../src/features/protection/protection-options.js';
import { retentionSchema } from '../../src/features/retention/retention-options.js';
import { partsOf, withGenerated } from '../support/docs/generated.js';
import { optionsTable } from '../support/docs/options-table.js';

const TABLES = {
  'docs/reference/options.md': optionsTable(
    auditOptions,
    'src/engine/audit.options.ts',
    'AuditModuleOptions',
  ),
  'docs/comply/encryption.md': optionsTable(
    protectionSchema,
    'src/features/protection/protection-options.ts',
    'ProtectionOptions',
  ),
  'docs/comply/retention.md': optionsTable(
    retentionSchema,
    'src/features/retention/retention-options.ts',
    'RetentionOptions',
  ),
};

describe.each(Object.entries(TABLES))('the options in %s', (file, table) => {
  const parts = new Map([['options', table]]);

  beforeAll(() => {
    if (process.env['AUDIT_WRITE_DOCS'] !== '1') return;
    writeFileSync(file, withGenerated(readFileSync(file, 'utf8'), parts));
  });

  it('have every part that is generated, once', () => {
    expect(partsOf(readFileSync(file, 'utf8'))).toEqual([...parts.keys()]);
  });

  it('are what the code says', () => {
    const page = readFileSync(file, 'utf8');
    expect(page).toBe(withGenerated(page, parts));
  });
});
