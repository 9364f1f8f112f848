import type { RaisedEvent } from '../../event/raised-event.js';

export const READ = {
  action: 'audit.read',
  resource: 'audit',
  category: 'data_access',
  severity: 'low',
  outcome: 'success',
  when: 'somebody read the audit (`docs/comply/privacy.md#who-looked`); `failure` if that failed',
  tenant: "that which was read; of all tenants the reader's own, or `default`",
  details: {
    method:
      'which: `find`, `findById`, `history`, `stream`, `statistics`, `observe`, `deadLetters`, `prove`, `exportSubject`',
    filter:
      '`filter.*`: what was asked for, redacted, or as a keyed digest where the field is protected. A person of `exportSubject()` has the digest of `audit.erase`. Free texts are digests where any field is protected, `[redacted]` where any is redacted',
    allTenants: '`true`: of all tenants',
    reveal: '`true`: protected values were shown (`docs/comply/encryption.md#who-sees-the-values`)',
    limit: 'of the page',
    order: 'of the page',
    continued: '`true`: not the first page',
    returned: 'how many events came back, or were counted',
    error: 'the code of a read that failed',
    readId: 'of `audit.read-end`: the id of its `audit.read`',
  },
} as const satisfies RaisedEvent;

export const READ_END = {
  ...READ,
  action: 'audit.read-end',
  when: 'a read ended whose `audit.read` was recorded before its first event; `partial` if broken off',
} as const satisfies RaisedEvent;
