import { annotate, refusalOf } from './annotation.js';
import type { RequestRecord } from './request-record.js';
import type { AuditAnnotation } from './route-audit.js';

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
