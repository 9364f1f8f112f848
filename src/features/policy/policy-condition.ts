import type { RequestFacts } from '../../capture/recording.js';
import { pathTest } from './path-pattern.js';
import type { RequestPath } from './request-path.js';
import type { PolicyMatch } from './policy-rule.js';

/** A subject on its way through the rules: its path is read once, by the first that asks. */
export interface ReadSubject {
  readonly facts: RequestFacts;
  readonly path: () => RequestPath;
}

/** One of the things that a rule's `match` asks for. */
export interface PolicyCondition {
  /** For people: `path '/reports/**'`. */
  readonly text: string;
  /** `undefined` where the fact is not known (yet). */
  readonly isMet: (subject: ReadSubject) => boolean | undefined;
}

type Field = keyof PolicyMatch;

/** Asks a subject of which the fact is known. */
type Test = (subject: ReadSubject) => boolean;

const isOneOf = (fact: 'route' | 'controller' | 'user' | 'tenant') => (wanted: readonly string[]) => {
  const all = new Set(wanted);
  return ({ facts }: ReadSubject) => all.has(facts[fact]!);
};

/** What each field asks for, in the order in which they are asked. */
const TESTS: Readonly<Record<Field, (wanted: readonly string[], silences: boolean) => Test>> = {
  method: (wanted, silences) => {
    const methods = new Set(wanted.map((method) => method.toUpperCase()));
    if (methods.has('GET') && !silences) methods.add('HEAD');
    return ({ facts }) => methods.has(facts.method!.toUpperCase());
  },
  path: (wanted, silences) => {
    const tests = wanted.map((text) => pathTest(text, silences));
    return ({ path }) => tests.some((fits) => fits(path()));
  },
  route: isOneOf('route'),
  controller: isOneOf('controller'),
  user: isOneOf('user'),
  tenant: isOneOf('tenant'),
  role: (wanted) => {
    return ({ facts }) => wanted.some((role) => facts.roles!.includes(role));
  },
  status: (wanted) => {
    return ({ facts: { status } }) =>
      wanted.includes(String(status)) || wanted.includes(`${Math.floor(status! / 100)}xx`);
  },
};

/**
 * What a rule asks for, ready to be asked. What is recorded is matched generously, and what is not to the letter: a
 * request whose spelling or method readers may take for another's must not get by.
 *
 * @param match checked by `checkPolicy`
 * @param silences whether the rule's level is `none`
 */
export function conditionsOf(match: PolicyMatch, silences: boolean): PolicyCondition[] {
  const fields = (Object.keys(TESTS) as Field[]).filter((field) => match[field] !== undefined);
  return fields.map((field) => {
    const wanted = [match[field]!].flat();
    const test = TESTS[field](wanted.map(String), silences);
    const shown = wanted.map((value) => (typeof value === 'string' ? `'${value}'` : String(value)));
    const isMet = (subject: ReadSubject) => {
      const fact = subject.facts[field === 'role' ? 'roles' : field];
      if (fact === undefined) return undefined;
      return fact !== null && test(subject);
    };
    return { text: `${field} ${shown.join(' or ')}`, isMet };
  });
}
