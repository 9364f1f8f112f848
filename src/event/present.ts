/** `{ name: value }`, or nothing where there is no value: for objects that must not have undefined properties. */
export function present<K extends string, V>(name: K, value: V | undefined): { [name in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [name in K]: V });
}

/** The object without the properties that have no value; where all have one, the object itself. */
export function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const isThere = (value: unknown) => value !== undefined && value !== null;
  if (Object.values(values).every(isThere)) return values as { [K in keyof T]: NonNullable<T[K]> };
  const entries = Object.entries(values).filter(([, value]) => isThere(value));
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> };
}
