import type { RequestFacts } from '../../capture/recording.js';
import { PathPattern } from './path-pattern.js';
import type { RequestPath } from './request-path.js';
import type { PolicyMatch } from './policy-rule.js';

/** A subject on its way through the rules: its path is read once, by the first that asks. */
export interface ReadSubject {
  readonly facts: RequestFacts;
  readonly path: () => RequestPath;
}

/** One of the things that a rule's `match` asks for. */
export interface PolicyCondition {
  readonly field: keyof PolicyMatch;
  /** Which fact it needs. */
  readonly fact: keyof RequestFacts;
  /** For people: `path '/reports/**'`. */
  readonly text: string;
  /** `undefined` where the fact is not known (yet). */
  readonly isMet: (subject: ReadSubject) => boolean | undefined;
}

/**
 * What a rule asks for, ready to be asked. What is recorded is matched generously, and what is not to the letter: a
 * request whose spelling or method readers may take for another's must not get by.
 *
 * @param match checked by `checkPolicy`
 * @param silences whether the rule's level is `none`
 */
export function conditionsOf(match: PolicyMatch, silences: boolean): PolicyCondition[] {
  const conditions: PolicyCondition[] = [];
  const add = (
    field: keyof PolicyMatch,
    fact: keyof RequestFacts,
    test: (subject: ReadSubject) => boolean,
  ) => {
    const wanted = listOf<string | number>(match[field]).map((value) =>
      typeof value === 'string' ? `'${value}'` : String(value),
    );
    const isMet = (subject: ReadSubject) => {
      const value = subject.facts[fact];
      if (value === undefined) return undefined;
      return value === null ? false : test(subject);
    };
    conditions.push({ field, fact, text: `${field} ${wanted.join(' or ')}`, isMet });
  };
  const equals = (field: 'route' | 'controller' | 'user' | 'tenant') => {
    const wanted = new Set(listOf(match[field]));
    if (wanted.size > 0) add(field, field, ({ facts }) => wanted.has(facts[field]!));
  };

  const methods = new Set(listOf(match.method).map((method) => method.toUpperCase()));
  if (methods.has('GET') && !silences) methods.add('HEAD');
  if (methods.size > 0) add('method', 'method', ({ facts }) => methods.has(facts.method!.toUpperCase()));
  const patterns = listOf(match.path).map((text) => new PathPattern(text));
  if (patterns.length > 0) {
    add('path', 'path', ({ path }) =>
      patterns.some((pattern) => (silences ? pattern.fitsToTheLetter(path()) : pattern.fits(path()))),
    );
  }
  equals('route');
  equals('controller');
  equals('user');
  equals('tenant');
  const roles = listOf(match.role);
  if (roles.length > 0)
    add('role', 'roles', ({ facts }) => roles.some((role) => facts.roles!.includes(role)));
  const statuses = new Set(listOf(match.status).map(String));
  if (statuses.size > 0) {
    add('status', 'status', ({ facts: { status } }) => {
      const kind = `${Math.floor(status! / 100)}xx`;
      return statuses.has(String(status)) || statuses.has(kind);
    });
  }
  return conditions;
}

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
