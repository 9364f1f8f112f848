/**
 * A text as rules compare it: in Unicode's composed form (NFC), so that `é` is one letter however it was typed, and nobody
 * gets past a rule by typing it otherwise.
 */
export function normalize(text: string): string {
  return bounded(text).normalize('NFC');
}

/**
 * The same where case does not count: in lower case, by Unicode's rules and those of no language. What is two letters in
 * upper case stays different: `ß` is not `SS`.
 */
export function fold(text: string): string {
  return bounded(text).normalize('NFC').toLowerCase();
}

/** As long as what is stored gets: sorting the marks of no shorter text takes long. */
const SHORT = 2_048;
/** Marks on one letter, after which a joiner stands for its end (Unicode, UAX #15, Stream-Safe Text Format). */
const MARKS = /\p{M}{30}/gu;

/** Sorting the marks of one letter takes time in proportion to the square of their number, and clients send as many as they like. */
function bounded(text: string): string {
  return text.length <= SHORT ? text : text.replace(MARKS, '$&\u034f');
}
