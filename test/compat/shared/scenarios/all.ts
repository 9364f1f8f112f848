import { configurationScenarios } from './configuration.js';
import { featureScenarios } from './features.js';
import { logScenarios } from './log.js';
import { readingScenarios } from './reading.js';
import { recordingScenarios } from './recording.js';
import { requestScenarios } from './requests.js';
import type { Scenario } from './scenario.js';
import { shutdownScenarios } from './shutdown.js';

/** All of them. */
export const scenarios: readonly Scenario[] = [
  ...requestScenarios,
  ...readingScenarios,
  ...recordingScenarios,
  ...logScenarios,
  ...configurationScenarios,
  ...featureScenarios,
  ...shutdownScenarios,
];
