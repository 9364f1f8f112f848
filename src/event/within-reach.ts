/** Of a longer text so much more is looked at than is kept, so that no secret is cut in half before it is seen. */
export const MARGIN = 8_192;

/** All but the last word. Words are of what tokens are made of. */
const WHOLE_WORDS = /^[^]*[^\w.~+=%-]/;

/**
 * As much of a text as is looked at for secrets, where `limit` of it are kept. The last word is left out where it may be half of one:
 * what stood before it may become shorter, and then it would be kept.
 */
export function withinReach(text: string, limit: number): string {
  const reach = limit + MARGIN;
  if (text.length <= reach) return text;
  const whole = WHOLE_WORDS.exec(text.slice(limit, reach))?.[0].length ?? MARGIN;
  return text.slice(0, limit + whole);
}
