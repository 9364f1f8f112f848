import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { conditionsIn } from './check-condition.js';
import { compileConditions } from './compile-condition.js';
import type { Predicate } from './compile-condition.js';
import type { ComplianceRule } from './compliance-rule.js';
import { EventValues } from './event-values.js';
import { isSentField } from './sent-value.js';
import { SentValues } from './sent-values.js';

interface CompiledRule {
  readonly rule: ComplianceRule;
  readonly isMet: Predicate;
}

/** The enabled ones of some rules, ready to be tried on events. Of these it keeps some of the last texts, and which patterns were found in them. */
export class CompiledRules {
  /** What the rules that block read of what a client sent. */
  readonly sent: SentValues;
  readonly canBlock: boolean;
  private readonly enabled: readonly CompiledRule[];
  private readonly blockers: readonly CompiledRule[];
  private readonly values = new EventValues(false);
  private readonly valuesBefore = new EventValues(true);

  constructor(rules: readonly ComplianceRule[]) {
    const compile = (some: readonly ComplianceRule[], values: EventValues) => {
      const compiled = some.map((rule) => ({ rule, isMet: compileConditions(rule.conditions, values) }));
      values.compile();
      return compiled;
    };
    const enabled = rules.filter((rule) => rule.enabled);
    const blockers = enabled.filter(({ actions }) => actions?.includes('block'));
    this.enabled = compile(enabled, this.values);
    this.blockers = compile(blockers, this.valuesBefore);
    this.canBlock = blockers.length > 0;
    const fields = blockers.flatMap(({ conditions }) =>
      Array.from(conditionsIn(conditions), ([, { field }]) => field),
    );
    const sent = new Set(fields.filter(isSentField));
    // The event has it.
    sent.delete('resourceId');
    this.sent = new SentValues(Array.from(sent, (field) => field.slice('details.'.length)));
  }

  /** Those that match, in their order. */
  matching(event: AuditLogEvent): readonly ComplianceRule[] {
    if (this.enabled.length === 0) return [];
    return this.values.of(event, () => this.enabled.filter(({ isMet }) => isMet()).map(({ rule }) => rule));
  }

  /** The first that blocks and matches. @param event what is known of the request before its handler, body and query included */
  blocking(event: AuditLogEvent): ComplianceRule | undefined {
    if (!this.canBlock) return undefined;
    return this.valuesBefore.of(event, () => this.blockers.find(({ isMet }) => isMet())?.rule);
  }
}
