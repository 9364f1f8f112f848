/** The source of a pattern of what people write between the groups of a long number: a space, also one that does not break, or a hyphen. */
export const BETWEEN_GROUPS = String.raw`[ \u00a0\u202f-]`;

const SEPARATORS = new RegExp(BETWEEN_GROUPS, 'g');

export function withoutSeparators(number: string): string {
  return number.replaceAll(SEPARATORS, '');
}
