import type { AuditError } from './audit-error.js';

/**
 * A copy of the object's own properties, each read once: what its prototypes have, nobody has said.
 *
 * @param refuse the error where a getter or a proxy throws, of the property that it was
 * @throws what `refuse` answers
 */
export function ownProperties<T extends object>(source: T, refuse: (field?: string) => AuditError): T {
  try {
    // A list is none of what this is asked for, and stays one, so that it is refused as such.
    return Array.isArray(source) ? source : { ...source };
  } catch {
    throw refuse(unreadableProperty(source));
  }
}

function unreadableProperty(source: object): string | undefined {
  let names: string[];
  try {
    names = Object.keys(source);
  } catch {
    return undefined;
  }
  return names.find((name) => {
    try {
      void (source as Record<string, unknown>)[name];
      return false;
    } catch {
      return true;
    }
  });
}
