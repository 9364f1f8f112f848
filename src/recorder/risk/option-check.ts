import { AuditError } from '../../event/audit-error.js';
import { showValue } from '../../event/show-value.js';

/**
 * The error of an option that can't be as it is: what it is, and what to write instead.
 *
 * @param path the option's path, such as `risk.weights.severity.high`
 * @param write completes "write …"
 */
export function wrongOption(path: string, value: unknown, write: string): AuditError {
  return new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The audit option ${path} is ${showValue(value)}: write ${write}.`,
    {
      field: path,
    },
  );
}

/**
 * The members of a group of options; none where it is absent.
 *
 * @param known every name that there is
 * @throws AuditError `AUDIT_INVALID_OPTIONS` for what is no object, or has another name
 */
export function checkNames(path: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrongOption(path, value, `an object with any of ${known.join(', ')}`);
  }
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      `There is no audit option "${path}.${unknown}". The options here are ${known.join(', ')}.`,
      { field: `${path}.${unknown}` },
    );
  }
  return value as Record<string, unknown>;
}

/** @throws AuditError `AUDIT_INVALID_OPTIONS` for what is no integer from `min` to `max` */
export function checkInteger(path: string, value: unknown, min: number, max: number): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  throw wrongOption(path, value, `an integer from ${min} to ${max}`);
}

/**
 * Points by their names: the defaults with what is given over them.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS` for another name, and for what is no integer from 0 to 100
 */
export function checkPoints<Name extends string>(
  path: string,
  given: unknown,
  defaults: Readonly<Record<Name, number>>,
): Readonly<Record<Name, number>> {
  const names = Object.keys(defaults) as Name[];
  const own = checkNames(path, given, names);
  return Object.fromEntries(
    names.map((name) => [name, checkInteger(`${path}.${name}`, own[name] ?? defaults[name], 0, 100)]),
  ) as Record<Name, number>;
}

/** @throws AuditError `AUDIT_INVALID_OPTIONS` for what is no list of texts that are not empty */
export function checkTexts(path: string, value: unknown, example: string): readonly string[] {
  if (Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== '')) return value;
  throw wrongOption(path, value, `a list of texts, ${example}`);
}
