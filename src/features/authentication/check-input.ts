import { invalidEvent } from '../../event/audit-error.js';
import { firstFault, isFilledText, isObject, option } from '../../event/option-schema.js';
import type { OptionGroup, OptionSchema } from '../../event/option-schema.js';
import type { AuthenticationInput } from './inputs.js';

const kind = (accepts: (value: unknown) => boolean, what: string) =>
  option((value) => value === null || accepts(value), what);
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isFilledText);

/** What a property must be; each completes "must be …". */
export const any = kind(() => true, 'anything');
export const text = kind(isFilledText, 'a text that is not empty');
export const texts = kind((value) => isFilledText(value) || isTexts(value), 'a text or a list of texts');
export const count = kind((value) => Number.isSafeInteger(value) && Number(value) >= 0, 'an integer from 0');
export const outcome = kind((value) => value === 'success' || value === 'failure', "'success' or 'failure'");
export const time = kind(
  (value) => (typeof value === 'number' || value instanceof Date) && !Number.isNaN(new Date(value).getTime()),
  'a time: milliseconds or a Date',
);
const facts = kind(isObject, 'an object');

/** Those without a rule of their own go to record() as they are, which has one. */
export const COMMON = {
  tenantId: any,
  userId: any,
  sessionId: any,
  ipAddress: any,
  userAgent: any,
  timestamp: any,
  severity: any,
  details: facts,
  metadata: facts,
  reason: text,
  actorType: text,
  impersonatorId: text,
} satisfies Record<keyof AuthenticationInput, OptionSchema>;

/**
 * Checks what `record()` would not see, since it becomes part of something else.
 *
 * @param call what was called, for the message: `record('login')`
 * @param needs the properties that must be texts
 * @throws AuditError `AUDIT_INVALID_EVENT` naming the property
 */
export function checkInput<Input extends object>(
  call: string,
  input: Input,
  takes: OptionGroup,
  needs: readonly string[] | ((input: Input) => readonly string[]),
): void {
  const found = firstFault(takes, input);
  if (found) {
    const { at, kind, message } = found;
    if (kind === 'unknown') throw invalidEvent(at, `${call} has no property "${at}"; it takes ${message}`);
    if (at === '') throw invalidEvent(undefined, `${call} takes an object`);
    throw invalidEvent(at, `${at} of ${call} must be ${message}`);
  }
  const needed = typeof needs === 'function' ? needs(input) : needs;
  const missing = needed.find((name) => !isFilledText((input as Record<string, unknown>)[name]));
  if (missing !== undefined)
    throw invalidEvent(missing, `${call} needs ${missing}, a text that is not empty`);
}
