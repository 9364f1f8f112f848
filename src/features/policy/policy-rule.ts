import type { FieldSelection } from '../../capture/select-fields.js';

/** How much of a request is recorded; each level has all of those before it. */
export const POLICY_LEVELS = ['none', 'metadata', 'request', 'response'] as const;

/**
 * `none`: nothing. `metadata`: that it happened, and what the application says of it. `request`: its body and query,
 * too. `response`: and what its handler returned.
 */
export type PolicyLevel = (typeof POLICY_LEVELS)[number];

type OneOrMore<T> = T | readonly T[];

/** Which requests a rule is for: all that are given must hold, of a list one. Nothing given is every request. */
export interface PolicyMatch {
  /** By segments: `*` is any one, `**` any number. `'/reports/**'` */
  readonly path?: OneOrMore<string>;
  /** The platform's pattern, as in `metadata.route`. `'/invoices/:id'` */
  readonly route?: OneOrMore<string>;
  /** In any case; `GET` also means `HEAD`, which platforms give to the same handlers, but for a rule of level `none`. */
  readonly method?: OneOrMore<string>;
  /** The class name of the controller. */
  readonly controller?: OneOrMore<string>;
  /** Of the answer: `404`, or `'4xx'` for all of its kind. A client that left before has none. */
  readonly status?: OneOrMore<number | string>;
  /** As in `userId`. */
  readonly user?: OneOrMore<string>;
  /** As in `tenantId`. */
  readonly tenant?: OneOrMore<string>;
  /** One that the user has, as in `metadata.roles`. */
  readonly role?: OneOrMore<string>;
}

/** What is recorded of the requests that it matches. */
export interface PolicyRule {
  /** What explanations call it, unique in its policy. @defaultValue its place, `#0` for the first */
  readonly id?: string;
  /** For those who read the policy. */
  readonly description?: string;
  readonly level: PolicyLevel;
  /** @defaultValue every request */
  readonly match?: PolicyMatch;
  /** From level `request` on. @defaultValue as `@Audit()` and `capture.body` say, else all */
  readonly body?: FieldSelection;
  /** From level `request` on. @defaultValue as `@Audit()` and `capture.query` say, else all */
  readonly query?: FieldSelection;
  /** Fields of what the handler returned, with level `response`; of a list, of each of its items. @defaultValue all */
  readonly response?: FieldSelection;
}

/** The rules in their order, of which the first that matches decides, or a JSON file of them. */
export type PolicyOptions = readonly PolicyRule[] | { readonly file: string };

/**
 * What is known of a request. An absent fact is not known (yet): a rule that asks for it may still match. `null` is
 * known to be none: no rule that asks for it matches.
 */
export interface PolicySubject {
  /** As it was sent, without its query: percent-encoded. */
  readonly path?: string;
  readonly route?: string | null;
  readonly method?: string;
  readonly controller?: string | null;
  readonly status?: number | null;
  readonly user?: string | null;
  readonly tenant?: string | null;
  readonly roles?: readonly string[] | null;
}
