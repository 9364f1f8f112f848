import { AuditError } from '../../event/audit-error.js';
import type { AuditEventInput } from '../../event/audit-event-input.js';
import { createEventId } from '../../event/event-id.js';
import { raise } from '../../event/raised-event.js';
import type { AuditRecorder } from '../../recorder/audit-recorder.js';
import { inContext } from '../../trail/in-context.js';
import type { ComplianceRule } from './compliance-rule.js';
import { RULE_CREATED, RULE_DELETED, RULE_UPDATED } from './raised-events.js';
import type { RuleBook } from './rule-book.js';

/** Reads and changes the compliance rules of this process. Injected. */
export class ComplianceRules {
  /** The last change, so that the next begins after it. */
  private changing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly book: RuleBook,
    private readonly recorder: AuditRecorder,
  ) {}

  /** The rules in their order, those that are off included, with their defaults filled in. */
  list(): readonly ComplianceRule[] {
    return this.book.rules;
  }

  /**
   * Adds a rule, or replaces the one with its id; in this process, until it ends. The change is an event itself, judged
   * by the rules as they were before: whoever turns off the rule that watches for it is still seen.
   *
   * @returns the rule with its defaults filled in, once it is in force
   * @throws AuditError `AUDIT_INVALID_RULE` naming rule and field; as `AuditService.record()` where the change can't be recorded.
   *   Then nothing has changed, and where the event of the change is delivered later anyway, another one says so
   */
  set(rule: ComplianceRule): Promise<ComplianceRule> {
    return this.change(() => this.book.set(rule));
  }

  /**
   * Turns a rule on or off, as {@link set} does.
   *
   * @throws AuditError `AUDIT_INVALID_RULE` where there is none of this id, too
   */
  enable(id: string, enabled: boolean): Promise<ComplianceRule> {
    return this.change(() => this.book.enable(id, enabled));
  }

  /**
   * Removes a rule, as {@link set} changes one.
   *
   * @returns whether there was one of this id
   */
  async remove(id: string): Promise<boolean> {
    const removed = await this.change(() => (this.book.remove(id) ? { id } : undefined));
    return removed !== undefined;
  }

  /** One change after another: each begins with the rules that the one before it left. */
  private change<T extends { readonly id: string } | undefined>(make: () => T): Promise<T> {
    const changed = this.changing.then(() => this.recordChange(make));
    this.changing = changed.catch(() => undefined);
    return changed;
  }

  private async recordChange<T extends { readonly id: string } | undefined>(make: () => T): Promise<T> {
    const { book, recorder } = this;
    const before = book.rules;
    const changed = make();
    if (changed === undefined) return changed;
    const after = book.rules;
    // Until the event is there the change is none: it is judged by the rules before it.
    book.restore(before);
    const draft = inContext(ruleChange(changed.id, before, after));
    const id = createEventId(Date.now());
    try {
      await recorder.recordSafely({ ...draft, id });
    } catch (error) {
      // Its event is in the journal, and must not tell of what never was.
      if (error instanceof AuditError && error.code === 'AUDIT_UNAVAILABLE') {
        recorder.record({ ...draft, outcome: 'failure', details: { eventId: id, reason: error.code } });
      }
      throw error;
    }
    book.restore(after);
    return changed;
  }
}

/** The event of a change of the rules: which one, what it was, and what it is now. */
function ruleChange(
  id: string,
  rulesBefore: readonly ComplianceRule[],
  rulesAfter: readonly ComplianceRule[],
): AuditEventInput {
  const [before, after] = [rulesBefore, rulesAfter].map((rules) => rules.find((rule) => rule.id === id));
  const change = before ? (after ? RULE_UPDATED : RULE_DELETED) : RULE_CREATED;
  return { ...raise(change, { before, after }), resourceId: id };
}
