import { currentContext } from '../capture/audit-context.js';
import { auditedOf } from '../capture/request-audit.js';
import { requestIdOf } from '../capture/request-record.js';
import { invalidEvent } from '../event/audit-error.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import { canonicalIp } from '../event/ip-address.js';
import { mergeFacts } from '../event/merge-facts.js';
import { defined } from '../event/present.js';
import type { AuditEventDraft } from '../recorder/audit-event-draft.js';

/** The event with who, where and in which request, as far as it does not say so itself. */
export function inContext(event: AuditEventInput): AuditEventDraft {
  const { record, actor } = currentContext() ?? {};
  if (record) auditedOf(record.request)?.audit.readIdentity(record);
  const who = actor ?? record?.identity;
  const ipAddress = event.ipAddress === undefined ? record?.ipAddress : canonicalIp(event.ipAddress);
  if (event.ipAddress && ipAddress === undefined) {
    throw invalidEvent('ipAddress', 'ipAddress must be an IPv4 or IPv6 address');
  }
  const said = defined(event) as AuditEventInput;
  const { userId, tenantId, sessionId } = { ...record?.identity, ...actor, ...said };
  return {
    ...said,
    ...(tenantId && { tenantId }),
    ...(userId && { userId }),
    ...(sessionId && { sessionId }),
    ...(ipAddress && { ipAddress }),
    ...(!event.userAgent &&
      record?.request.headers['user-agent'] && { userAgent: record.request.headers['user-agent'] }),
    ...(who && {
      metadata: mergeFacts(event.metadata, {
        requestId: record && requestIdOf(record),
        actorType: who.actorType,
        // Whoever tried to log in and could not is nobody, whoever was logged in before.
        ...(event.userId !== '' && {
          impersonatorId: who.impersonatorId,
          roles: actor ? undefined : record?.identity.roles,
        }),
      }),
    }),
  };
}
