import type { RequestFacts } from '../../capture/recording.js';
import { invalidQuery } from '../../event/audit-error.js';
import { firstFault, group, option } from '../../event/option-schema.js';
import type { OptionSchema } from '../../event/option-schema.js';

const orNull = (accepts: (value: unknown) => boolean, write: string) =>
  option((value) => value === null || accepts(value), `${write}, or null where there is none`);
const isText = (value: unknown) => typeof value === 'string';
export const isStatusCode = (value: unknown) =>
  Number.isInteger(value) && Number(value) >= 100 && Number(value) <= 599;
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);

/** What each fact of a request can be; what is left out is not known. */
const subjectSchema = group({
  path: option(isText, "a text, '/invoices/7'"),
  route: orNull(isText, "a text, '/invoices/:id'"),
  method: option(isText, "a text, 'GET'"),
  controller: orNull(isText, "a text, 'InvoicesController'"),
  status: orNull(isStatusCode, 'a status code, 404'),
  user: orNull(isText, "a text, 'ann'"),
  tenant: orNull(isText, "a text, 'acme'"),
  roles: orNull(isTexts, "a list of texts, ['clerk']"),
} satisfies Record<keyof RequestFacts, OptionSchema>);

/**
 * Checks what somebody asks the policy about: a fact that is misspelt would count as one that is not known.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` naming the fact
 */
export function checkSubject(subject: RequestFacts): void {
  const found = firstFault(subjectSchema, subject);
  if (!found) return;
  const { at, kind, message } = found;
  if (kind === 'unknown') throw invalidQuery(at, `there is no "${at}"; write ${message}`);
  if (at === '')
    throw invalidQuery(undefined, "explain() takes an object, { method: 'GET', path: '/invoices/7' }");
  throw invalidQuery(at, `${at} must be ${message}`);
}
