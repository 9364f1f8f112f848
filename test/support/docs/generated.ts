// The parts of a page that are made from the code.
import { readFileSync, writeFileSync } from 'node:fs';

/** What stands between the marks `<!-- generated: name -->` and `<!-- end -->`. */
export type GeneratedParts = ReadonlyMap<string, string>;

const MARKED = /(<!-- generated: ([\w -]+) -->\n)([^]*?)(<!-- end -->)/g;

/** The page with its generated parts as they should be. */
export function withGenerated(page: string, parts: GeneratedParts): string {
  return page.replace(MARKED, (_, start: string, name: string, _old: string, end: string) => {
    const part = parts.get(name);
    if (part === undefined) throw new Error(`Nobody generates "${name}".`);
    return `${start}${part}\n${end}`;
  });
}

/** The names of the parts that the page has. */
export function partsOf(page: string): string[] {
  return [...page.matchAll(MARKED)].map((match) => match[2]!);
}

/** Tests that the parts of the page are what the code says, and writes them where `AUDIT_WRITE_DOCS` is 1. */
export function describeGenerated(file: string, written: Readonly<Record<string, string>>): void {
  describe(`what is generated in ${file}`, () => {
    const parts = new Map(Object.entries(written));

    beforeAll(() => {
      if (process.env['AUDIT_WRITE_DOCS'] !== '1') return;
      writeFileSync(file, withGenerated(readFileSync(file, 'utf8'), parts));
    });

    it('has every part that is generated, once', () => {
      expect(partsOf(readFileSync(file, 'utf8'))).toEqual([...parts.keys()]);
    });

    it('is what the code says', () => {
      const page = readFileSync(file, 'utf8');
      expect(page).toBe(withGenerated(page, parts));
    });
  });
}
