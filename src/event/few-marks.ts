/** As long as what is stored gets: sorting the marks of no shorter text takes long. */
const SHORT = 2_048;
/** Marks on one letter, after which a joiner stands for its end (Unicode, UAX #15, Stream-Safe Text Format). */
const MARKS = /\p{M}{30}/gu;

/**
 * The text as it can be normalised in time in proportion to it: sorting the marks of one letter takes time in proportion to the square
 * of their number, and clients send as many as they like.
 */
export function withFewMarks(text: string): string {
  return text.length <= SHORT ? text : text.replace(MARKS, '$&\u034f');
}
