// A row of audit_dead_letters: what its event is, and whether to believe it.
import { createHash } from 'node:crypto';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { derivedEventId, isEventId } from '../event/event-id.js';
import { isWithin, LAST_TIME } from '../event/event-checks.js';
import { parsedJson, readEvent } from '../event/read-event.js';
import type { EventParts } from '../event/read-event.js';
import { TEXT_LIMITS } from '../event/safe-text.js';
import { EVENT_NAMES } from '../ledger/canonical-event.js';
import { isSameLog } from '../ledger/checkpoint.js';
import { formatFault } from '../ledger/format-error.js';
import { openStatement } from '../ledger/statement.js';
import type { LETTER } from './audit.entities.js';
import { toInteger } from './column-value.js';
import type { ColumnName } from './columns.js';
import { hasNumberOf } from './event-row.js';
import type { StatementTrust } from './statement-signer.js';

/** A row, its ids as texts where they are some; `event` and `statement` are NULL also where they are too long. Nothing in it is believed. */
export type LetterRow = Readonly<Record<ColumnName<keyof typeof LETTER>, string | number | null>>;

/** What is made of a letter. */
export interface JudgedLetter {
  /** It has the id of the row, from which pages go on. */
  readonly event: AuditLogEvent;
  /** It is an event as the library writes it. */
  readonly isReadable: boolean;
  /** Why the letter is not believed; `undefined` where nothing is wrong with it. */
  readonly untrusted: string | undefined;
}

/**
 * The id of an event's letter: its own, so that a letter is known by it once it is replayed. One that is no UUID has a row of
 * its own too, under an id that is made from the whole event.
 */
export function letterIdOf(event: AuditLogEvent): string {
  if (isEventId(event.id)) return event.id;
  const timestamp = isWithin(LAST_TIME)(event.timestamp) ? event.timestamp : 0;
  return derivedEventId(timestamp, JSON.stringify(event));
}

/** Reads a letter, whatever it holds. */
export function judgeLetter(row: LetterRow, trust: StatementTrust): JudgedLetter {
  const said = parsedJson(row.event);
  const isRecord = typeof said === 'object' && said !== null && !Array.isArray(said);
  // What is no event at all is shown as the beginning of its text.
  const { event, unreadable } = readEvent(isRecord ? said : { details: said });
  const names: readonly string[] = EVENT_NAMES;
  const isReadable =
    isRecord && unreadable.length === 0 && Object.keys(said).every((name) => names.includes(name));
  const shown = { ...event, id: String(row.id) };
  if (!isReadable) return { event: shown, isReadable, untrusted: `its event can't be read` };
  const isSame =
    (said as EventParts).id === row.id &&
    tenantFormsOf(event.tenantId).includes(String(row.tenant_id)) &&
    hasNumberOf(row, event);
  return {
    // As it was kept, the order of its properties included.
    event: event.id === row.id ? (said as AuditLogEvent) : shown,
    isReadable,
    untrusted: isSame ? whyUnsigned(row, trust) : 'a column of it is not what its event says',
  };
}

function whyUnsigned(row: LetterRow, { verifiers, origin }: StatementTrust): string | undefined {
  if (verifiers.length === 0) return undefined;
  if (row.statement === null) return 'no key of the log has signed it';
  try {
    const statement = openStatement('dead-letter', parsedJson(row.statement), verifiers);
    if (!statement.isTrusted) return 'no key of the log has signed it';
    const origins = origin === undefined ? verifiers.map(({ name }) => name) : [origin];
    if (!origins.some((one) => isSameLog(one, statement.origin))) {
      return `it is of the log ${statement.origin}, not of ${origins.join(' or ')}`;
    }
    const isSigned = statement.lines.length === 1 && statement.lines[0] === letterLine(row);
    return isSigned ? undefined : 'it is not the letter that was signed';
  } catch (error) {
    return `its signature does not hold: ${formatFault(error)}`;
  }
}

/** What a letter's statement says: every column of its row, the event by its SHA-256. */
export function letterLine(row: Omit<LetterRow, 'statement'>): string {
  const digest = createHash('sha256').update(String(row.event)).digest('hex');
  const number = (value: string | number | null) => (value === null ? null : toInteger(value));
  return JSON.stringify([
    row.id,
    row.tenant_id,
    row.source,
    number(row.sequence),
    number(row.timestamp),
    row.reason,
    digest,
  ]);
}

const DIGEST = 'sha256-';
const READABLE = new RegExp(`^(?!${DIGEST})[ -~]{1,${TEXT_LIMITS.tenantId}}$`);

/**
 * How a tenant's id may stand in the table: as it is where it is ASCII, and always a short digest of it. No tenant's id
 * is another's digest, so no tenant's letters are found by another.
 */
export function tenantFormsOf(tenantId: string): string[] {
  const digest = DIGEST + createHash('sha256').update(tenantId).digest('base64url').slice(0, 28);
  return READABLE.test(tenantId) ? [tenantId, digest] : [digest];
}
