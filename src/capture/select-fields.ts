import { types } from 'node:util';
import { FACT_LIMITS, jsonOf } from '../event/flatten.js';
import { option, isFilledText } from '../event/option-schema.js';

/**
 * Which fields of a query string, a parsed body or an answer are stored: none, all, or those named (dotted, for nested
 * ones).
 */
export type FieldSelection = boolean | readonly string[];

export const fieldSelection = option(
  (value) => typeof value === 'boolean' || (Array.isArray(value) && value.every(isFilledText)),
  "true, false or a list of field names, ['amount', 'currency']",
);

/**
 * The selected part of a query or a body.
 *
 * @param selection `true` for all, a list of names (dotted, for nested fields) for some
 * @returns `undefined` where nothing is selected or there
 */
export function selectFields(source: unknown, selection: FieldSelection | undefined): unknown {
  if (selection === undefined || selection === false || source === undefined || source === null)
    return undefined;
  if (selection === true) return source;
  if (typeof source !== 'object') return undefined;
  const fields = selection
    .map((path) => [path, valueAt(source, path.split('.'))] as const)
    .filter(([, value]) => value !== undefined);
  return fields.length > 0 ? Object.fromEntries(fields) : undefined;
}

/**
 * The selected part of what a handler returned, of a list that of each item. Nothing of what is no JSON: a stream would
 * be read by nobody else any more, and a file's bytes tell no one anything.
 *
 * @returns `undefined` where nothing is selected or there
 */
export function answerFields(result: unknown, selection: FieldSelection): unknown {
  if (selection === false || isOpaque(result)) return undefined;
  const value = asJson(result);
  if (!Array.isArray(value)) return selectFields(value, selection);
  const kept = value.slice(0, FACT_LIMITS.items).map((item: unknown) => {
    return isOpaque(item) ? undefined : selectFields(asJson(item), selection);
  });
  if (!kept.some((item) => item !== undefined)) return undefined;
  // Each keeps its place, and the rest is there to be counted.
  const rest = Array.from({ length: value.length - kept.length }, () => true);
  return [...kept.map((item) => item ?? {}), ...rest];
}

function valueAt(source: unknown, path: readonly string[]): unknown {
  let value = source;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function asJson(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? jsonOf(value) : value;
}

/** Bytes, streams of any kind, files. By their shape: a stream may come from another copy of its library. */
function isOpaque(value: unknown): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return true;
  if (typeof value !== 'object' || value === null) return false;
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) || value instanceof Blob) return true;
  if (Symbol.asyncIterator in value) return true;
  const shape = value as Readonly<Record<string, unknown>>;
  return ['pipe', 'getStream', 'getReader', 'subscribe'].some((name) => typeof shape[name] === 'function');
}
