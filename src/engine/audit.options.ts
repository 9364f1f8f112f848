import { AuditError } from '../event/audit-error.js';
import { checkOption, firstFault, group, option, ruled, text, wrongOption } from '../event/option-schema.js';
import type { OptionSchema } from '../event/option-schema.js';
import { showValue } from '../event/show-value.js';
import type { AuditFeature } from './audit-feature.js';
import { captureSchema } from '../capture/capture-options.js';
import type { CaptureOptions } from '../capture/capture-options.js';
import { deliverySchema } from '../delivery/delivery-options.js';
import type { DeliveryOptions } from '../delivery/delivery-options.js';
import type { ServiceOptions } from '../recorder/event-completer.js';
import { riskSchema } from '../recorder/risk/risk-options.js';
import type { RiskOptions } from '../recorder/risk/risk-options.js';
import { redactionSchema } from '../recorder/redaction/redaction-options.js';
import type { RedactionOptions } from '../recorder/redaction/redaction-options.js';
import { ledgerSchema } from '../sealer/ledger-options.js';
import type { LedgerOptions } from '../sealer/ledger-options.js';
import { storeEntries } from '../store/store-options.js';
import type { StoreOptions } from '../store/store-options.js';

/** What `AuditModule.forRoot()` takes. Everything is optional: without options, events go to `audit.sqlite`. */
export interface AuditModuleOptions extends StoreOptions {
  /** What is captured of requests. */
  readonly capture?: CaptureOptions;
  /** How events get their risk score (`docs/record/risk.md#options`). */
  readonly risk?: RiskOptions;
  /**
   * The features to load, each imported from its sub-path: `[detection()]` from `nest-audit-trail/detection`
   * (`docs/reference/options.md#features`).
   */
  readonly features?: readonly AuditFeature[];
  /** How events reach the database. */
  readonly delivery?: DeliveryOptions;
  /** The log that shows every change of a stored event (`docs/prove/tamper-evidence.md`). */
  readonly ledger?: LedgerOptions;
  /** What is removed from events before they are stored (`docs/comply/privacy.md#redaction`). */
  readonly redaction?: RedactionOptions;
  /** The name and version of the program that writes. */
  readonly service?: ServiceOptions;
}

function isFeature(value: unknown): value is AuditFeature {
  const { name, run } = Object(value) as Partial<AuditFeature>;
  return typeof name === 'string' && name !== '' && typeof run === 'function';
}

function areFeatures(value: unknown): boolean {
  if (!Array.isArray(value) || !value.every(isFeature)) return false;
  return new Set(value.map(({ name }) => name)).size === value.length;
}

/** Options of features: where somebody may write them among the core's, and how they are written instead. */
const OF_FEATURES: Readonly<Record<string, string>> = {
  auditReads: 'access()',
  compliance: 'complianceRules({ … })',
  complianceRules: 'complianceRules({ … })',
  detection: 'detection({ … })',
  metrics: 'metrics()',
  policy: 'policy([ … ])',
  retention: 'retention({ … })',
  protect: 'protection({ … })',
  riskContext: 'risk({ … })',
  'risk.businessHours': 'risk({ businessHours: … })',
  'risk.burst': 'risk({ burst: … })',
  'risk.scorer': 'risk({ scorer: … })',
  'risk.weights.offHours': 'risk({ weights: { offHours: … } })',
  'risk.weights.newAddress': 'risk({ weights: { newAddress: … } })',
  'risk.weights.newDevice': 'risk({ weights: { newDevice: … } })',
  'risk.weights.burst': 'risk({ weights: { burst: … } })',
};

/** All options of the core. `docs/reference/options.md` has the same. */
export const auditOptions = ruled(
  group({
    ...storeEntries,
    capture: captureSchema,
    risk: riskSchema,
    features: option(
      areFeatures,
      "a list of features, each once: [detection()], with import { detection } from 'nest-audit-trail/detection'",
    ),
    delivery: deliverySchema,
    ledger: ledgerSchema,
    redaction: redactionSchema,
    service: group(
      { name: text("the program's name, 'billing-api'"), version: text() },
      { required: ['name'], write: "{ name: 'billing-api' }" },
    ),
  } satisfies Record<keyof AuditModuleOptions, OptionSchema>),
  ({ database, dataSource }: AuditModuleOptions) =>
    database !== undefined && dataSource !== undefined
      ? {
          at: ['dataSource'],
          fault:
            "and database exclude each other: write database for a connection of its own, or dataSource to share the application's",
        }
      : undefined,
);

/**
 * Checks the options once, at start.
 *
 * @returns the options, frozen
 * @throws AuditError `AUDIT_INVALID_OPTIONS`, with the option's path and what to write instead
 */
export function checkOptions(options: unknown): AuditModuleOptions {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      `The audit options are ${showValue(options)}: write AuditModule.forRoot({ … }), AuditModule.forRoot() for the defaults, or let the factory of forRootAsync() return an object.`,
      { field: '' },
    );
  }
  const found = firstFault(auditOptions, options)?.at ?? '';
  const call = Object.hasOwn(OF_FEATURES, found) && OF_FEATURES[found];
  if (call) {
    const feature = call.slice(0, call.indexOf('('));
    const subPath = feature === 'complianceRules' ? 'rules' : feature;
    throw wrongOption(
      found,
      `is a feature: write features: [${call}], with import { ${feature} } from 'nest-audit-trail/${subPath}'`,
    );
  }
  checkOption(auditOptions, options, '');
  return Object.freeze({ ...(options as AuditModuleOptions) });
}
