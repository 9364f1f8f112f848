import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { BlockJudge, SentParts } from '../../recorder/block-judge.js';
import type { GivenJudgement, Judgement, Stage } from '../../recorder/stage.js';
import { isHandled } from './compliance-rule.js';
import type { ComplianceRule } from './compliance-rule.js';
import type { RuleBook } from './rule-book.js';

/** Has the rules judge events, and requests before their handlers. An event gets the ids of those that match after the flags that it was given. */
export class RuleStage implements Stage, BlockJudge {
  readonly name = 'rules';
  /**
   * By the flags of the event, which its copies share. What handlers are called for is never read from the flags themselves:
   * the application gives an event what flags it likes.
   */
  private readonly asked = new WeakMap<readonly string[], readonly ComplianceRule[]>();

  /** @param book the rules in force */
  constructor(public book: RuleBook) {}

  get canBlock(): boolean {
    return this.book.canBlock;
  }

  blocking(event: AuditLogEvent, sent: () => SentParts): ComplianceRule | undefined {
    const { book } = this;
    const values = book.sent.keys.length === 0 ? {} : book.sent.read(sent());
    const { method } = event.metadata;
    return book.blocking({
      ...event,
      details: { ...event.details, ...values },
      // Platforms give HEAD to the handlers of GET.
      metadata: { ...event.metadata, ...(method === 'HEAD' && { method: ['HEAD', 'GET'] }) },
    });
  }

  judge(event: AuditLogEvent, { blockedBy }: GivenJudgement): Judgement | undefined {
    const found = this.book.matching(event);
    const blocking = blockedBy && this.book.rules.find(({ id }) => id === blockedBy.id);
    if (found.length === 0 && !blocking) return undefined;
    const complianceFlags = [...new Set([...event.complianceFlags, ...found.map(({ id }) => id)])];
    const asking = [...new Set([...(blocking ? [blocking] : []), ...found])].filter(({ actions }) =>
      actions.some(isHandled),
    );
    if (asking.length > 0) this.asked.set(complianceFlags, asking);
    return { complianceFlags };
  }

  /** The rules found for the event that ask a handler of the application for something. */
  asking(event: AuditLogEvent): readonly ComplianceRule[] {
    return this.asked.get(event.complianceFlags) ?? [];
  }
}
