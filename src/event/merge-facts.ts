import { readEntries } from './flatten.js';

/**
 * One record from several, in their order: of a key that more than one has, the first counts. What comes first is
 * kept where the whole exceeds the bounds of a record.
 */
export function mergeFacts(...sources: readonly (object | undefined)[]): Record<string, unknown> {
  const merged = new Map<string, unknown>();
  for (const source of sources) {
    for (const [key, value] of readEntries(source ?? {})) {
      if (value !== undefined && value !== null && !merged.has(key)) merged.set(key, value);
    }
  }
  return Object.fromEntries(merged);
}
