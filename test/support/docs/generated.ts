// The parts of a page that are made from the code.

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
