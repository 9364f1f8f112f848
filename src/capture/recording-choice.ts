import { present } from '../event/present.js';
import { lastAnnotated } from './annotation.js';
import { recordsAll } from './capture-options.js';
import type { CaptureOptions } from './capture-options.js';
import type { RecordingPolicy, RecordingRule, RequestFacts } from './recording.js';
import { noteFault } from './request-record.js';
import type { RequestRecord } from './request-record.js';
import { targetOf } from './request-target.js';

/** Which fields of a request and its answer are stored. */
export type RecordedFields = Required<Pick<RecordingRule, 'query' | 'body' | 'response'>>;

const NO_FIELDS: RecordedFields = { query: false, body: false, response: false };

/**
 * Whether a request is recorded and how much of it: the one place where a feature's policy, `@Audit()`, `@NoAudit()` and the options
 * come together. Decided as soon as nothing that is still unknown can change it, at the latest when the answer is ready or the connection is
 * gone. What the decision was made of may change before that; then it is made again.
 */
export class RecordingChoice {
  /** A feature's. */
  policy: RecordingPolicy | undefined;

  constructor(private readonly options: CaptureOptions) {}

  /** As far as can be told by now: a request that may still turn out to be recorded counts as one that is. */
  isRecorded(record: RequestRecord): boolean {
    // A refusal is an event in itself, whatever the policy says of the request.
    if (record.blockedBy) return true;
    return record.recorded ?? this.decide(record);
  }

  /**
   * Decides for good, where that was not done yet.
   *
   * @param statusCode of the answer; `undefined` where none was sent
   */
  settle(record: RequestRecord, statusCode: number | undefined): void {
    record.isSettled = true;
    if (record.recorded === undefined) this.decide(record, present('status', statusCode));
  }

  /** Which fields are stored of a request that was decided. */
  fieldsOf({ rule, route }: RequestRecord): RecordedFields {
    const query = rule?.query ?? route?.query ?? this.options.query;
    const body = rule?.body ?? route?.body ?? this.options.body;
    if (rule?.level === 'request' || rule?.level === 'response') {
      const response = rule.level === 'response' && (rule.response ?? true);
      return { query: query ?? true, body: body ?? true, response };
    }
    // Of requests that reach no route nothing is stored unasked.
    if (rule || !route || (!query && !body)) return NO_FIELDS;
    return { query: query ?? false, body: body ?? false, response: false };
  }

  /**
   * @param end what only the end tells: what is still not known then is not there, and what asks for it does not match
   * @returns as {@link isRecorded}
   */
  private decide(record: RequestRecord, end?: RequestFacts): boolean {
    const { route } = record;
    const byCode = route ? route.recorded : recordsAll(this.options);
    if (this.policy === undefined || route?.silenced) return (record.recorded = byCode);
    try {
      const subject = subjectOf(record);
      const { rule, undecided } = this.policy.decide(
        end ? { tenant: 'default', ...subject, ...end } : subject,
      );
      const recorded = rule ? rule.level !== 'none' : byCode;
      if (end || undecided.length === 0) {
        record.recorded = recorded;
        record.rule = rule;
      }
      return recorded || undecided.some(({ level }) => level !== 'none');
    } catch {
      // What a request puts in the way of its own judgement must not keep it out of the record.
      noteFault(record, 'policy');
      return (record.recorded = true);
    }
  }
}

function subjectOf(record: RequestRecord): RequestFacts {
  const { request, route, identity } = record;
  return {
    path: targetOf(request),
    method: request.method ?? '',
    ...(route && { route: record.pattern ?? null, controller: route.handler?.split('.', 1)[0] ?? null }),
    ...present('user', lastAnnotated(record, 'userId') ?? identity.userId),
    ...present('tenant', lastAnnotated(record, 'tenantId') ?? identity.tenantId),
    ...present('roles', identity.roles),
  };
}
