import { AuditError } from '../../event/audit-error.js';
import { createEventId } from '../../event/event-id.js';
import { raise } from '../../event/raised-event.js';
import type { AuditRecorder } from '../../recorder/audit-recorder.js';
import { inContext } from '../../trail/in-context.js';
import type { ComplianceRule } from './compliance-rule.js';
import { RULE_CREATED, RULE_DELETED, RULE_UPDATED } from './raised-events.js';
import type { RuleBook } from './rule-book.js';
import type { RuleStage } from './rule-stage.js';

/** A rule as it was and as it is: none was there before, or is there after; or neither, where nothing changes. */
interface Change {
  readonly before: ComplianceRule | undefined;
  readonly after: ComplianceRule | undefined;
}

/** Reads and changes the compliance rules of this process. Injected. */
export class ComplianceRules {
  /** The last change, so that the next begins after it. */
  private changing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly stage: Pick<RuleStage, 'book'>,
    private readonly recorder: AuditRecorder,
  ) {}

  /** The rules in their order, those that are off included, with their defaults filled in. */
  list(): readonly ComplianceRule[] {
    return this.stage.book.rules;
  }

  /**
   * Adds a rule, or replaces the one with its id; in this process, until it ends. The change is an event itself, judged
   * by the rules as they were before: whoever turns off the rule that watches for it is still seen.
   *
   * @returns the rule with its defaults filled in, once it is in force
   * @throws AuditError `AUDIT_INVALID_RULE` naming rule and field; as `AuditService.record()` where the change can't be recorded.
   *   Then nothing has changed, and where the event of the change is delivered later anyway, another one says so
   */
  async set(rule: ComplianceRule): Promise<ComplianceRule> {
    const { after } = await this.change((book) => book.set(rule));
    return after!;
  }

  /**
   * Turns a rule on or off, as {@link set} does.
   *
   * @throws AuditError `AUDIT_INVALID_RULE` where there is none of this id, too
   */
  async enable(id: string, enabled: boolean): Promise<ComplianceRule> {
    const { after } = await this.change((book) => book.enable(id, enabled));
    return after!;
  }

  /**
   * Removes a rule, as {@link set} changes one.
   *
   * @returns whether there was one of this id
   */
  async remove(id: string): Promise<boolean> {
    const { before } = await this.change((book) => book.remove(id));
    return before !== undefined;
  }

  /** One change after another: each begins with the rules that the one before it left. */
  private change(make: (book: RuleBook) => RuleBook): Promise<Change> {
    const changed = this.changing.then(() => this.recordChange(make));
    this.changing = changed.catch(() => undefined);
    return changed;
  }

  private async recordChange(make: (book: RuleBook) => RuleBook): Promise<Change> {
    const { stage, recorder } = this;
    const { book } = stage;
    const changed = make(book);
    const change = { before: onlyIn(book, changed), after: onlyIn(changed, book) };
    const { before, after } = change;
    const { id: resourceId } = after ?? before ?? {};
    if (resourceId === undefined) return change;
    const raised = before ? (after ? RULE_UPDATED : RULE_DELETED) : RULE_CREATED;
    const draft = inContext({ ...raise(raised, change), resourceId });
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
    // Only now: the event is judged by the rules before it.
    stage.book = changed;
    return change;
  }
}

/** The rule that the other book does not have, or has otherwise. */
function onlyIn({ rules }: RuleBook, other: RuleBook): ComplianceRule | undefined {
  return rules.find((rule) => !other.rules.includes(rule));
}
