import { checkInteger, checkNames, wrongOption } from '../../recorder/risk/option-check.js';
import { VOLUME_KEYS } from '../../recorder/risk/volume.js';
import { DETECTIONS, LOCAL_WINDOW_SECONDS } from './detections.js';
import type { Detection, DetectionName } from './detections.js';

/** How one detection differs from its default, see `docs/detection.md`. */
export interface OneDetectionOptions {
  /** @defaultValue `true` */
  readonly enabled?: boolean;
  /** How much within the window is a finding. */
  readonly threshold?: number;
  /** How long the window is; from 61 seconds on, processes look together. */
  readonly windowSeconds?: number;
}

/** What is looked for in the stream of events. */
export interface DetectionOptions extends Readonly<Partial<Record<DetectionName, OneDetectionOptions>>> {
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

/** The options with their defaults, checked. */
export interface CheckedDetection {
  readonly detections: readonly ActiveDetection[];
  readonly maxKeys: number;
}

export const MAX_KEYS = 10_000;

/**
 * @param volumeKeys the keys of `details` that hold a count of records, as for the risk score
 * @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option, such as `detection.bruteForce.threshold`
 */
export function checkDetectionOptions(
  options: DetectionOptions = {},
  volumeKeys: readonly string[] = VOLUME_KEYS,
): CheckedDetection {
  checkNames('detection', options, ['enabled', 'maxKeys', ...DETECTIONS.map(({ option }) => option)]);
  const detections = DETECTIONS.flatMap((detection) => {
    const path = `detection.${detection.option}`;
    const own: OneDetectionOptions = checkNames(path, options[detection.option], [
      'enabled',
      'threshold',
      'windowSeconds',
    ]);
    const { enabled = true, threshold = detection.threshold, windowSeconds = detection.windowSeconds } = own;
    checkInteger(`${path}.threshold`, threshold, 2, detection.mostThreshold);
    checkInteger(`${path}.windowSeconds`, windowSeconds, 1, 86_400);
    if (!isOn(`${path}.enabled`, enabled)) return [];
    const isShared = windowSeconds > LOCAL_WINDOW_SECONDS || detection.acrossTenants === true;
    const counted = detection.weigh
      ? [{ category: 'data_access', outcomes: ['success', 'partial'], detailsKeys: volumeKeys } as const]
      : [];
    return [
      {
        ...detection,
        any: [...detection.any, ...(volumeKeys.length > 0 ? counted : [])],
        threshold,
        windowSeconds,
        windowMs: windowSeconds * 1_000,
        isShared,
        volumeKeys,
      },
    ];
  });
  return {
    detections,
    maxKeys: checkInteger('detection.maxKeys', options.maxKeys ?? MAX_KEYS, 100, 100_000),
  };
}

function isOn(path: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw wrongOption(path, value, 'true or false');
}
