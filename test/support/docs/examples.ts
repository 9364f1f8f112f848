// The examples of the documentation: compiled together as modules of their own, and written down to be run.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';
import type { CodeBlock, Page } from './page.js';

const ROOT = resolve('.');

/** What a short example may use without saying where it comes from. */
const KNOWN_NAMES = `
  import type { AuditService } from 'nest-audit-trail';
  import type { AuthenticationAudit } from 'nest-audit-trail/authentication';
  import type { AuditRetention } from 'nest-audit-trail/retention';
  declare global {
    const audit: AuditService;
    const authentication: AuthenticationAudit;
    const retention: AuditRetention;
    const tenantId: string;
  }
`;

const fileOf = (block: CodeBlock) => block.file ?? `block-at-line-${block.line}.ts`;

/** Compiles the `ts` blocks of the pages, as one program with the repository's own options. Answers what is wrong. */
export function compileExamples(pages: readonly Page[]): string[] {
  // Never written: the compiler is told what stands there.
  const folder = join(ROOT, 'build/examples');
  const known = join(folder, 'known-names.d.ts');
  const virtual = new Map([[known, KNOWN_NAMES]]);
  const origins = new Map<string, { readonly page: Page; readonly block: CodeBlock }>();
  for (const page of pages) {
    for (const block of page.blocks('ts')) {
      const path = join(folder, page.path, fileOf(block));
      // A block without an import is a module all the same.
      virtual.set(path, `${block.code}\nexport {};\n`);
      origins.set(path, { page, block });
    }
  }
  const config = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    ROOT,
  );
  const options: ts.CompilerOptions = {
    ...config.options,
    types: ['node'],
    // An example shows what an answer is called, and need not use it.
    noUnusedLocals: false,
    noUnusedParameters: false,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile, directoryExists } = host;
  host.fileExists = (path) => virtual.has(path) || fileExists(path);
  host.readFile = (path) => virtual.get(path) ?? readFile(path);
  host.directoryExists = (path) =>
    [...virtual.keys()].some((file) => file.startsWith(`${path}/`)) || (directoryExists?.(path) ?? true);
  host.getSourceFile = (path, target, ...rest) => {
    const text = virtual.get(path);
    return text === undefined
      ? getSourceFile(path, target, ...rest)
      : ts.createSourceFile(path, text, target);
  };
  const program = ts.createProgram([...virtual.keys()], options, host);
  return [...virtual.keys()].flatMap((path) => {
    const source = program.getSourceFile(path)!;
    const diagnostics = [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ];
    return diagnostics.map((diagnostic) => {
      const origin = origins.get(path);
      const { line } = source.getLineAndCharacterOfPosition(diagnostic.start ?? 0);
      const place = origin ? `${origin.page.path}:${origin.block.line + line}` : path;
      return `${place}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')}`;
    });
  });
}

/** The blocks of a page as files that can be imported, until {@link remove}. */
export class WrittenExamples {
  private readonly folder: string;

  constructor(private readonly page: Page) {
    mkdirSync(join(ROOT, 'build'), { recursive: true });
    this.folder = mkdtempSync(join(ROOT, 'build/examples-'));
    for (const block of page.blocks('ts')) {
      const path = join(this.folder, fileOf(block));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, block.code);
    }
  }

  /** Imports a block by its file's name, or one without a name by its place among those. */
  import(which: string | number): Promise<Record<string, unknown>> {
    const unnamed = this.page.blocks('ts').filter(({ file }) => file === undefined);
    const file = typeof which === 'string' ? which : fileOf(unnamed[which]!);
    return import(join(this.folder, file)) as Promise<Record<string, unknown>>;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
