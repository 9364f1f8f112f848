/** Where an event has its encrypted values: in `metadata`. */
export const PROTECTED_KEY = 'protected';
/** Which of its fields outside of `details` and `metadata` are among them. */
export const PROTECTED_FIELDS_KEY = 'protectedFields';
/** Stands in `details` and `metadata` where an encrypted value was. */
export const PROTECTED_VALUE = '[protected]';
