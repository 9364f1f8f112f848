// What a feature says of which requests are recorded and how much of each. Without one, `@Audit()` and the options decide.
import type { FieldSelection } from './select-fields.js';

/**
 * What is known of a request. An absent fact is not known (yet): a rule that asks for it may still match. `null` is
 * known to be none: no rule that asks for it matches.
 */
export interface RequestFacts {
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

/**
 * `none`: nothing. `metadata`: that it happened, and what the application says of it. `request`: its body and query,
 * too. `response`: and what its handler returned.
 */
export type RecordingLevel = 'none' | 'metadata' | 'request' | 'response';

/** How much of a request is recorded. */
export interface RecordingRule {
  /** How much of a request it records. */
  readonly level: RecordingLevel;
  /** From level `request` on. @defaultValue as `@Audit()` and `capture.body` say, else all */
  readonly body?: FieldSelection;
  /** From level `request` on. @defaultValue as `@Audit()` and `capture.query` say, else all */
  readonly query?: FieldSelection;
  /** Fields of what the handler returned, with level `response`; of a list, of each of its items. @defaultValue all */
  readonly response?: FieldSelection;
}

/** What is decided of a request, as far as its facts are known. */
export interface RecordingDecision<Rule extends RecordingRule = RecordingRule> {
  /** The rule that surely decides; without one, `@Audit()` and the options of capture do. */
  readonly rule?: Rule;
  /** The rules that would decide instead if facts that are not known yet turn out so. */
  readonly undecided: readonly Rule[];
}

/** Decides what is recorded of requests, above `@Audit()` and the options of capture. */
export interface RecordingPolicy {
  /** Whether it may record what those leave out, so that every request is followed. */
  readonly records: boolean;
  /** Whether it may ask for what a handler returned. */
  readonly readsResults: boolean;
  /** Asked until no rule waits for a fact, and again where a fact has changed. */
  decide(facts: RequestFacts): RecordingDecision;
}
