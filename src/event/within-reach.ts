/** Of a longer text so much more is looked at than is kept, so that no secret is cut in half before it is seen. */
export const MARGIN = 8_192;

/**
 * As much of a text as is looked at for secrets, where `limit` of it are kept. The last word is left out where it may be half of one:
 * what stood before it may become shorter, and then it would be kept.
 */
export function withinReach(text: string, limit: number): string {
  const reach = limit + MARGIN;
  if (text.length <= reach) return text;
  let end = reach;
  while (end > limit && isOfWord(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(0, end > limit ? end : reach);
}

/** What tokens are made of: letters, digits, `-_.~+=%`. */
function isOfWord(code: number): boolean {
  const isLetter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90);
  return isLetter || (code >= 48 && code <= 57) || [45, 95, 46, 126, 43, 61, 37].includes(code);
}
