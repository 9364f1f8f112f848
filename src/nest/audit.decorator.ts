import { Reflector } from '@nestjs/core';
import { ROUTE_AUDIT_KEY, toRouteOptions } from '../capture/route-audit.js';
import type { AuditRouteOptions } from '../capture/route-audit.js';

/**
 * Names and details what requests of a controller or a handler mean. A text is the action; on a controller it says
 * that all its handlers are audited, and what its handlers don't say.
 *
 * @example
 * ```ts
 * @Audit({ resource: 'invoice' })
 * @Controller('invoices')
 * export class InvoicesController {
 *   @Post(':id/approve')
 *   @Audit({ severity: 'high', details: ({ result }) => ({ amount: result?.amount }) })
 *   approve(@Param('id') id: string) {}
 * }
 * ```
 */
export const Audit = Reflector.createDecorator<string | AuditRouteOptions | undefined, AuditRouteOptions>({
  key: ROUTE_AUDIT_KEY,
  transform: toRouteOptions,
});

/** Leaves requests of a controller or a handler out of the audit, whatever their outcome. For health checks. */
export const NoAudit = Reflector.createDecorator<undefined, boolean>({
  key: 'nest-audit-trail:no-audit',
  transform: () => true,
});
