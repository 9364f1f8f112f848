// What tests use of the harness's JavaScript, typed.
declare module '*/harness/private-server.mjs' {
  export class PrivateServer {
    constructor(accounts: string[]);
    readonly folder: string;
    write(name: string, text: string): string;
    run(command: string, args: string[], env?: Record<string, string>): Promise<void>;
    start(
      command: string,
      args: string[],
      signal: NodeJS.Signals,
      connect: () => Promise<unknown>,
    ): Promise<unknown>;
  }
}

declare module '*/harness/local-binary.mjs' {
  export function findTogether(...programs: string[]): string[] | undefined;
  export function findFirst(...programs: string[]): string | undefined;
}

declare module '*/harness/end-of-run.mjs' {
  export function atEndOfRun(
    task: { processGroup: number; signal?: NodeJS.Signals } | { folder: string },
  ): void;
  export function hasEnded(pid: number): void;
  export function endRun(): Promise<void>;
}

declare module '*/harness/mysql-server.mjs' {
  export interface PrivateAddress {
    readonly host: string;
    readonly port: number;
    readonly username: string;
    readonly password: string;
  }
  export const mysqlServer: {
    query(server: PrivateAddress, statements: readonly string[]): Promise<object[]>;
    /** @param more options of the server */
    startPrivate(more?: readonly string[]): Promise<PrivateAddress | undefined>;
  };
}
