// The table of options, from the schema and from what their declarations say.
import { resolve } from 'node:path';
import ts from '@typescript/typescript6';
import { getDescription } from 'valibot';
import { ownProgram } from '../own-program.js';
import type { OptionGroup, OptionSchema } from '../../../src/event/option-schema.js';

/** Every option of a group by its path, each group before what is in it. */
export function optionsIn(schema: OptionSchema, path = ''): Map<string, OptionSchema> {
  const { entries = {} } = schema as Partial<OptionGroup>;
  return new Map(
    Object.entries(entries).flatMap(([name, entry]) => [
      [`${path}${name}`, entry] as const,
      ...optionsIn(entry, `${path}${name}.`),
    ]),
  );
}

let parsed: ts.Program | undefined;

/** The sources, parsed once for all tables: no option is declared in a package. */
function sources(): ts.Program {
  if (parsed) return parsed;
  const config = ts.readConfigFile('tsconfig.json', (name) => ts.sys.readFile(name)).config as object;
  const { options, fileNames } = ts.parseJsonConfigFileContent({ ...config, include: ['src'] }, ts.sys, '.');
  parsed = ownProgram(fileNames, options);
  return parsed;
}

/**
 * The table in Markdown.
 *
 * @param file the source file that declares the interface of the options
 */
export function optionsTable(schema: OptionSchema, file: string, declared: string): string {
  const checker = sources().getTypeChecker();
  const root = sources()
    .getSourceFile(resolve(file))!
    .statements.filter(ts.isInterfaceDeclaration)
    .find(({ name }) => name.text === declared)!;
  const rows = [...optionsIn(schema)].map(([option, its]) => {
    let type = checker.getTypeAtLocation(root);
    let symbol: ts.Symbol | undefined;
    for (const name of option.split('.')) {
      symbol = propertyOf(checker, type, name);
      if (!symbol) throw new Error(`${declared} has no ${option}.`);
      type = checker.getTypeOfSymbol(symbol);
    }
    const tag = symbol!.getJsDocTags(checker).find(({ name }) => name === 'defaultValue');
    const said = ts.displayPartsToString(symbol!.getDocumentationComment(checker));
    return [`\`${option}\``, getDescription(its) ?? '', ts.displayPartsToString(tag?.text), said];
  });
  const lines = [['Option', 'What to write', 'Default', 'Effect'], ['---', '---', '---', '---'], ...rows];
  return lines.map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');
}

function propertyOf(checker: ts.TypeChecker, type: ts.Type, name: string): ts.Symbol | undefined {
  const real = checker.getNonNullableType(type);
  for (const one of real.isUnion() ? real.types : [real]) {
    const found = checker.getPropertyOfType(one, name);
    if (found) return found;
  }
  return undefined;
}

/** A page is named by its path from the root of the package; every page with a generated table is one folder below `docs`. */
export function cell(text: string): string {
  return text
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('|', '\\|')
    .replaceAll(
      /`docs\/([\w-]+)\/([\w-]+)\.md(#[\w-]+)?`/g,
      (_, folder: string, page: string, at = '') => `[${page}](../${folder}/${page}.md${String(at)})`,
    );
}
