// The risk score of an event as it is by default, and with the feature `risk`, whose memory here reads no database.
import { checkRiskContext } from '../../dist/esm/features/risk/risk-context-options.js';
import { contextRisk } from '../../dist/esm/features/risk/context-risk.js';
import { RiskMemory } from '../../dist/esm/features/risk/risk-memory.js';
import { RiskStage } from '../../dist/esm/recorder/risk/risk-stage.js';

const silent = { log() {}, warn() {}, error() {} };

/** Works as `measurePerEvent()` takes them. */
export function riskStages() {
  const options = checkRiskContext({
    businessHours: { timeZone: 'Europe/Berlin', from: '08:00', to: '18:00' },
  });
  const memory = new RiskMemory(options, () => Promise.resolve([]), silent);
  const byDefault = new RiskStage();
  const withFeature = new RiskStage();
  withFeature.add(contextRisk(options, (event) => memory.facts(event)));
  return {
    byDefault: (event) => byDefault.judge(event, {}).riskScore,
    withFeature: (event) => withFeature.judge(event, {}).riskScore,
    remember: (event) => {
      memory.note(event);
      return 1;
    },
  };
}
