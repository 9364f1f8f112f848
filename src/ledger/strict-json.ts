import { LedgerFormatError } from './format-error.js';

/** Objects and lists within each other. */
const DEPTH = 32;

/** What comes next in a text that is JSON. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * Parses JSON that says the same to everybody who reads it. `JSON.parse` takes the last of two members of one name, another reader the first;
 * and it rounds numbers that another reader does not.
 *
 * @throws LedgerFormatError where it is no JSON, has a member twice, is nested too deeply, or has a number that is not written as
 *   `JSON.stringify` writes it
 */
export function parseStrictJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new LedgerFormatError('It is no JSON.');
  }
  /** Of each object that is open the names that it has; of a list nothing. */
  const open: (Set<string> | undefined)[] = [];
  let isName = false;
  for (const [token] of text.matchAll(TOKEN)) {
    const names = open.at(-1);
    if (token === '{' || token === '[') {
      if (open.length === DEPTH) throw new LedgerFormatError(`It is nested deeper than ${DEPTH} levels.`);
      open.push(token === '{' ? new Set() : undefined);
      isName = token === '{';
    } else if (token === '}' || token === ']') open.pop();
    else if (token === ',') isName = names !== undefined;
    else if (token === ':') isName = false;
    else if (token.startsWith('"')) {
      if (!isName) continue;
      const name = JSON.parse(token) as string;
      if (names!.has(name)) throw new LedgerFormatError(`It has ${JSON.stringify(name)} twice.`);
      names!.add(name);
    } else if (/^[-\d]/.test(token) && JSON.stringify(Number(token)) !== token) {
      throw new LedgerFormatError(
        `Its number ${token.slice(0, 40)} is not written as numbers are in JSON of this library.`,
      );
    }
  }
  return value;
}
