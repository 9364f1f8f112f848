// The feature `policy`: nest-audit-trail/policy.
import { defineFeature } from '../../engine/audit-feature.js';
import { AuditPolicy } from './audit-policy.js';
import type { PolicyOptions } from './policy-rule.js';

export type {
  RecordingLevel as PolicyLevel,
  RequestFacts as PolicySubject,
} from '../../capture/recording.js';
export { AuditPolicy } from './audit-policy.js';
export type { PolicyExplanation } from './audit-policy.js';
export type { PolicyMatch, PolicyOptions, PolicyRule } from './policy-rule.js';

declare module '../../engine/audit-feature.js' {
  interface FeatureOptions {
    readonly policy?: PolicyOptions;
  }
}

/**
 * Which requests are recorded and how much of each, as data: a list of rules, or a JSON file of them. See `docs/record/policy.md`. The injected
 * {@link AuditPolicy} says which rule decides.
 *
 * @example
 * ```ts
 * AuditModule.forRoot({ features: [policy([{ level: 'none', match: { path: '/health' } }])] })
 * ```
 */
export const policy = defineFeature(
  'policy',
  (options: PolicyOptions) => {
    const rules = new AuditPolicy(options);
    return { recording: rules, service: rules };
  },
  { service: AuditPolicy },
);
