/** Whether the value is a promise; its rejection is then nobody's, and must not end the process. */
export function isThenable(value: unknown): boolean {
  if (
    typeof value !== 'object' ||
    value === null ||
    typeof (value as { then?: unknown }).then !== 'function'
  ) {
    return false;
  }
  Promise.resolve(value as PromiseLike<unknown>).catch(() => undefined);
  return true;
}
