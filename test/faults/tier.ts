/** Every scenario on every server, with long outages and many kills: `npm run test:faults -- --all`. */
export const IS_ALL = process.env['AUDIT_FAULTS_ALL'] === '1';

/** A duration or a number: one for all of the suite, and one for each day, where a scenario runs on one server alone. */
export function perTier(all: number, each: number): number {
  return IS_ALL ? all : each;
}
