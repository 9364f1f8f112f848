// The type of `request.user` in the functions that an application writes: what it says, for all doors at once. Without that it is `any`, as
// other specs use it.
import { resolve } from 'node:path';
import ts from '@typescript/typescript6';

const DECLARED = `
declare module 'nest-audit-trail' {
  interface AuditRequestUser { readonly id: number; readonly tenant: { readonly id: string } }
}`;

/** A module of an application's, which reads this of its users. */
function applicationReading(field: string): string {
  return `
import { Audit } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { audited } from 'nest-audit-trail/express';
import type { AuditRouteOptions } from 'nest-audit-trail/fastify';
import type { ToldRoute } from 'nest-audit-trail/node';
export const nest = Audit({ resource: 'user', resourceId: ({ user }) => user.${field} });
export const express = audited({ resource: 'user', resourceId: ({ user }) => user.${field} });
export const fastify: AuditRouteOptions = { resourceId: ({ user }) => user.${field} };
export const node: ToldRoute = { details: ({ user }) => ({ by: user.${field} }) };
export const options: AuditModuleOptions = { capture: { resolve: { user: ({ user }) => user?.${field} } } };
`;
}

/** Compiles the modules together. @returns what is wrong with each, by its name */
function compile(modules: Readonly<Record<string, string>>): Record<string, string[]> {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
  };
  const texts = new Map(Object.entries(modules).map(([name, text]) => [resolve('test', `${name}.ts`), text]));
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (name) => texts.has(name) || fileExists(name);
  host.getSourceFile = (name, target, ...rest) => {
    const text = texts.get(name);
    return text === undefined
      ? getSourceFile(name, target, ...rest)
      : ts.createSourceFile(name, text, target);
  };
  const program = ts.createProgram([...texts.keys()], options, host);
  const faultsOf = (name: string) =>
    program
      .getSemanticDiagnostics(program.getSourceFile(resolve('test', `${name}.ts`)))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
  return Object.fromEntries(Object.keys(modules).map((name) => [name, faultsOf(name)]));
}

it('is what the application says, once for all doors', () => {
  const faults = compile({
    types: `${DECLARED}\nexport {};\nimport 'nest-audit-trail';`,
    right: applicationReading('tenant.id'),
    wrong: applicationReading('name'),
  });
  expect(faults).toEqual({
    types: [],
    right: [],
    wrong: Array.from({ length: 5 }, () =>
      expect.stringContaining("Property 'name' does not exist on type 'AuditRequestUser'"),
    ),
  });
});
