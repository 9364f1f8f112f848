// What a user meets: the values of the package's door, and no type that neither they nor an option need.
import * as door from 'nest-audit-trail';
import * as tables from 'nest-audit-trail/typeorm';
import { resolve } from 'node:path';
import ts from 'typescript';

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
      'OnAuditEvent',
      'SEVERITIES',
      'pseudonym',
    ]);
  });

  it('exports no type that is not in the signature of a value or of an option', () => {
    const program = ts.createProgram([ENTRY], { module: ts.ModuleKind.NodeNext, skipLibCheck: true });
    const checker = program.getTypeChecker();
    const entry = checker.getSymbolAtLocation(program.getSourceFile(ENTRY)!)!;
    const original = (symbol: ts.Symbol) =>
      symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const exported = checker.getExportsOfModule(entry).map(original);
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
});

it('has the tables for TypeORM in an entry of their own', () => {
  expect(Object.keys(tables).sort()).toEqual([
    'AUDIT_ENTITIES',
    'AUDIT_MIGRATIONS',
    'AUDIT_MIGRATIONS_TABLE',
    'AuditCheckpointEntity',
    'AuditDeadLetterEntity',
    'AuditEventEntity',
    'AuditKeyEntity',
    'AuditLeafEntity',
    'AuditLeaseEntity',
    'AuditSettingEntity',
    'AuditSourceEntity',
    'AuditTileEntity',
    'databaseOptionsOf',
  ]);
});
