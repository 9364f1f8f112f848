/**
 * Which fields of a query string, a parsed body or an answer are stored: none, all, or those named (dotted, for nested
 * ones).
 */
export type FieldSelection = boolean | readonly string[];

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

function valueAt(source: unknown, path: readonly string[]): unknown {
  let value = source;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
