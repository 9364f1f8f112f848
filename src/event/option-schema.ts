import * as v from 'valibot';
import { AuditError } from './audit-error.js';
import { showContents } from './show-value.js';

/** What an option may be. */
export type OptionSchema = v.GenericSchema;

/** A group of options by their names. */
export type OptionGroup = OptionSchema & { readonly entries: Readonly<Record<string, OptionSchema>> };

/** What is wrong with a value, each part of which is right by itself. */
export interface OptionFault {
  /** The way to the part that is wrong; empty for the value itself. */
  readonly at: readonly (string | number)[];
  /** Completes "The audit option retention.rules[1] …". */
  readonly fault: string;
}

/** @param write completes "write …" */
export function option(accepts: (value: unknown) => boolean, write: string): OptionSchema {
  return v.pipe(v.custom<unknown>(accepts, write), v.description(write));
}

export function text(write = 'a text that is not empty'): OptionSchema {
  return option(isFilledText, write);
}

export function functionOf(write: string): OptionSchema {
  return option((value) => typeof value === 'function', write);
}

export const yesNo = option((value) => typeof value === 'boolean', 'true or false');

export function integer(min: number, max: number): OptionSchema {
  return option(
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
    `an integer from ${min} to ${max}`,
  );
}

export function oneOf(words: readonly unknown[]): OptionSchema {
  const shown = words.map((word) => (typeof word === 'string' ? `'${word}'` : String(word)));
  return option((value) => words.includes(value), shown.join(' or '));
}

/** @param write such as `a list of key names, ['taxNumber']` */
export function texts(write: string): OptionSchema {
  return option((value) => Array.isArray(value) && value.every(isFilledText), write);
}

export function list(item: OptionSchema, write: string): OptionSchema {
  return v.pipe(v.array(item, write), v.description(write));
}

/** Values by names that anybody may choose. */
export function table(item: OptionSchema): OptionSchema {
  const write = 'an object';
  return v.pipe(v.custom<object>(isObject, write), v.record(v.string(), item, write), v.description(write));
}

/** `false` turns it off. */
export function orFalse<Schema extends OptionSchema>(schema: Schema): Schema {
  const off = v.custom<unknown>((value) => value === false, v.getDescription(schema) ?? '');
  return { ...schema, ...v.lazy((value) => (value === false ? off : schema)) } as unknown as Schema;
}

/** The same for each of these names, and no others; not listed one by one. */
export function each(names: readonly string[], item: OptionSchema, write = 'an object'): OptionSchema {
  const { entries: _, ...schema } = group(Object.fromEntries(names.map((name) => [name, item])), { write });
  return schema;
}

/** No other options than these. An option may be there without a value, unless it is required. */
export function group(
  entries: Readonly<Record<string, OptionSchema>>,
  {
    required = [],
    write = 'an object',
  }: { readonly required?: readonly string[]; readonly write?: string } = {},
): OptionGroup {
  const names = Object.keys(entries);
  const known = v.rawCheck<object>(({ dataset: { value }, addIssue }) => {
    if (!isObject(value)) return;
    const path = (key: string) =>
      [{ type: 'object', origin: 'key', input: value, key, value: value[key] }] as const;
    for (const name of Object.keys(value)) {
      if (!names.includes(name))
        addIssue({ message: names.join(', '), received: UNKNOWN, path: [...path(name)] });
    }
    for (const name of required) {
      if (value[name] !== undefined) continue;
      addIssue({ message: `is missing: write ${v.getDescription(entries[name]!)}`, path: [...path(name)] });
    }
  });
  const optional = Object.fromEntries(names.map((name) => [name, v.optional(entries[name]!)]));
  const schema = v.pipe(
    v.custom<object>(isObject, write),
    known,
    v.looseObject(optional, write),
    v.description(write),
  );
  return Object.assign(schema, { entries });
}

/** As the schema says, and more. @param find looks at a value whose parts are right */
export function ruled<Schema extends OptionSchema, Value>(
  schema: Schema,
  find: (value: Value) => OptionFault | undefined,
): Schema {
  const rule = v.rawCheck<unknown>(({ dataset, addIssue }) => {
    const found = dataset.typed ? find(dataset.value as Value) : undefined;
    if (!found) return;
    const path = found.at.map((key) => ({
      type: 'unknown',
      origin: 'value',
      input: undefined,
      key,
      value: undefined,
    }));
    addIssue({
      message: found.fault,
      ...(path.length > 0 && { path: path as unknown as [v.IssuePathItem] }),
    });
  });
  return { ...schema, ...v.pipe(schema, rule) };
}

/**
 * Checks an option, or a group of them.
 *
 * @param path of what is checked, such as `risk.weights`; empty for all options
 * @param owner whose options they are, such as `@Audit() of InvoicesController.approve`; else the audit's
 * @throws AuditError `AUDIT_INVALID_OPTIONS` with the path of what is wrong, and what to write instead
 */
export function checkOption(schema: OptionSchema, value: unknown, path: string, owner?: string): void {
  const [issue] = v.safeParse(schema, value, { abortEarly: true }).issues ?? [];
  if (!issue) return;
  const field = pathOf(path, issue.path ?? []);
  if (issue.received === UNKNOWN) {
    const message = owner
      ? `${owner}: there is no option "${field}". The options are ${issue.message}.`
      : `There is no audit option "${field}". The options here are ${issue.message}.`;
    throw new AuditError('AUDIT_INVALID_OPTIONS', message, { field });
  }
  const isFault = issue.type === 'raw_check';
  const fault = isFault ? issue.message : `is ${showContents(issue.input)}: write ${issue.message}`;
  if (!owner) throw wrongOption(field, fault);
  throw new AuditError('AUDIT_INVALID_OPTIONS', `${owner}: ${field} ${fault}.`, { field });
}

/** The error of an option. @param fault completes "The audit option risk.burst …" */
export function wrongOption(field: string, fault: string): AuditError {
  const end = fault.endsWith('?') ? '' : '.';
  return new AuditError('AUDIT_INVALID_OPTIONS', `The audit option ${field} ${fault}${end}`, { field });
}

type Wide<Value> = Value extends number ? number : Value extends boolean ? boolean : Value;

/** The defaults, and what is given over them. An option may be there without a value, as from a variable of the environment. */
export function withDefaults<Options extends object>(
  defaults: Options,
  given: { readonly [Name in keyof Options]?: Wide<Options[Name]> | undefined } = {},
): { readonly [Name in keyof Options]: Wide<Options[Name]> } {
  const own = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(own) } as { [Name in keyof Options]: Wide<Options[Name]> };
}

/** In an issue: there is no such option. */
const UNKNOWN = 'unknown option';

function pathOf(root: string, items: readonly { readonly key: unknown }[]): string {
  return items.reduce((path, { key }) => {
    if (typeof key === 'number') return `${path}[${key}]`;
    const name = String(key);
    if (!/^[\w-]+$/.test(name)) return `${path}["${name}"]`;
    return path === '' ? name : `${path}.${name}`;
  }, root);
}

/** Whether it is a text that is not empty. */
export function isFilledText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Whether it has properties by their names, and is no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
