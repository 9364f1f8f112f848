// The shape of the source: rooms import one way, nothing optional is loaded unasked.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** The rooms, and which others each may import, types included. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  event: [],
  ledger: ['event'],
  store: ['event', 'ledger'],
  journal: ['event'],
  sealer: ['event', 'ledger', 'store'],
  delivery: ['event', 'ledger', 'store', 'journal', 'sealer'],
  // From here on no room of the core knows a feature.
  recorder: ['event', 'store', 'journal', 'delivery'],
  capture: ['event', 'delivery', 'recorder'],
  trail: ['event', 'ledger', 'store', 'journal', 'delivery', 'recorder', 'capture', 'sealer'],
  engine: ['event', 'store', 'delivery', 'recorder', 'capture', 'trail', 'sealer'],
  nest: ['engine', 'event', 'store', 'delivery', 'recorder', 'capture', 'trail'],
  express: ['engine', 'event', 'capture', 'trail'],
  fastify: ['engine', 'event', 'capture', 'delivery', 'trail'],
  node: ['engine', 'event', 'capture', 'trail'],
  endpoints: ['event', 'ledger', 'trail'],
  testing: ['event', 'store', 'engine', 'trail'],
  // It has no list of features, and loads what verifies of each.
  cli: ['event', 'ledger', 'store', 'sealer', 'capture', 'trail', 'features/retention'],
  'features/health': ['store', 'delivery', 'engine', 'trail'],
  'features/listeners': ['event', 'store', 'recorder', 'engine', 'trail'],
  'features/metrics': ['event', 'delivery', 'recorder', 'engine'],
  'features/policy': ['event', 'capture', 'engine'],
  'features/retention': ['event', 'ledger', 'store', 'recorder', 'engine', 'trail'],
  'features/risk': ['event', 'store', 'recorder', 'engine'],
  'features/rules': ['event', 'store', 'recorder', 'engine', 'trail'],
  'features/protection': ['event', 'ledger', 'store', 'journal', 'delivery', 'recorder', 'engine', 'trail'],
  'features/access': ['event', 'recorder', 'engine', 'trail'],
  'features/authentication': ['event', 'capture', 'engine', 'trail'],
  'features/detection': ['event', 'store', 'recorder', 'engine'],
};
/** Those that know Nest. */
const NEST_ROOMS = ['endpoints', 'features/listeners', 'nest', 'testing'];
const SRC = resolve('src');

const files = (readdirSync(SRC, { recursive: true }) as string[]).filter((file) => file.endsWith('.ts'));

/** The files that a source file imports from the project, for types alone or when it runs too, and the packages. */
function importsOf(file: string): { own: string[]; packages: string[] } {
  const text = readFileSync(join(SRC, file), 'utf8');
  const specifiers = [...text.matchAll(/(?:\bfrom |\bimport |\bimport\()'([^']+)'/g)].map(
    (match) => match[1]!,
  );
  return {
    own: specifiers
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => relative(SRC, resolve(SRC, dirname(file), specifier)).replace(/\.js$/, '.ts')),
    packages: specifiers.filter((specifier) => !specifier.startsWith('.')),
  };
}

/** A room is a folder of the source, or one of a feature. */
const roomOf = (file: string) => /^(features\/[^/]+|[^/]+)\//.exec(file)?.[1] ?? '';

describe('architecture', () => {
  it('knows every room', () => {
    expect([...new Set(files.map(roomOf).filter(Boolean))].sort()).toEqual(Object.keys(ROOMS).sort());
  });

  it('imports from a room what that room may be imported by, and lists no more', () => {
    const imported = new Map(Object.keys(ROOMS).map((room) => [room, new Set<string>()]));
    for (const file of files) {
      const room = roomOf(file);
      for (const own of importsOf(file).own) if (roomOf(own) !== room) imported.get(room)?.add(roomOf(own));
    }
    const sorted = (rooms: Iterable<readonly [string, Iterable<string>]>) =>
      Object.fromEntries([...rooms].map(([room, others]) => [room, [...others].sort()]));
    expect(sorted(imported)).toEqual(sorted(Object.entries(ROOMS)));
  });

  it('has no import cycle, types included', () => {
    const visiting = new Set<string>();
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (done.has(file)) return;
      if (visiting.has(file)) throw new Error(`Cycle: ${[...path, file].join(' -> ')}`);
      visiting.add(file);
      for (const own of importsOf(file).own) visit(own, [...path, file]);
      visiting.delete(file);
      done.add(file);
    };
    expect(() => files.forEach((file) => visit(file, []))).not.toThrow();
  });

  it('knows Nest in its rooms, SQL in the store and in what features read by themselves', () => {
    const users = (pattern: RegExp) =>
      [
        ...new Set(
          files.filter((file) => importsOf(file).packages.some((name) => pattern.test(name))).map(roomOf),
        ),
      ].sort();
    expect(users(/^@nestjs\//)).toEqual(NEST_ROOMS);
    const loading = files.filter((file) =>
      /^import \{[^}]*\} from 'typeorm'/m.test(readFileSync(join(SRC, file), 'utf8')),
    );
    // The door needs the class as the token of the default data source, and features declare their tables.
    const others = loading.filter((file) => roomOf(file) !== 'store' && !file.endsWith('.entity.ts'));
    expect([...new Set(others.map(roomOf))]).toEqual(['nest']);
    const sql = files.filter((file) =>
      /\b(SELECT|INSERT INTO|CREATE TABLE|andWhere)\b/.test(
        readFileSync(join(SRC, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''),
      ),
    );
    expect([...new Set(sql.map(roomOf))].sort()).toEqual([
      'features/detection',
      'features/protection',
      'features/retention',
      'features/risk',
      'store',
    ]);
  });

  it('loads no feature that is a plug-in without its import', () => {
    const reached = new Set<string>();
    const reach = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const own of importsOf(file).own) reach(own);
    };
    // The command line verifies what any feature has done, so it has them all.
    const entries = ['index.ts', 'ledger/index.ts', 'store/index.ts', 'delivery/thread/database.worker.ts'];
    for (const entry of entries) reach(entry);
    expect([...reached].filter((file) => roomOf(file).startsWith('features/'))).toEqual([]);
  });

  it('needs no package of Nest at the doors of other platforms', () => {
    const reached = new Set<string>();
    const reach = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const own of importsOf(file).own) reach(own);
    };
    for (const door of ['express', 'fastify', 'node']) reach(`${door}/index.ts`);
    const doors = new Set([...reached].map(roomOf));
    // Its decorators stand beside what the other doors take.
    reach('features/authentication/index.ts');
    const packages = [...reached].flatMap((file) => importsOf(file).packages);
    expect(packages.filter((name) => name.startsWith('@nestjs/'))).toEqual([]);
    expect([...doors].filter((room) => NEST_ROOMS.includes(room) || room.startsWith('features/'))).toEqual(
      [],
    );
  });

  it('loads no package that it does not declare', () => {
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
      string,
      Record<string, unknown>
    >;
    const optional = Object.keys(manifest['peerDependenciesMeta']!);
    const declared = [
      ...Object.keys(manifest['dependencies']!),
      ...Object.keys(manifest['peerDependencies']!),
    ];
    const used = [...new Set(files.flatMap((file) => importsOf(file).packages))].filter(
      // Messages and examples name the package itself.
      (name) => !name.startsWith('node:') && !name.startsWith('nest-audit-trail/'),
    );
    // Node's own types and Express's never appear either.
    expect(used.filter((name) => !declared.includes(name))).toEqual([]);
    const isType = (text: string) => /^(import|export) type /.test(text);
    const atStart = files.flatMap((file) =>
      [...readFileSync(join(SRC, file), 'utf8').matchAll(/^(?:import|export) [^;]*?\bfrom '([^.'][^']*)';/gm)]
        .filter(([text]) => !isType(text))
        .map(([, name]) => [roomOf(file), name!] as const),
    );
    // A door needs its platform, and of Fastify only the types.
    const early = atStart.filter(
      ([room, name]) =>
        optional.includes(name) && !(NEST_ROOMS.includes(room) && name.startsWith('@nestjs/')),
    );
    expect(early).toEqual([]);
    // Loaded only by the feature `metrics`, when it starts.
    const late = used.filter(
      (name) => optional.includes(name) && name !== 'fastify' && !name.startsWith('@nestjs/'),
    );
    expect(late).toEqual(['@opentelemetry/api']);
  });

  it('leads to the entry for Nest from no type of a room', () => {
    const built = readdirSync('dist/esm', { recursive: true, encoding: 'utf8' });
    const types = built.filter((file) => file.endsWith('.d.ts') && file !== 'index.d.ts');
    expect(types.length).toBeGreaterThan(300);
    // A type that nobody has written down is found by the compiler where it is exported first.
    const leading = types.filter((file) =>
      /["'](?:\.\.?\/)+index\.js["']/.test(readFileSync(join('dist/esm', file), 'utf8')),
    );
    expect(leading).toEqual([]);
  });
});
