import type { RaisedEvent } from '../../event/raised-event.js';
import { HOLD_ACTION, REMOVAL_ACTION } from '../../event/retention-actions.js';

const BY_PEOPLE = { resource: 'audit', category: 'compliance', outcome: 'success' } as const;

const OF_A_HOLD = {
  ...BY_PEOPLE,
  severity: 'high',
  tenant: "the hold's; `default` for all tenants",
} as const;

const HOLD_NOTE =
  'a signed note that says the same (`docs/comply/retention.md#legal-holds`); absent without a key';

export const REMOVAL = {
  ...BY_PEOPLE,
  action: REMOVAL_ACTION,
  severity: 'medium',
  when: 'events were removed by retention (`docs/comply/retention.md`): one for each batch. It has no number',
  tenant: 'theirs',
  details: {
    removed: 'how many',
    category: 'by which rule: of which category',
    keepDays: 'by which rule: after how many days',
    oldest: 'the time of the first',
    newest: 'the time of the last',
    record:
      'a [signed note](https://c2sp.org/signed-note), or without a key its text and an empty line: which leaves (`docs/comply/retention.md#what-an-auditor-sees`)',
  },
} as const satisfies RaisedEvent;

export const HOLD = {
  ...OF_A_HOLD,
  action: HOLD_ACTION,
  when: 'a legal hold was placed (`docs/comply/retention.md#legal-holds`); user, session and address are those of who did it. It has no number',
  details: {
    tenantId: 'what it covers',
    allTenants: '`true`: all tenants',
    userId: 'what it covers',
    resource: 'what it covers',
    resourceId: 'what it covers',
    from: 'what it covers: from this time on',
    to: 'what it covers: before this time',
    reason: 'why',
    placedBy: 'by whom',
    record: HOLD_NOTE,
  },
} as const satisfies RaisedEvent;

export const RELEASE = {
  ...OF_A_HOLD,
  action: 'audit.release-hold',
  when: 'a legal hold was lifted; else as `audit.hold`',
  details: { holdId: 'which', reason: 'why', liftedBy: 'by whom', record: HOLD_NOTE },
} as const satisfies RaisedEvent;
