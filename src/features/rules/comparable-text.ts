import { withFewMarks } from '../../event/few-marks.js';

/**
 * A text as rules compare it: in Unicode's composed form (NFC), so that `é` is one letter however it was typed, and nobody
 * gets past a rule by typing it otherwise.
 */
export function normalize(text: string): string {
  return withFewMarks(text).normalize('NFC');
}

/**
 * The same where case does not count: in lower case, by Unicode's rules and those of no language. What is two letters in
 * upper case stays different: `ß` is not `SS`.
 */
export function fold(text: string): string {
  return normalize(text).toLowerCase();
}
