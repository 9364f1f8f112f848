import { withoutUrlSecrets } from './url-secrets.js';

/** What a person is told of a value that can't be: a text is quoted, up to 80 characters of it, of a URL the host; what has parts is only named. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') {
    const text = withoutUrlSecrets(value);
    return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  }
  if (typeof value === 'object' && value !== null) return isList(value) ? 'a list' : 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}

/** A proxy that was revoked throws even where it is only asked what it is. */
function isList(value: object): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** The same, where a list that is empty is what is wrong with it. */
export function showContents(value: unknown): string {
  return typeof value === 'object' && value !== null && isList(value) && (value as unknown[]).length === 0
    ? 'an empty list'
    : showValue(value);
}
