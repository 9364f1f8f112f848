// Reference tables are what the code says. `npm run docs:options` writes them again.
import { readFileSync, writeFileSync } from 'node:fs';
import { auditOptions } from '../../src/engine/audit.options.js';
import { protectionSchema } from '../../src/features/protection/protection-options.js';
import { retentionSchema } from '../../src/features/retention/retention-options.js';
import { partsOf, withGenerated } from '../support/docs/generated.js';
import { optionsTable } from '../support/docs/options-table.js';
import { commandSections, metricsTable } from '../support/docs/reference-tables.js';

const PARTS: Record<string, Record<string, string>> = {
  'docs/reference/options.md': {
    options: optionsTable(auditOptions, 'src/engine/audit.options.ts', 'AuditModuleOptions'),
  },
  'docs/comply/encryption.md': {
    options: optionsTable(
      protectionSchema,
      'src/features/protection/protection-options.ts',
      'ProtectionOptions',
    ),
  },
  'docs/comply/retention.md': {
    options: optionsTable(retentionSchema, 'src/features/retention/retention-options.ts', 'RetentionOptions'),
  },
  'docs/reference/cli.md': { commands: commandSections() },
  'docs/operate/observability.md': { metrics: metricsTable() },
};

describe.each(Object.entries(PARTS))('what is generated in %s', (file, written) => {
  const parts = new Map(Object.entries(written));

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
