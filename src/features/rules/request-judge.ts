import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { SecretTest } from '../../event/flatten.js';
import type { BlockingRule, BlockJudge, SentParts } from '../../recorder/block-judge.js';
import type { RuleBook } from './rule-book.js';
import { SentValues } from './sent-values.js';

/** Judges requests before their handlers, with what the rules that block ask of what a client sent. */
export class RequestJudge implements BlockJudge {
  /** For as long as the rules are the same. */
  private sentValues = new SentValues([]);

  constructor(
    private readonly rules: RuleBook,
    private readonly isSecretKey: SecretTest,
  ) {}

  get canBlock(): boolean {
    return this.rules.canBlock;
  }

  blocking(event: AuditLogEvent, sent: () => SentParts): BlockingRule | undefined {
    const { sentKeys } = this.rules;
    if (this.sentValues.keys !== sentKeys) this.sentValues = new SentValues(sentKeys);
    const values = sentKeys.length === 0 ? {} : this.sentValues.read(sent(), this.isSecretKey);
    const { method } = event.metadata;
    return this.rules.blocking({
      ...event,
      details: { ...event.details, ...values },
      // Platforms give HEAD to the handlers of GET.
      metadata: { ...event.metadata, ...(method === 'HEAD' && { method: ['HEAD', 'GET'] }) },
    });
  }
}
