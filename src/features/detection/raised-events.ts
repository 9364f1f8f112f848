import type { RaisedEvent } from '../../event/raised-event.js';

/** Of every detection; action and severity are its own. */
export const FINDING = {
  action: 'detection.*',
  resource: 'detection',
  category: 'security',
  severity: 'high',
  outcome: 'failure',
  when: 'a detection found something (`docs/operate/detection.md`). Action and severity are those of the detection',
  tenant: 'in which it was found',
  details: {
    detection: 'its name',
    by: '`user`, `address` or `account`',
    key: 'which one; of IPv6 the network. User and address are `userId` and `ipAddress` of the event too, unless the key is a network',
    count: 'the count when the threshold was reached',
    windowSeconds: 'the length of the window',
    firstAt: 'the time of the earliest event that counted, in milliseconds since 1970',
    lastAt: 'the time of the latest, likewise; it is the `timestamp` too',
    eventIds: 'the newest events that counted, at most 50, the one that reached the threshold last',
  },
} as const satisfies RaisedEvent;
