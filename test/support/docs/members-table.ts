// Tables of what a declaration has: each member, and what its TSDoc says.
import { readFileSync } from 'node:fs';
import ts from '@typescript/typescript6';
import { cell } from './options-table.js';

interface Member {
  readonly name: string;
  readonly isOptional: boolean;
  readonly said: string;
  readonly byDefault: string;
}

/** The members of an interface or a class, in their order. */
export function membersOf(file: string, declared: string): Member[] {
  const found = parse(file).statements.find(
    (node): node is ts.InterfaceDeclaration | ts.ClassDeclaration =>
      (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) && node.name?.text === declared,
  );
  const members = [...found!.members].filter(
    (node): node is ts.PropertySignature | ts.PropertyDeclaration =>
      ts.isPropertySignature(node) || ts.isPropertyDeclaration(node),
  );
  return members.map((node) => {
    const tag = ts.getJSDocTags(node).find(({ tagName }) => tagName.text === 'defaultValue');
    const [comment] = ts.getJSDocCommentsAndTags(node);
    return {
      name: node.name.getText(),
      isOptional: node.questionToken !== undefined,
      said: textOf(comment?.comment),
      byDefault: textOf(tag?.comment),
    };
  });
}

/** The texts of a declared list, each with the comment before it. */
export function textsOf(file: string, declared: string): Pick<Member, 'name' | 'said'>[] {
  const source = parse(file);
  const found: Pick<Member, 'name' | 'said'>[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === declared) return void collect(node);
    ts.forEachChild(node, visit);
  };
  const collect = (node: ts.Node): void => {
    if (!ts.isStringLiteral(node)) return void ts.forEachChild(node, collect);
    const comments = ts.getLeadingCommentRanges(source.text, node.pos) ?? [];
    const said = comments.map(({ pos, end }) => source.text.slice(pos, end)).join(' ');
    found.push({ name: node.text, said: said.replace(/^\/\*\*|^\s*\*\/?|\*\/$/gm, '').trim() });
  };
  visit(source);
  return found;
}

/** In Markdown; each row is made of a member. */
export function membersTable<Of>(
  head: readonly string[],
  members: readonly Of[],
  cells: (member: Of) => readonly string[],
): string {
  const rows = [head, head.map(() => '---'), ...members.map((member) => cells(member).map(cell))];
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
}

function textOf(comment: string | ts.NodeArray<ts.JSDocComment> | undefined): string {
  return (ts.getTextOfJSDocComment(comment) ?? '').replace(/\{@link (\S+?)\}/g, '`$1`');
}
