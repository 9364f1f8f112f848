// What the application says of the current request by `AuditService.annotate()` and `deny()`.
import { asId } from '../event/as-id.js';
import { CATEGORIES, OUTCOMES, SEVERITIES } from '../event/audit-log-event.js';
import { FACT_LIMITS, flattenFacts, readEntries } from '../event/flatten.js';
import { mergeFacts } from '../event/merge-facts.js';
import { isObject } from '../event/option-schema.js';
import { MARGIN } from '../event/within-reach.js';
import { currentContext } from './audit-context.js';
import { noteFault, outdate } from './request-record.js';
import type { RequestRecord } from './request-record.js';
import type { AuditAnnotation } from './route-audit.js';

export const NO_ANNOTATION: AuditAnnotation = Object.freeze({});
const VOCABULARY = new Map<string, readonly unknown[]>([
  ['severity', SEVERITIES],
  ['category', CATEGORIES],
  ['outcome', OUTCOMES],
]);
const FACTS = new Set(['details', 'metadata']);
const TEXTS = new Set(['action', 'resource', 'resourceId', 'userId', 'tenantId', 'sessionId']);

/** Adds to the event of the current request. @returns why it can't, where it can't */
export function annotateCurrent(annotation: AuditAnnotation): string | undefined {
  const record = currentContext()?.record;
  if (!record) return 'outside of a request; use record() there.';
  if (record.closed) {
    return 'after the answer had left or the client had gone: the event is already recorded.';
  }
  annotate(record, annotation);
  return undefined;
}

export function refusalOf(reason: string): AuditAnnotation {
  return { outcome: 'failure', category: 'authorization', details: { reason } };
}

/** Adds to the event of an open request. A copy: the caller may go on to change its object. */
export function annotate(record: RequestRecord, annotation: AuditAnnotation): void {
  const copy: Record<string, unknown> = Object.fromEntries(readEntries(annotation));
  for (const name of FACTS) {
    if (!isObject(copy[name])) continue;
    // Redacted where it becomes a part of the event: what is to be a pseudonym there must be whole here.
    copy[name] = flattenFacts(copy[name], () => false, { limit: FACT_LIMITS.string + MARGIN });
  }
  record.annotations.push(copy);
  record.hasNews = true;
  record.description = undefined;
  // The policy may ask for these.
  if (copy['userId'] !== undefined || copy['tenantId'] !== undefined) outdate(record);
}

/** What the application said last counts; `details` and `metadata` add up. A value that can't be stored is named as a fault. */
export function annotationOf(record: RequestRecord): AuditAnnotation {
  const { routeAnnotation, annotations } = record;
  if (!routeAnnotation && annotations.length === 0) return NO_ANNOTATION;
  const merged: Record<string, unknown> = {};
  for (const annotation of routeAnnotation ? [routeAnnotation, ...annotations] : annotations) {
    for (const [name, value] of Object.entries(annotation)) {
      if (value === undefined || value === null) continue;
      // Of a route an empty text says that there is none.
      const checked = annotation === routeAnnotation && value === '' ? value : checkedValue(name, value);
      if (checked === undefined) noteFault(record, `annotate.${name}`);
      // The last word first: it counts, and it is kept.
      else merged[name] = isObject(checked) ? mergeFacts(checked, merged[name] as object) : checked;
    }
  }
  return merged;
}

/** The last id that the application itself said, as at a login; also before the event is made. */
export function lastAnnotated(
  { annotations }: RequestRecord,
  name: 'userId' | 'tenantId',
): string | undefined {
  return annotations.findLast((one) => typeof one[name] === 'string' && one[name] !== '')?.[name];
}

/** @returns `undefined` for what can't be stored under the name */
function checkedValue(name: string, value: unknown): unknown {
  if (FACTS.has(name)) return isObject(value) ? value : undefined;
  if (TEXTS.has(name)) return asId(value);
  return VOCABULARY.get(name)?.includes(value) ? value : undefined;
}

/** `request.audit`: the audit of this request, on platforms where a request is at hand everywhere. */
export class CurrentAudit {
  /** @param record `undefined` where the audit has not seen the request */
  constructor(private readonly record: RequestRecord | undefined) {}

  /** As `AuditService.annotate()`. @returns `false` where the answer has left already, or the audit has not seen the request */
  annotate(annotation: AuditAnnotation): boolean {
    if (!this.record || this.record.closed) return false;
    annotate(this.record, annotation);
    return true;
  }

  /** As `AuditService.deny()`. @returns `false` where the answer has left already */
  deny(reason: string): boolean {
    return this.annotate(refusalOf(reason));
  }
}
