// A Markdown page as the tests look at it: its blocks of code, its tables, its headings and links.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const ROOT = resolve('.');
const NOT_OURS = new Set(['node_modules', 'dist', 'build', 'coverage', '.git']);

export interface CodeBlock {
  readonly language: string;
  readonly code: string;
  /** Where its first line stands in the page, counted from 1. */
  readonly line: number;
  /** The path in its first line (`// src/app.module.ts`), where it has one. */
  readonly file?: string;
}

export class Page {
  private constructor(
    /** Path from the repository's root. */
    readonly path: string,
    readonly text: string,
  ) {}

  static read(path: string): Page {
    return new Page(path, readFileSync(join(ROOT, path), 'utf8'));
  }

  /** Every Markdown page of the repository. */
  static all(folder = ROOT): Page[] {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      if (NOT_OURS.has(entry.name)) return [];
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return Page.all(path);
      return entry.name.endsWith('.md') ? [Page.read(relative(ROOT, path))] : [];
    });
  }

  blocks(language: string): CodeBlock[] {
    const fences = this.text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm);
    return [...fences]
      .map((fence) => {
        const [, found = '', code = ''] = fence;
        const file = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1];
        const line = this.text.slice(0, fence.index).split('\n').length + 1;
        return { language: found, code, line, ...(file !== undefined && { file }) };
      })
      .filter((block) => block.language === language);
  }

  /** The text under a heading, up to the next one of the same or a higher level; the headings below it included. */
  section(heading: string): Page {
    const lines = this.text.split('\n');
    const start = lines.findIndex((line) => line.replace(/^#+ /, '') === heading && line.startsWith('#'));
    if (start < 0) throw new Error(`${this.path} has no heading "${heading}"`);
    const level = /^#+/.exec(lines[start]!)![0].length;
    const length = lines
      .slice(start + 1)
      .findIndex((line) => (/^(#+) /.exec(line)?.[1]!.length ?? 99) <= level);
    return new Page(
      this.path,
      lines.slice(start + 1, length < 0 ? undefined : start + 1 + length).join('\n'),
    );
  }

  /** The rows of its first table below the head, or of the first whose head begins with `head`. */
  table(...head: string[]): string[][] {
    const tables = this.text.match(/(?:^\|.*\|$\n?)+/gm) ?? [];
    const rows = tables.map((table) => table.trim().split('\n').map(cellsOf));
    const found = rows.find(([first]) => head.every((name, column) => first![column] === name));
    if (!found) throw new Error(`${this.path} has no table ${head.join(', ')}`);
    return found.slice(2);
  }

  /** The targets of its links that lead into the repository. */
  links(): string[] {
    const prose = this.text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '');
    return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1]!)
      .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target));
  }

  /** The names that links can give to its headings. */
  anchors(): string[] {
    const prose = this.text.replace(/^```[\s\S]*?^```$/gm, '');
    return [...prose.matchAll(/^#+ (.*)$/gm)].map((match) =>
      match[1]!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replace(/ /g, '-'),
    );
  }
}

/** Every word written as code, in its order. */
export function codeWords(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
}

/** The cells of a line of a table, without the marks of code. A `|` within code is no border. */
function cellsOf(line: string): string[] {
  return line
    .replace(/`[^`]*`/g, (code) => code.replaceAll('|', '\u0000'))
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => plain(cell.replaceAll('\u0000', '|')));
}

/** `` `a` `` → `a`, where the whole cell is code. */
function plain(cell: string): string {
  const text = cell.trim();
  return /^`[^`]*`$/.test(text) ? text.slice(1, -1) : text;
}
