/** Whether the value is a promise; its rejection is then nobody's, and must not end the process. */
export function isThenable(value: unknown): boolean {
  if (typeof value !== 'object' || typeof (value as { then?: unknown } | null)?.then !== 'function')
    return false;
  Promise.resolve(value).catch(() => undefined);
  return true;
}
