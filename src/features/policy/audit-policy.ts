import { checkPolicy } from './check-policy.js';
import { checkSubject } from './check-subject.js';
import { conditionsOf } from './policy-condition.js';
import type { PolicyCondition, ReadSubject } from './policy-condition.js';
import type { PolicyLevel, PolicyOptions, PolicyRule, PolicySubject } from './policy-rule.js';
import { readPath } from './request-path.js';
import type { RequestPath } from './request-path.js';

/** What a policy says of a request, as far as its facts are known. */
export interface PolicyDecision {
  /** The first rule that surely matches; without one, `@Audit()` and the capture options decide. */
  readonly rule?: PolicyRule;
  /** The rules before it that would decide instead if facts that are not known yet turn out so. */
  readonly undecided: readonly PolicyRule[];
}

/** Why a request is recorded as it is, for people. */
export interface PolicyExplanation {
  /** Absent where no rule matches: `@Audit()` and the capture options decide. */
  readonly level?: PolicyLevel;
  /** The rule's id, else its place: `#2` is `policy[2]`. */
  readonly rule?: string;
  readonly reason: string;
}

interface CompiledRule {
  readonly rule: PolicyRule;
  readonly name: string;
  readonly conditions: readonly PolicyCondition[];
}

const NOTHING: PolicyDecision = { undecided: [] };

/**
 * Which requests are recorded and how much of each, as data: the first rule that matches decides. Pure: it answers the
 * same for the same facts, and reads nothing else.
 */
export class AuditPolicy {
  private readonly rules: readonly CompiledRule[];

  /** @throws AuditError `AUDIT_INVALID_OPTIONS` naming rule and field; nothing is the policy without rules */
  constructor(options: PolicyOptions | undefined) {
    this.rules = (options === undefined ? [] : checkPolicy(options)).map((rule, index) => ({
      // A copy: what the application does to its object later changes nothing.
      rule: structuredClone(rule),
      name: rule.id ?? `#${index}`,
      conditions: conditionsOf(rule.match ?? {}, rule.level === 'none'),
    }));
  }

  get isEmpty(): boolean {
    return this.rules.length === 0;
  }

  /** Whether a rule records what it matches, so that any request may have to be. */
  get records(): boolean {
    return this.rules.some(({ rule }) => rule.level !== 'none');
  }

  /** Whether a rule has the level, so that what it needs must be captured. */
  has(level: PolicyLevel): boolean {
    return this.rules.some(({ rule }) => rule.level === level);
  }

  /** Never throws. */
  decide(facts: PolicySubject): PolicyDecision {
    if (this.rules.length === 0) return NOTHING;
    const subject = readOnce(facts);
    const undecided: PolicyRule[] = [];
    for (const { rule, conditions } of this.rules) {
      const verdict = verdictOf(conditions, subject);
      if (verdict === true) return { rule, undecided };
      if (verdict === undefined) undecided.push(rule);
    }
    return { undecided };
  }

  /**
   * Says which rule decides and why, and what else would have to be known to be sure.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the fact that can't be
   */
  explain(facts: PolicySubject): PolicyExplanation {
    checkSubject(facts);
    const subject = readOnce(facts);
    const notes: string[] = [];
    for (const { rule, name, conditions } of this.rules) {
      const verdict = verdictOf(conditions, subject);
      if (verdict === true) {
        const why = conditions.map(({ text }) => text).join(', ') || 'it is for every request';
        const reason = `Rule ${name} decides, level ${rule.level}: ${why}.`;
        return { level: rule.level, rule: name, reason: [reason, ...notes].join(' ') };
      }
      if (verdict === undefined) {
        const missing = conditions.filter(({ holds }) => holds(subject) === undefined);
        notes.push(
          `Rule ${name}, level ${rule.level}, comes first if ${missing.map(({ text }) => text).join(', ')}, which was not given.`,
        );
      } else if (isMisspelt(rule, conditions, subject)) {
        notes.push(
          `Rule ${name}, level none, takes paths and methods only to the letter, and this request only resembles them.`,
        );
      }
    }
    const reason = 'No rule matches: @Audit() and the capture options decide.';
    return { reason: [reason, ...notes].join(' ') };
  }
}

/** All that are given must hold: one that does not is enough, whatever is not known yet. */
function verdictOf(conditions: readonly PolicyCondition[], subject: ReadSubject): boolean | undefined {
  let verdict: boolean | undefined = true;
  for (const { holds } of conditions) {
    const held = holds(subject);
    if (held === false) return false;
    if (held === undefined) verdict = undefined;
  }
  return verdict;
}

/** Whether a rule of level `none` would match, were it as generous as the others. */
function isMisspelt(rule: PolicyRule, conditions: readonly PolicyCondition[], subject: ReadSubject): boolean {
  if (rule.level !== 'none' || conditions.length === 0) return false;
  return verdictOf(conditionsOf(rule.match ?? {}, false), subject) !== false;
}

function readOnce(facts: PolicySubject): ReadSubject {
  let read: RequestPath | undefined;
  return { facts, path: () => (read ??= readPath(facts.path ?? '')) };
}
