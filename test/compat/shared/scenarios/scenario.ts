/** What both applications must do. The test runner of each turns it into a test. */
export interface Scenario {
  readonly name: string;
  readonly run: () => Promise<void>;
}
