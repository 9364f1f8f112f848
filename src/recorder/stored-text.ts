import { safeId, safeText, TEXT_LIMITS } from '../event/safe-text.js';
import { withinReach } from '../event/within-reach.js';
import { isPseudonym } from './redaction/pseudonym.js';
import type { Redactor } from './redaction/redactor.js';

/** Fields by which things are told apart: two values that differ must not become equal. */
export const ID_FIELDS = ['userId', 'resourceId', 'sessionId'] as const;
export type IdField = (typeof ID_FIELDS)[number];
type TextField = keyof typeof TEXT_LIMITS;

const IDS: ReadonlySet<TextField> = new Set(ID_FIELDS);

/**
 * A field in the form in which events store it: without secrets, and within its limit.
 *
 * @param isShown the text may be one that an event shows: an id that ends in a digest already gets no second one
 */
export function storedText(redactor: Redactor, name: TextField, text: string, isShown = false): string {
  const limit = TEXT_LIMITS[name];
  const seen = withinReach(text, limit);
  const safe = redactor.field(name, seen);
  // A secret that was taken out must not come back as a digest.
  if (IDS.has(name)) return safeId(safe === seen ? text : safe, limit, !isShown);
  return safeText(safe, limit, Math.max(text.length, safe.length));
}

/**
 * The form in which events store what somebody names: by its own text, or by that which events show.
 *
 * @returns `undefined` where events store several such texts as one, `[redacted]` or a mask: none of them can be told from the others
 */
export function storedForm(redactor: Redactor, name: IdField | 'resource', text: string): string | undefined {
  if (isPseudonym(text)) return text;
  const stored = storedText(redactor, name, text, true);
  return stored.includes('[redacted') && stored !== text ? undefined : stored;
}

/** What events may have that are found by this id: its stored form, and the text itself, from before it was redacted. */
export function formsOf(redactor: Redactor, name: IdField, text: string): string[] {
  const forms = [storedForm(redactor, name, text), safeId(text, TEXT_LIMITS[name])];
  return [...new Set(forms.filter((form) => form !== undefined))];
}
