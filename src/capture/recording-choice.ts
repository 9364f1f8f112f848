import { present } from '../event/present.js';
import type { AuditPolicy } from '../features/policy/audit-policy.js';
import type { PolicySubject } from '../features/policy/policy-rule.js';
import type { FieldSelection } from './select-fields.js';
import type { CaptureOptions } from './capture-options.js';
import { noteFault } from './request-record.js';
import type { Recording, RequestRecord } from './request-record.js';
import { targetOf } from './request-target.js';

/** Which fields of a request and its answer are stored. */
export interface RecordedFields {
  readonly query: FieldSelection;
  readonly body: FieldSelection;
  readonly response: FieldSelection;
}

const RECORDED: Recording = Object.freeze({ recorded: true });
const PASSED_OVER: Recording = Object.freeze({ recorded: false });
const NO_FIELDS: RecordedFields = { query: false, body: false, response: false };

/**
 * Whether a request is recorded and how much of it: the one place where the policy, `@Audit()`, `@NoAudit()` and the options come
 * together. Decided as soon as nothing that is still unknown can change it, at the latest when the answer is ready or the connection is
 * gone. What the decision was made of may change before that; then it is made again.
 */
export class RecordingChoice {
  private readonly policy: AuditPolicy | undefined;

  constructor(
    private readonly options: CaptureOptions,
    policy?: AuditPolicy,
  ) {
    this.policy = policy?.isEmpty ? undefined : policy;
  }

  /** As far as can be told by now: a request that may still turn out to be recorded counts as one that is. */
  isRecorded(record: RequestRecord): boolean {
    // A refusal is an event in itself, whatever the policy says of the request.
    if (record.blockedBy) return true;
    if (record.recording) return record.recording.recorded;
    if (this.policy === undefined || record.route?.silenced) return this.decideByCode(record);
    try {
      const { rule, undecided } = this.policy.decide(subjectOf(record));
      const recorded = rule ? rule.level !== 'none' : this.isRecordedByCode(record);
      if (undecided.length === 0) record.recording = { recorded, ...(rule && { rule }) };
      return recorded || undecided.some(({ level }) => level !== 'none');
    } catch {
      record.recording = failed(record);
      return true;
    }
  }

  /**
   * Decides for good, where that was not done yet.
   *
   * @param statusCode of the answer; `undefined` where none was sent
   */
  settle(record: RequestRecord, statusCode: number | undefined): void {
    record.isSettled = true;
    if (record.recording) return;
    if (this.policy === undefined || record.route?.silenced) return void this.decideByCode(record);
    try {
      // What is still not known is not there, and what asks for it does not match.
      const { rule } = this.policy.decide({
        tenant: 'default',
        ...subjectOf(record),
        ...present('status', statusCode),
      });
      const recorded = rule ? rule.level !== 'none' : this.isRecordedByCode(record);
      record.recording = { recorded, ...(rule && { rule }) };
    } catch {
      record.recording = failed(record);
    }
  }

  /** Which fields are stored of a request that was decided. */
  fieldsOf({ recording, route }: RequestRecord): RecordedFields {
    const rule = recording?.rule;
    const query = rule?.query ?? route?.query ?? this.options.query;
    const body = rule?.body ?? route?.body ?? this.options.body;
    switch (rule?.level) {
      case undefined:
        // Of requests that reach no route nothing is stored unasked.
        if (!route || (!query && !body)) return NO_FIELDS;
        return { query: query ?? false, body: body ?? false, response: false };
      case 'request':
        return { query: query ?? true, body: body ?? true, response: false };
      case 'response':
        return { query: query ?? true, body: body ?? true, response: rule?.response ?? true };
      default:
        return NO_FIELDS;
    }
  }

  private decideByCode(record: RequestRecord): boolean {
    record.recording = this.isRecordedByCode(record) ? RECORDED : PASSED_OVER;
    return record.recording.recorded;
  }

  private isRecordedByCode({ route }: RequestRecord): boolean {
    return route ? route.recorded : (this.options.requests ?? 'all') === 'all';
  }
}

/** What a request puts in the way of its own judgement must not keep it out of the record. */
function failed(record: RequestRecord): Recording {
  noteFault(record, 'policy');
  return RECORDED;
}

/** What a policy may know of the request by now. */
function subjectOf(record: RequestRecord): PolicySubject {
  const { request, route, identity } = record;
  const user = saidLast(record, 'userId') ?? identity.userId;
  const tenant = saidLast(record, 'tenantId') ?? identity.tenantId;
  return {
    path: targetOf(request),
    method: request.method ?? '',
    ...(route && { route: record.pattern ?? null, controller: route.handler.split('.', 1)[0]! }),
    ...present('user', user),
    ...present('tenant', tenant),
    ...present('roles', identity.roles),
  };
}

/** What the application itself said of who acted, as at a login. */
function saidLast({ annotations }: RequestRecord, name: 'userId' | 'tenantId'): string | undefined {
  for (let index = annotations.length - 1; index >= 0; index -= 1) {
    const said = annotations[index]?.[name];
    if (typeof said === 'string' && said !== '') return said;
  }
  return undefined;
}
