import type { AuditLogEvent } from './audit-log-event.js';
import { isPrintable, TEXT_LIMITS } from './safe-text.js';

type Check = (value: unknown) => boolean;

const text =
  (limit: number): Check =>
  (value) =>
    typeof value === 'string' && value !== '' && value.length <= limit && isPrintable(value);
const anyText: Check = (value) => typeof value === 'string';
const facts: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** What most events have, each by what makes it right beyond doubt. */
const CHECKS: Readonly<Record<string, Check>> = {
  action: text(TEXT_LIMITS.action),
  resource: text(TEXT_LIMITS.resource),
  resourceId: text(TEXT_LIMITS.resourceId),
  tenantId: text(TEXT_LIMITS.tenantId),
  userId: text(TEXT_LIMITS.userId),
  sessionId: text(TEXT_LIMITS.sessionId),
  ipAddress: anyText,
  userAgent: anyText,
  details: facts,
  metadata: facts,
} satisfies Partial<Record<keyof AuditLogEvent, Check>>;

/**
 * Whether the input is one that every rule for it would pass: a quick look that saves most events the rules, which take
 * longer than all the rest of recording them. `false` says nothing: the rules decide.
 */
export function isPlainInput(input: object): boolean {
  const { action } = input as { readonly action?: unknown };
  if (action === undefined) return false;
  for (const name in input) {
    const value = (input as Readonly<Record<string, unknown>>)[name];
    if (value === undefined) continue;
    if (!Object.hasOwn(CHECKS, name) || !CHECKS[name]!(value)) return false;
  }
  return true;
}
