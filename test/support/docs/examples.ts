// The examples of the documentation: compiled together as modules of their own, and written down to be run.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
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

/** Compiles the `ts` blocks of the pages against the built package, with the repository's own options. Answers what is wrong. */
export function compileExamples(pages: readonly Page[]): string[] {
  const folder = newFolder();
  const compilerOptions = {
    rootDir: ROOT,
    types: ['node'],
    paths: {},
    // An example shows what an answer is called, and need not use it.
    noUnusedLocals: false,
    noUnusedParameters: false,
  };
  const project = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['.'], exclude: [] };
  const lines = new Map<string, number>();
  try {
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project));
    writeFileSync(join(folder, 'known-names.d.ts'), KNOWN_NAMES);
    for (const page of pages) {
      for (const block of page.blocks('ts')) {
        const path = join(page.path, fileOf(block));
        // A block without an import is a module all the same.
        write(join(folder, path), `${block.code}\nexport {};\n`);
        lines.set(path, block.line);
      }
    }
    const compiler = [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.', '--pretty', 'false'];
    const { status, stdout } = spawnSync(process.execPath, compiler, { cwd: folder, encoding: 'utf8' });
    if (status === 0) return [];
    return stdout
      .trim()
      .split('\n')
      .map((said) =>
        said.replace(
          /^(.*\.md)\/([^(]+)\((\d+),\d+\)/u,
          (_, page: string, file: string, line: string) =>
            `${page}:${lines.get(join(page, file))! + Number(line) - 1}`,
        ),
      );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An empty folder within the repository, from where examples find the package and its dependencies. */
function newFolder(): string {
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  return mkdtempSync(join(ROOT, 'build/examples-'));
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** The blocks of a page as files that can be imported, until {@link remove}. */
export class WrittenExamples {
  private readonly folder: string;

  constructor(private readonly page: Page) {
    this.folder = newFolder();
    for (const block of page.blocks('ts')) write(join(this.folder, fileOf(block)), block.code);
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
