/** `{ name: value }`, or nothing where there is no value: for objects that must not have undefined properties. */
export function present<K extends string, V>(name: K, value: V | undefined): { [name in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [name in K]: V });
}
