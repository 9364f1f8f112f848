import type {
  RecordingDecision,
  RecordingLevel,
  RecordingPolicy,
  RequestFacts,
} from '../../capture/recording.js';
import { checkPolicy } from './check-policy.js';
import { checkSubject } from './check-subject.js';
import { conditionsOf } from './policy-condition.js';
import type { PolicyCondition, ReadSubject } from './policy-condition.js';
import type { PolicyOptions, PolicyRule } from './policy-rule.js';
import { readPath } from './request-path.js';
import type { RequestPath } from './request-path.js';

/** Why a request is recorded as it is, for people. */
export interface PolicyExplanation {
  /** Absent where no rule matches: `@Audit()` and the capture options decide. */
  readonly level?: RecordingLevel;
  /** The rule's id, else its place: `#2` is `policy[2]`. */
  readonly rule?: string;
  readonly reason: string;
}

interface CompiledRule {
  readonly rule: PolicyRule;
  readonly name: string;
  readonly conditions: readonly PolicyCondition[];
}

/**
 * Which requests are recorded and how much of each, as data: the first rule that matches decides. Pure: it answers the
 * same for the same facts, and reads nothing else. Injected, to ask it by {@link explain}.
 */
export class AuditPolicy implements RecordingPolicy {
  private readonly rules: readonly CompiledRule[];

  /** @throws AuditError `AUDIT_INVALID_OPTIONS` naming rule and field */
  constructor(options: PolicyOptions) {
    this.rules = checkPolicy(options).map((rule, index) => ({
      // A copy: what the application does to its object later changes nothing.
      rule: structuredClone(rule),
      name: rule.id ?? `#${index}`,
      conditions: conditionsOf(rule.match ?? {}, rule.level === 'none'),
    }));
  }

  /** Whether a rule records what it matches. */
  get records(): boolean {
    return this.rules.some(({ rule }) => rule.level !== 'none');
  }

  /** Whether a rule records what handlers return. */
  get readsResults(): boolean {
    return this.rules.some(({ rule }) => rule.level === 'response');
  }

  /** The first rule that surely matches, and those before it that may. Never throws. */
  decide(facts: RequestFacts): RecordingDecision<PolicyRule> {
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
   * Says which rule decides on such a request and why, and what else would have to be known to be sure.
   *
   * @param facts what is known of it: `{ method: 'GET', path: '/invoices/7' }`
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the fact that can't be
   */
  explain(facts: RequestFacts): PolicyExplanation {
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
        const missing = conditions.filter(({ isMet }) => isMet(subject) === undefined);
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

/** All that are given must be met: one that is not is enough, whatever is not known yet. */
function verdictOf(conditions: readonly PolicyCondition[], subject: ReadSubject): boolean | undefined {
  let verdict: boolean | undefined = true;
  for (const { isMet } of conditions) {
    const met = isMet(subject);
    if (met === false) return false;
    if (met === undefined) verdict = undefined;
  }
  return verdict;
}

/** Whether a rule of level `none` would match, were it as generous as the others. */
function isMisspelt(rule: PolicyRule, conditions: readonly PolicyCondition[], subject: ReadSubject): boolean {
  if (rule.level !== 'none' || conditions.length === 0) return false;
  return verdictOf(conditionsOf(rule.match ?? {}, false), subject) !== false;
}

function readOnce(facts: RequestFacts): ReadSubject {
  let read: RequestPath | undefined;
  return { facts, path: () => (read ??= readPath(facts.path ?? '')) };
}
