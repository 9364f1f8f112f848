import type { RequestAudit } from '../capture/request-audit.js';
import { wrongOption } from '../event/option-schema.js';
import type { AtRest } from '../recorder/at-rest.js';
import type { EventCompleter } from '../recorder/event-completer.js';
import type { Listeners } from '../recorder/listeners.js';
import type { RiskStage } from '../recorder/risk/risk-stage.js';
import type { Reads } from '../trail/reads.js';
import type { AuditFeature, FeatureHost, RunningFeature } from './audit-feature.js';

/** The parts of the rooms in which features take part. */
interface Joined {
  readonly requests: RequestAudit;
  readonly completer: EventCompleter;
  readonly listeners: Listeners;
  readonly risk: RiskStage;
  readonly reads: Reads;
  readonly atRest: AtRest;
}

/**
 * Makes the features, in their order, and has each take its part.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option
 */
export function addFeatures(
  listed: readonly AuditFeature[],
  host: FeatureHost,
  { requests, completer, listeners, risk, reads, atRest }: Joined,
): RunningFeature[] {
  const features = listed.map((feature) => {
    const running = feature.run(host);
    const { refuse, judge, observe, risk: points, reads: observer } = running;
    if (refuse) requests.judges.push(refuse);
    if (judge) completer.add(judge);
    if (observe) listeners.observe((event, shown) => observe(event, shown));
    if (points) risk.add(points);
    if (observer) reads.add(observer);
    return running;
  });
  requests.choice.policy = onlyOne(features, 'recording', 'decide which requests are recorded');
  atRest.feature = onlyOne(features, 'atRest', 'protect values');
  return features;
}

/** @throws AuditError `AUDIT_INVALID_OPTIONS` where several features do what one alone can do */
function onlyOne<Part extends 'recording' | 'atRest'>(
  features: readonly RunningFeature[],
  part: Part,
  does: string,
): RunningFeature[Part] {
  const [one, other] = features.filter((feature) => feature[part]);
  if (other) throw wrongOption('features', `has two features that ${does}: write one of them`);
  return one?.[part];
}
