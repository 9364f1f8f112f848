import type { RaisedEvent } from '../event/raised-event.js';

export const LOG_REPLACED = {
  action: 'audit.log-replaced',
  resource: 'audit',
  category: 'security',
  severity: 'critical',
  outcome: 'failure',
  when: 'the log that this process wrote to is gone, and another one is in its place (`docs/start/production.md#if-the-database-is-lost`)',
  tenant: '`default`',
  details: {
    log: 'the id of the log now',
    previousLog: 'the id of the log before',
    previousSize: 'leaves of the last checkpoint that this process knew; absent where it knew none',
    previousRoot: 'its root',
  },
} as const satisfies RaisedEvent;
