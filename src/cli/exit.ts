/** What the commands end with. */
export const EXIT = { sound: 0, broken: 1, unknown: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command could not do what it was asked. The message is for people, in one line. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
