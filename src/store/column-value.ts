// What a database driver answers for a column. SQLite keeps any type in any column: a value of another type than was written
// compares otherwise in the database, and must not pass for the one that was.

/** The number of an integer column; `NaN` where it holds anything else. */
export function toInteger(value: unknown): number {
  // An application may have told its driver to answer bigints as such.
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number') return Number.isInteger(value) ? value : NaN;
  return typeof value === 'string' && /^-?[0-9]{1,19}$/.test(value) ? Number(value) : NaN;
}

/** The text of a text column; where it holds anything else, what none of the library's has. */
export function toText(value: unknown): string {
  return typeof value === 'string' ? value : '(no text)';
}
