import type { RaisedEvent } from '../../event/raised-event.js';

const BY_PEOPLE = { resource: 'audit', category: 'compliance', outcome: 'success' } as const;

export const ERASE = {
  ...BY_PEOPLE,
  action: 'audit.erase',
  severity: 'high',
  when: 'a person is about to be forgotten (`docs/comply/encryption.md#forgetting-a-person`). A `failure` follows if that failed. User, session and address are those of who did it',
  tenant: "the person's",
  details: {
    subject: 'the keyed digest of the person, as in `audit_keys`',
    keys: 'how many keys they had',
    eventId: 'of a failure: the event that said it would be done',
  },
} as const satisfies RaisedEvent;

export const ROTATE_KEYS = {
  ...BY_PEOPLE,
  action: 'audit.rotate-keys',
  severity: 'medium',
  when: 'the keys were rotated (`docs/comply/encryption.md#rotation`); `partial` where keys were damaged',
  tenant: "`default`, or the actor's",
  details: {
    masterKey: 'the master key that wraps now',
    rewrapped: 'how many keys it has wrapped',
    renewed: 'how many persons got a new key',
    damaged: 'how many keys could not be unwrapped',
  },
} as const satisfies RaisedEvent;
