import { getMetadataStorage } from 'class-validator';
import { cutText } from './safe-text.js';

/** How many are named. */
const MAX_NAMED = 3;
/** Characters of a name that are shown. */
const LONGEST_NAME = 64;

/** What an object has and should not. */
export interface UnknownProperties {
  readonly first: string;
  /** `it has no property "a", "b"` */
  readonly reason: string;
}

/** The properties of a class that have a rule of class-validator's. */
export function propertiesOf(checked: new () => object): ReadonlySet<string> {
  const rules = getMetadataStorage().getTargetValidationMetadatas(checked, '', false, false);
  return new Set(rules.map(({ propertyName }) => propertyName));
}

/** Looks before class-validator does, which takes time that grows with the square of their number. */
export function unknownProperties(given: object, known: ReadonlySet<string>): UnknownProperties | undefined {
  const unknown = Object.keys(given).filter((name) => !known.has(name));
  if (unknown.length === 0) return undefined;
  const names = unknown.slice(0, MAX_NAMED).map((name) => cutText(name, LONGEST_NAME));
  const more = unknown.length > names.length ? ` and ${unknown.length - names.length} more` : '';
  return {
    first: names[0]!,
    reason: `it has no property ${names.map((name) => `"${name}"`).join(', ')}${more}`,
  };
}
