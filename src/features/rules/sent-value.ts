import { decimalOf } from './decimal.js';

/**
 * Texts of a client in which a pattern is looked for: together so many UTF-16 code units. Linear time is not short time, and
 * the request waits.
 */
export const SEARCHED_LENGTH = 10_000;

/** Whether the field of a condition is what a client sent, when a request is judged before its handler. */
export function isSentField(field: string): boolean {
  return /^(?:resourceId$|details\.(?:body|query)\.)/.test(field);
}

/**
 * What a value that a rule names looks like among the {@link formsOf} of what a client sent. A text is taken to the letter; a number and a
 * boolean also as the text that a form, a query or a lenient parser makes one of.
 */
export function formOf(expected: unknown): string {
  if (typeof expected === 'number') return numberForm(expected)!;
  return typeof expected === 'boolean' ? `is ${expected}` : `text ${String(expected)}`;
}

/** All that a handler may take the value for. */
export function formsOf(sent: unknown): readonly string[] {
  const forms = [`text ${String(sent)}`];
  const number = numberForm(sent);
  if (number !== undefined) forms.push(number);
  const word = String(sent).trim().toLowerCase();
  if (word === 'true' || word === 'false') forms.push(`is ${word}`);
  return forms;
}

function numberForm(value: unknown): string | undefined {
  const decimal = decimalOf(value);
  return decimal && `number ${decimal.negative ? '-' : ''}${decimal.whole}.${decimal.fraction}`;
}

/** Whether there is more text than is searched. */
export function isTooMuchText(value: unknown): boolean {
  const items = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  let length = 0;
  for (const item of items) {
    length += String(item ?? '').length;
    if (length > SEARCHED_LENGTH) return true;
  }
  return false;
}
