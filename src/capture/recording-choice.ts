import { present } from '../event/present.js';
import type { AuditPolicy } from '../pipeline/policy/audit-policy.js';
import type { PolicySubject } from '../pipeline/policy/policy-rule.js';
import type { FieldSelection } from '../pipeline/policy/select-fields.js';
import type { CaptureOptions } from './capture-options.js';
import type { Recording, RequestCapture } from './request-capture.js';
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
 * Whether a request is recorded and how much of it: the one place where the policy, `@Audit()`, `@NoAudit()` and the
 * options come together. Asked all along a request's way, when only some of its facts are known: then a request that
 * may still turn out to be recorded counts as one. Decided once, when its answer is ready or its connection is gone.
 */
export class RecordingChoice {
  private readonly policy: AuditPolicy | undefined;

  constructor(
    private readonly options: CaptureOptions,
    policy?: AuditPolicy,
  ) {
    this.policy = policy?.isEmpty ? undefined : policy;
  }

  /** As far as can be told by now. */
  isRecorded(capture: RequestCapture): boolean {
    // A refusal is an event in itself, whatever the policy says of the request.
    if (capture.blockedBy) return true;
    if (capture.recording) return capture.recording.recorded;
    const { policy } = this;
    if (policy === undefined || capture.route?.silenced) return this.isRecordedByCode(capture);
    try {
      const { rule, undecided } = policy.decide(subjectOf(capture));
      if (undecided.some(({ level }) => level !== 'none')) return true;
      return rule ? rule.level !== 'none' : this.isRecordedByCode(capture);
    } catch {
      return noteFault(capture).recorded;
    }
  }

  /**
   * Decides for good.
   *
   * @param statusCode of the answer; `undefined` where none was sent
   */
  settle(capture: RequestCapture, statusCode: number | undefined): void {
    const byCode = this.isRecordedByCode(capture);
    if (this.policy === undefined || capture.route?.silenced) {
      capture.recording = byCode ? RECORDED : PASSED_OVER;
      return;
    }
    try {
      // What is still not known is not there, and what asks for it does not match.
      const { rule } = this.policy.decide({
        tenant: 'default',
        ...subjectOf(capture),
        ...present('status', statusCode),
      });
      const recorded = rule ? rule.level !== 'none' : byCode;
      capture.recording = { recorded, ...(rule && { rule }) };
    } catch {
      capture.recording = noteFault(capture);
    }
  }

  /** Which fields are stored of a request that was decided. */
  fieldsOf({ recording, route }: RequestCapture): RecordedFields {
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

  private isRecordedByCode({ route }: RequestCapture): boolean {
    return route ? route.recorded : (this.options.requests ?? 'all') === 'all';
  }
}

/** What a request puts in the way of its own judgement must not keep it out of the record. */
function noteFault(capture: RequestCapture): Recording {
  capture.noteFault('policy');
  return { recorded: true };
}

/** What a policy may know of the request by now. */
function subjectOf(capture: RequestCapture): PolicySubject {
  const { request, route, identity } = capture;
  const user = saidLast(capture, 'userId') ?? identity.userId;
  const tenant = saidLast(capture, 'tenantId') ?? identity.tenantId;
  return {
    path: targetOf(request),
    method: request.method ?? '',
    ...(route && { route: capture.pattern ?? null, controller: route.handler.split('.', 1)[0]! }),
    ...present('user', user),
    ...present('tenant', tenant),
    ...present('roles', identity.roles),
  };
}

/** What the application itself said of who acted, as at a login. */
function saidLast({ annotations }: RequestCapture, name: 'userId' | 'tenantId'): string | undefined {
  for (let index = annotations.length - 1; index >= 0; index -= 1) {
    const said = annotations[index]?.[name];
    if (typeof said === 'string' && said !== '') return said;
  }
  return undefined;
}
