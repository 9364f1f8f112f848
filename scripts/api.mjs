// Reads the documentation of every entry point as TypeDoc does, and fails on a warning: `npm run docs:api`, or `npm run docs:api -- <folder>`
// to write the pages. TypeDoc needs the compiler's API, which TypeScript 7 does not have: it gets that of TypeScript 6.
import { readFileSync } from 'node:fs';
import { register } from 'node:module';

const resolver = `export const resolve = (name, context, next) =>
  next(name === 'typescript' ? '@typescript/typescript6' : name, context);`;
register(`data:text/javascript,${encodeURIComponent(resolver)}`);
const { Application } = await import('typedoc');

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const entryPoints = Object.values(manifest.exports)
  .filter((entry) => typeof entry === 'object')
  .map(({ import: { types } }) => types.replace('./dist/esm/', './src/').replace(/\.d\.ts$/, '.ts'));

const app = await Application.bootstrap({
  entryPoints,
  tsconfig: 'tsconfig.json',
  excludeInternal: true,
  excludePrivate: true,
  // `npm run typecheck` does that.
  skipErrorChecking: true,
  // What a feature or a constructor gets of the core is described, and not exported: nobody makes one.
  validation: { notExported: false, invalidLink: true, notDocumented: false },
});
const project = await app.convert();
if (project) app.validate(project);
const [folder] = process.argv.slice(2);
if (project && folder) await app.generateDocs(project, folder);
if (!project || app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;
