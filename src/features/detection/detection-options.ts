import { checkOption, group, integer, withDefaults, yesNo } from '../../event/option-schema.js';
import { VOLUME_KEYS } from '../../recorder/risk/volume.js';
import { DETECTIONS, LOCAL_WINDOW_SECONDS } from './detections.js';
import type { Detection } from './detections.js';

/** How one detection differs from its default, see `docs/operate/detection.md`. */
export interface OneDetectionOptions {
  /** @defaultValue `true` */
  readonly enabled?: boolean;
  /** How much within the window is a finding. */
  readonly threshold?: number;
  /** How long the window is; from 61 seconds on, processes look together. */
  readonly windowSeconds?: number;
}

/** What is looked for in the stream of events. */
export interface DetectionOptions {
  /** Failed logins from an address, or of an account. */
  readonly bruteForce?: OneDetectionOptions;
  /** Events of a user, or of an address without one. */
  readonly rapidActions?: OneDetectionOptions;
  /** Different things that a user reads. */
  readonly resourceBreadth?: OneDetectionOptions;
  /** Records that a user reads or exports. */
  readonly massExport?: OneDetectionOptions;
  /** What a user is denied. Half as much with a change of rights after it. */
  readonly privilegeEscalation?: OneDetectionOptions;
  /** Tenants of a user. */
  readonly foreignTenant?: OneDetectionOptions;
  /** How many keys (users, addresses, accounts) each detection remembers. @defaultValue `10000` */
  readonly maxKeys?: number;
}

/** A detection as it runs. */
export interface ActiveDetection extends Detection {
  readonly windowMs: number;
  /** The store decides, for all processes together; else the memory of each. */
  readonly isShared: boolean;
  readonly volumeKeys: readonly string[];
}

export const MAX_KEYS = 10_000;

export const detectionSchema = group({
  maxKeys: integer(100, 100_000),
  ...Object.fromEntries(
    DETECTIONS.map(({ option, mostThreshold }) => [
      option,
      group({ enabled: yesNo, threshold: integer(2, mostThreshold), windowSeconds: integer(1, 86_400) }),
    ]),
  ),
});

/**
 * The options with their defaults, checked.
 *
 * @param volumeKeys the keys of `details` that have a count of records, as for the risk score
 * @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `detection.bruteForce.threshold`
 */
export function checkDetectionOptions(
  options: DetectionOptions = {},
  volumeKeys: readonly string[] = VOLUME_KEYS,
): { readonly detections: readonly ActiveDetection[]; readonly maxKeys: number } {
  checkOption(detectionSchema, options, 'detection');
  const counted = {
    category: 'data_access',
    outcomes: ['success', 'partial'],
    detailsKeys: volumeKeys,
  } as const;
  const detections = DETECTIONS.map((detection) => {
    const { threshold, windowSeconds, option, acrossTenants = false, any, weigh } = detection;
    const chosen = withDefaults({ enabled: true, threshold, windowSeconds }, options[option]);
    return {
      ...detection,
      ...chosen,
      any: weigh && volumeKeys.length > 0 ? [...any, counted] : any,
      windowMs: chosen.windowSeconds * 1_000,
      isShared: chosen.windowSeconds > LOCAL_WINDOW_SECONDS || acrossTenants,
      volumeKeys,
    };
  });
  return {
    detections: detections.filter(({ enabled }) => enabled),
    maxKeys: options.maxKeys ?? MAX_KEYS,
  };
}
