// The feature `detection`: nest-audit-trail/detection.
import { defineFeature } from '../../engine/audit-feature.js';
import type { FeatureHost } from '../../engine/audit-feature.js';
import { DetectionRepository } from './detection.repository.js';
import { Detector } from './detector.js';
import type { DetectionOptions } from './detection-options.js';
import { findingDraft } from './finding.js';

export type { DetectionOptions, OneDetectionOptions } from './detection-options.js';

declare module '../../engine/audit-feature.js' {
  interface FeatureOptions {
    readonly detection?: DetectionOptions;
  }
}

/**
 * Looks for patterns in the stream of events, such as brute force. Each finding is an event of its own, see `docs/operate/detection.md`.
 *
 * @example
 * ```ts
 * AuditModule.forRoot({ features: [detection({ bruteForce: { threshold: 5 } })] })
 * ```
 */
export const detection = defineFeature('detection', (options: DetectionOptions, host) => {
  const { recorder, database, logger, volumeKeys } = host;
  const detector = new Detector(
    options,
    new DetectionRepository(database),
    {
      report: (finding) => void recorder.record(findingDraft(finding)),
      store: async (finding, id) => void (await recorder.recordUnnumbered(findingDraft(finding, id))),
      flush: () => recorder.delivery.flush(),
    },
    logger,
    volumeKeys,
  );
  return {
    observe: (event) => detector.observe(event),
    start: () => {
      warnOfUnseen(host);
      detector.start();
    },
    close: (patienceMs) => detector.close(patienceMs),
  };
});

/** What it looks for in the database, and does not see there. */
function warnOfUnseen({ asked, logger }: FeatureHost): void {
  const { protection } = asked.atRest;
  const unseen = ['userId', 'ipAddress', 'details.account'].filter((name) => protection?.protects(name));
  if (unseen.length === 0) return;
  logger.warn(
    `The fields ${unseen.join(', ')} are protected, so detection can't compare them across processes: by these it finds only what one process records (docs/comply/encryption.md of nest-audit-trail).`,
  );
}
