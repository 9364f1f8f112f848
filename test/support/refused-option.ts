/** That the check refuses an option, and names it. */
export function expectRefusedOption(field: string, check: () => unknown): void {
  let thrown: unknown;
  try {
    check();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({
    code: 'AUDIT_INVALID_OPTIONS',
    field,
    message: expect.stringContaining(field) as string,
  });
}
