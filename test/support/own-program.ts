// The TypeScript compiler on our own files alone, which takes a fraction of the time that the types of the packages take.
import ts from '@typescript/typescript6';

/** What the files declare, and what these import from each other. Of packages nothing is known: what comes from them is `any`. */
export function ownProgram(files: readonly string[], given: ts.CompilerOptions): ts.Program {
  const options = { ...given, types: [] };
  const host = ts.createCompilerHost(options);
  host.resolveModuleNameLiterals = (names, importer) =>
    names.map(({ text }) =>
      text.startsWith('.')
        ? ts.resolveModuleName(text, importer, options, host)
        : { resolvedModule: undefined },
    );
  return ts.createProgram(files, options, host);
}
