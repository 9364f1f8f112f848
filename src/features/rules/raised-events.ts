import type { RaisedEvent } from '../../event/raised-event.js';

const OF_RULES = {
  resource: 'compliance-rule',
  severity: 'high',
  tenant: "the actor's, or `default`",
} as const;

const OF_A_CHANGE = {
  ...OF_RULES,
  category: 'compliance',
  outcome: 'success',
  details: {
    before: 'the rule as it was, `before.*`',
    after: 'the rule as it is now, `after.*`',
    eventId: 'of a failure: the event of the change that did not come into force',
    reason: 'of a failure: the code of the error',
  },
} as const;

export const RULE_CREATED = {
  ...OF_A_CHANGE,
  action: 'compliance-rule.create',
  when: 'a rule was added at run time (`docs/comply/rules.md#changing-rules-while-the-application-runs`)',
} as const satisfies RaisedEvent;

export const RULE_UPDATED = {
  ...OF_A_CHANGE,
  action: 'compliance-rule.update',
  when: 'a rule was changed',
} as const satisfies RaisedEvent;

export const RULE_DELETED = {
  ...OF_A_CHANGE,
  action: 'compliance-rule.delete',
  when: 'a rule was removed',
} as const satisfies RaisedEvent;

export const HANDLER_FAILED = {
  ...OF_RULES,
  action: 'compliance.action-failed',
  category: 'system',
  outcome: 'failure',
  when: 'the last try of a handler failed (`docs/comply/rules.md#actions`); `resourceId` is the rule',
  details: {
    action: 'which handler',
    eventId: 'the event that the rule matches',
    errorName: 'what the last try threw; `QueueFull` or `Closed` where there was no room or time for one',
    attempts: 'how often the handler was called',
    dropped: 'with `QueueFull`: how many were dropped since the last report',
  },
} as const satisfies RaisedEvent;
