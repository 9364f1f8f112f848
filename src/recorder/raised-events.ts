import type { RaisedEvent } from '../event/raised-event.js';
import { GAP_ACTION } from '../store/sealing.repository.js';

const LOSS = {
  resource: 'audit',
  category: 'system',
  severity: 'high',
  outcome: 'failure',
  tenant: '`default`',
} as const;

export const DROP = {
  ...LOSS,
  action: 'audit.drop',
  when: 'events were dropped because there was no room (`docs/reference/guarantees.md#no-room`), and others are stored again',
  details: {
    dropped: 'how many',
    source: 'whose numbers they had',
    firstSequence: 'the first number',
    lastSequence:
      'the last number. Not all between were dropped; `sources()` has the exact gaps (`docs/read/querying.md#sources-and-gaps`)',
  },
} as const satisfies RaisedEvent;

export const LOST_LINES = {
  ...LOSS,
  action: 'audit.loss',
  when: 'lines of the journal were damaged when it was read (`docs/reference/guarantees.md#when-the-journal-fails`)',
  details: {
    source: 'whose lines they were',
    file: 'where',
    lines: 'how many',
    firstSequence: 'from which number on events may be lost; absent where there are none',
    lastSequence: 'up to which number',
  },
} as const satisfies RaisedEvent;

export const GAP = {
  ...LOSS,
  action: GAP_ACTION,
  when: 'numbers of a source did not come in time (`docs/prove/tamper-evidence.md#numbers-that-are-missing`). It has no number itself',
  details: { source: 'whose numbers', from: 'the first', to: 'the last' },
} as const satisfies RaisedEvent;

export const AMEND = {
  action: 'audit.amend',
  resource: 'audit',
  category: 'system',
  severity: 'low',
  outcome: 'partial',
  when: 'an answer ended otherwise than its stored event says; the outcome is that of the answer. The request was strict, its answer took too long to leave, the disk refused the change (`docs/reference/guarantees.md#when-the-answer-is-ready`), or a rule blocked it after its client had left (`docs/comply/rules.md#actions`)',
  tenant: "the event's",
  details: {
    eventId: 'which event',
    withheld: '`true`: the client got a 503 instead of the answer',
    statusCode: 'as in `metadata`, as the request ended',
    errorName: 'the same',
    aborted: 'the same',
    interrupted: 'the same',
    blockedBy: 'the same',
  },
} as const satisfies RaisedEvent;
