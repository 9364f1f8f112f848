import type { RequestFacts } from '../../capture/recording.js';
import { AuditError } from '../../event/audit-error.js';

interface Fact {
  readonly accepts: (value: unknown) => boolean;
  /** Completes "write …". */
  readonly write: string;
}

const isText = (value: unknown) => typeof value === 'string';
const text = (example: string): Fact => ({ accepts: isText, write: `a text, '${example}'` });
const orNull = ({ accepts, write }: Fact): Fact => ({
  accepts: (value) => value === null || accepts(value),
  write: `${write}, or null where there is none`,
});

/** What each fact of a request can be; what is left out is not known. */
const FACTS: Readonly<Record<keyof RequestFacts, Fact>> = {
  path: text('/invoices/7'),
  route: orNull(text('/invoices/:id')),
  method: text('GET'),
  controller: orNull(text('InvoicesController')),
  status: orNull({
    accepts: (value) => Number.isInteger(value) && (value as number) >= 100 && (value as number) <= 599,
    write: 'a status code, 404',
  }),
  user: orNull(text('ann')),
  tenant: orNull(text('acme')),
  roles: orNull({
    accepts: (value) => Array.isArray(value) && value.every(isText),
    write: "a list of texts, ['clerk']",
  }),
};

/**
 * Checks what somebody asks the policy about: a fact that is misspelt would count as one that is not known.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` naming the fact
 */
export function checkSubject(subject: RequestFacts): void {
  if (typeof subject !== 'object' || subject === null || Array.isArray(subject)) {
    throw invalid("explain() takes an object, { method: 'GET', path: '/invoices/7' }");
  }
  for (const [name, value] of Object.entries(subject)) {
    if (!Object.hasOwn(FACTS, name)) {
      throw invalid(`there is no "${name}"; write ${Object.keys(FACTS).join(', ')}`, name);
    }
    const { accepts, write } = FACTS[name as keyof RequestFacts];
    if (value !== undefined && !accepts(value)) throw invalid(`${name} must be ${write}`, name);
  }
}

function invalid(what: string, field?: string): AuditError {
  return new AuditError(
    'AUDIT_INVALID_QUERY',
    `The audit query is not valid: ${what}.`,
    field === undefined ? {} : { field },
  );
}
