/** What a person is told of a value that can't be: a text is quoted, up to 80 characters of it; what has parts is only named. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}

/** The same, where a list that is empty is what is wrong with it. */
export function showContents(value: unknown): string {
  return Array.isArray(value) && value.length === 0 ? 'an empty list' : showValue(value);
}
