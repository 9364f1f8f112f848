/** An id as text. Never throws; `undefined` for what is not an id. */
export function asId(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value === '' ? undefined : value;
    case 'bigint':
      return value.toString();
    case 'number':
      return Number.isFinite(value) ? String(value) : undefined;
    case 'object':
      return objectId(value);
    default:
      return undefined;
  }
}

/** Ids that are objects, such as MongoDB's ObjectId, say what they are by `toString`. */
function objectId(value: object | null): string | undefined {
  if (value === null || Array.isArray(value)) return undefined;
  try {
    const text: unknown = value.toString === Object.prototype.toString ? undefined : value.toString();
    return typeof text === 'string' && text !== '' ? text : undefined;
  } catch {
    return undefined;
  }
}
