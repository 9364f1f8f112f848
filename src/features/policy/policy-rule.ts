import type { RecordingLevel, RecordingRule } from '../../capture/recording.js';

/** How much of a request is recorded; each level has all of those before it. */
export const POLICY_LEVELS = [
  'none',
  'metadata',
  'request',
  'response',
] as const satisfies readonly RecordingLevel[];

type OneOrMore<T> = T | readonly T[];

/** Which requests a rule is for: all that are given must be met, of a list one. Nothing given is every request. */
export interface PolicyMatch {
  /** By segments: `*` is any one, `**` any number. `'/reports/**'` */
  readonly path?: OneOrMore<string>;
  /** The platform's pattern, as in `metadata.route`. `'/invoices/:id'` */
  readonly route?: OneOrMore<string>;
  /** In any case; `GET` also means `HEAD`, which platforms give to the same handlers, except in a rule of level `none`. */
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
export interface PolicyRule extends RecordingRule {
  /** What explanations call it, unique in its policy. @defaultValue its place, `#0` for the first */
  readonly id?: string;
  /** For those who read the policy. */
  readonly description?: string;
  /** @defaultValue every request */
  readonly match?: PolicyMatch;
}

/** The rules in their order, of which the first that matches decides, or a JSON file of them. */
export type PolicyOptions = readonly PolicyRule[] | { readonly file: string };
