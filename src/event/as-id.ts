/** An id as text; `undefined` for what is none. */
export function asId(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value === '' ? undefined : value;
    case 'bigint':
      return value.toString();
    case 'number':
      return Number.isFinite(value) ? String(value) : undefined;
    case 'object':
      return value !== null && !Array.isArray(value) && value.toString !== Object.prototype.toString
        ? String(value)
        : undefined;
    default:
      return undefined;
  }
}
