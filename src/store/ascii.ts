/**
 * The text in printable ASCII, which every encoding of a database takes: any other UTF-16 code unit as `\uXXXX`. JSON
 * text stays JSON text of the same value.
 */
export function toAscii(text: string): string {
  return text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
