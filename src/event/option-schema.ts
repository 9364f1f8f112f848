import * as v from 'valibot';
import { AuditError } from './audit-error.js';
import { isWithin } from './event-checks.js';
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
  return option(isWithin(max, min), `an integer from ${min} to ${max}`);
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

/** The same, with at least one item. */
export function filledList(item: OptionSchema, write: string): OptionSchema {
  const isFilled = (value: unknown) => Array.isArray(value) && value.length > 0;
  return v.pipe(v.custom<unknown[]>(isFilled, write), v.array(item, write), v.description(write));
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

/**
 * No other options than these, unless it is open.
 *
 * @param more.required what must be there
 * @param more.filled what must have a value if it is there; all others may be undefined, as from a variable of the environment
 */
export function group(
  entries: Readonly<Record<string, OptionSchema>>,
  more: {
    readonly required?: readonly string[];
    readonly filled?: readonly string[];
    readonly isOpen?: boolean;
    readonly write?: string;
  } = {},
): OptionGroup {
  const { required = [], filled = [], isOpen = false, write = 'an object' } = more;
  const names = Object.keys(entries);
  const known = Object.fromEntries(names.map((name) => [name, v.optional(v.unknown())]));
  const checked = Object.entries(entries).map(([name, entry]) => {
    if (required.includes(name)) return [name, entry] as const;
    return [name, filled.includes(name) ? v.exactOptional(entry) : v.optional(entry)] as const;
  });
  const schema = v.pipe(
    v.custom<object>(isObject, write),
    // First of all: where a name is misspelt, the right one is missing.
    isOpen ? v.custom<object>(isObject, write) : v.strictObject(known, names.join(', ')),
    v.looseObject(Object.fromEntries(checked), ({ path }) =>
      v.getDescription(entries[String(path![0].key)]!)!,
    ),
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
    const path = found.at.map((key) => ({ key })) as unknown as [v.IssuePathItem];
    addIssue({ message: found.fault, ...(path.length > 0 && { path }) });
  });
  return { ...schema, ...v.pipe(schema, rule) };
}

/** The first thing that is wrong with a value. */
export interface FoundFault {
  /** Where it is, `rules[0].keepDays`; empty for the value itself. */
  readonly at: string;
  /** `unknown`: there is no such option. `wrong`: it is not what its schema says. `ruled`: see {@link OptionFault}. */
  readonly kind: 'unknown' | 'wrong' | 'ruled';
  readonly input: unknown;
  /** The names that are known; or what to write instead; or the fault. */
  readonly message: string;
}

/** @param path of the value, such as `risk.weights` */
export function firstFault(schema: OptionSchema, value: unknown, path = ''): FoundFault | undefined {
  return parsed(schema, value, path).found;
}

/** Its first fault, or the value as it was checked: groups and lists are copied, so that they say the same when they are read again. */
export function parsed(
  schema: OptionSchema,
  given: unknown,
  path = '',
): { readonly found: FoundFault } | { readonly found?: undefined; readonly value: unknown } {
  const { issues, output } = v.safeParse(schema, given, { abortEarly: true });
  const [issue] = issues ?? [];
  if (!issue) return { value: output };
  const { type, input, message } = issue;
  return { found: { at: pathOf(path, issue.path ?? []), kind: KINDS.get(type) ?? 'wrong', input, message } };
}

/** By the type of an issue. */
const KINDS = new Map<string, FoundFault['kind']>([
  ['strict_object', 'unknown'],
  ['raw_check', 'ruled'],
]);

/**
 * Checks an option, or a group of them.
 *
 * @param path of what is checked, such as `risk.weights`; empty for all options
 * @param owner whose options they are, such as `@Audit() of InvoicesController.approve`; else the audit's
 * @throws AuditError `AUDIT_INVALID_OPTIONS` with the path of what is wrong, and what to write instead
 */
export function checkOption(schema: OptionSchema, value: unknown, path: string, owner?: string): void {
  const found = firstFault(schema, value, path);
  if (!found) return;
  const { at: field, kind, input, message: said } = found;
  if (kind === 'unknown') {
    const message = owner
      ? `${owner}: there is no option "${field}". The options are ${said}.`
      : `There is no audit option "${field}". The options here are ${said}.`;
    throw new AuditError('AUDIT_INVALID_OPTIONS', message, { field });
  }
  const shown = input === undefined ? 'missing' : showContents(input);
  const fault = kind === 'ruled' ? said : `is ${shown}: write ${said}`;
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
  const filled = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(filled) } as { [Name in keyof Options]: Wide<Options[Name]> };
}

function pathOf(root: string, items: readonly { readonly key: unknown }[]): string {
  return items.reduce((path, { key }) => {
    if (typeof key === 'number') return `${path}[${key}]`;
    const name = String(key);
    if (path === '') return name;
    return /^[\w-]+$/.test(name) ? `${path}.${name}` : `${path}["${name}"]`;
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
