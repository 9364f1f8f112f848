// What a user meets: the values of the package's door, the methods of its service, and no type that neither they nor an option need.
import * as door from 'nest-audit-trail';
import * as tables from 'nest-audit-trail/typeorm';
import { resolve } from 'node:path';
import ts from '@typescript/typescript6';
import { ownProgram } from '../support/own-program.js';

const ENTRY = resolve('dist/esm/index.d.ts');

describe('the door', () => {
  it('exports exactly these values', () => {
    expect(Object.keys(door).sort()).toEqual([
      'AUDIT_ERROR_CODES',
      'Audit',
      'AuditError',
      'AuditEventRepository',
      'AuditModule',
      'AuditQueryDto',
      'AuditService',
      'CATEGORIES',
      'NoAudit',
      'OUTCOMES',
      'SEVERITIES',
      'defineAuditActions',
      'pseudonym',
    ]);
  });

  describe('in its types', () => {
    let checker: ts.TypeChecker;
    let exported: readonly ts.Symbol[];
    const original = (symbol: ts.Symbol) =>
      symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;

    beforeAll(() => {
      const program = ownProgram([ENTRY], { module: ts.ModuleKind.NodeNext, skipLibCheck: true });
      checker = program.getTypeChecker();
      const entry = checker.getSymbolAtLocation(program.getSourceFile(ENTRY)!)!;
      exported = checker.getExportsOfModule(entry).map(original);
      // A compiler takes its time on a busy machine.
    }, 120_000);

    it('has none that is not in the signature of a value or of an option', () => {
      const values = exported.filter(({ flags }) => flags & ts.SymbolFlags.Value);
      const reached = new Set<ts.Symbol>();
      const reach = (symbol: ts.Symbol): void => {
        if (reached.has(symbol)) return;
        reached.add(symbol);
        for (const node of symbol.declarations ?? []) {
          if (node.getSourceFile().fileName.startsWith(resolve('dist/'))) visit(node);
        }
      };
      const visit = (node: ts.Node): void => {
        // Nest makes the service; nobody else does.
        if (ts.isConstructorDeclaration(node)) return;
        const symbol = ts.isIdentifier(node) ? checker.getSymbolAtLocation(node) : undefined;
        if (symbol) reach(original(symbol));
        ts.forEachChild(node, visit);
      };
      values.forEach(reach);
      const unused = exported.filter((symbol) => !reached.has(symbol)).map(({ name }) => name);
      // A class of this type is what `useClass` and `useExisting` name; Nest derives the type of these.
      expect(unused).toEqual(['AuditOptionsFactory']);
      expect(exported.length).toBeGreaterThan(values.length);
    });

    it('has an AuditService with exactly these methods', () => {
      const service = exported.find(({ name }) => name === 'AuditService')!;
      const declaration = service.valueDeclaration as ts.ClassDeclaration;
      const methods = declaration.members
        .filter((member) => !(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private))
        .filter((member) => !ts.isConstructorDeclaration(member))
        .map((member) => (member.name as ts.Identifier).text);
      expect(methods.sort()).toEqual([
        'annotate',
        'checkpoint',
        'deadLetters',
        'deny',
        'find',
        'findById',
        'flush',
        'history',
        'observe',
        'prove',
        'record',
        'replayDeadLetters',
        'runAs',
        'sources',
        'statistics',
        'status',
        'stream',
        'verify',
      ]);
    });
  });
});

it('has the tables for TypeORM in an entry of their own', () => {
  expect(Object.keys(tables).sort()).toEqual([
    'AUDIT_ENTITIES',
    'AUDIT_MIGRATIONS',
    'AUDIT_MIGRATIONS_TABLE',
    'AuditCheckpointEntity',
    'AuditDeadLetterEntity',
    'AuditEventEntity',
    'AuditLeafEntity',
    'AuditLeaseEntity',
    'AuditSettingEntity',
    'AuditSourceEntity',
    'AuditTileEntity',
    'databaseOptionsOf',
  ]);
});
