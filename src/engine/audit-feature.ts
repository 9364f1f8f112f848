import type { RecordingPolicy } from '../capture/recording.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { AtRestFeature } from '../recorder/at-rest.js';
import type { AuditRecorder } from '../recorder/audit-recorder.js';
import type { BlockJudge } from '../recorder/block-judge.js';
import type { ServiceOptions } from '../recorder/event-completer.js';
import type { RiskFeature } from '../recorder/risk/risk-stage.js';
import type { Stage } from '../recorder/stage.js';
import type { FeatureTables } from '../store/audit-data-source.js';
import type { AuditDatabase } from '../store/audit-database.js';
import type { Redactor } from '../recorder/redaction/redactor.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import type { AskedFor } from '../trail/asked-for.js';
import type { AuditService } from '../trail/audit.service.js';
import type { TrustedLog } from '../trail/believed-checkpoints.js';
import type { ReadObserver, Reads } from '../trail/reads.js';
import type { ExplainsMissing } from '../trail/verification/verification.js';

/** Under this key a decorator keeps at the prototype of the class the name of the feature without which it would do nothing. */
export const NEEDS_FEATURE = 'nest-audit-trail:needs-feature';

/** A class that is injected. */
export type ServiceClass<T extends object = object> = abstract new (...args: any[]) => T;

/** A person whose data may have to stay. */
export interface HeldPerson {
  readonly tenantId: string;
  /** In the forms in which events have them; absent where the person is not the user: then any user's events may be on the person. */
  readonly userIds?: readonly string[];
}

/** What a feature may use of the engine. */
export interface FeatureHost {
  /** The keys of `details` that hold a count of records, where the option `risk.volumeKeys` has others. */
  readonly volumeKeys: readonly string[] | undefined;
  /** Which program writes, where the option `service` says it. */
  readonly program: ServiceOptions | undefined;
  readonly database: AuditDatabase;
  readonly events: AuditEventRepository;
  readonly recorder: AuditRecorder;
  readonly audit: AuditService;
  /** Whoever shows events tells it, under the name of the method. */
  readonly reads: Reads;
  /** What the audit's own events may say of a value that somebody gave. */
  readonly asked: AskedFor;
  readonly redactor: Redactor;
  readonly log: TrustedLog;
  readonly logger: AuditLogger;
  /**
   * The id of a legal hold that may be on what is recorded of the person, from any feature.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where no feature here can tell; `AUDIT_STORE_UNAVAILABLE`
   */
  readonly holdsOn: (person: HeldPerson) => Promise<string | undefined>;
}

/** A feature at work, from the making of the engine to its end. */
export interface RunningFeature {
  /** Decides which requests are recorded and how much of each; one feature at most. Without it, `@Audit()` and the options decide. */
  readonly recording?: RecordingPolicy;
  /** May refuse a request before its handler. Where a feature has it, every handler has the guard that asks. */
  readonly refuse?: BlockJudge;
  /** Judges each event as it is made, after its risk score. */
  readonly judge?: Stage;
  /**
   * Looks at each event as it is recorded, with its protected values. It must not wait; what it throws costs nobody else anything.
   *
   * @param shown the event as those read it who may not see protected values
   */
  readonly observe?: (event: AuditLogEvent, shown: AuditLogEvent) => void;
  /** What it adds to the risk score of each event that was given none. */
  readonly risk?: RiskFeature;
  /** How events rest in journal and database; one feature at most. */
  readonly atRest?: AtRestFeature;
  /** Whether what is recorded of the person has to stay, see {@link FeatureHost.holdsOn}. */
  readonly holds?: (person: HeldPerson) => Promise<string | undefined>;
  /** Is told of each read of the audit, and may have it refused. */
  readonly reads?: ReadObserver;
  /** Why leaves of the log may have no event. */
  readonly explains?: ExplainsMissing;
  /** The journal is open, the database was not asked yet. What it throws ends the start. */
  readonly prepare?: () => Promise<void>;
  /** The database is there, at the start or again. @throws AuditError `AUDIT_INVALID_OPTIONS`: it ends the start, later it is logged */
  readonly connected?: () => Promise<void>;
  /** The journal is open, and the database was asked for. */
  readonly start?: () => void;
  /** What the application gets where it injects the feature's service. */
  readonly service?: object;
  /** Ends, while events can still be recorded. Never rejects. @param patienceMs 0 where the database is away */
  readonly close?: (patienceMs: number) => Promise<void>;
  /** Every feature has closed: finishes what their last events have led to, while events can still be recorded. Never rejects. */
  readonly settle?: (patienceMs: number) => Promise<void>;
  /** Ends once delivery has ended, with nothing left to record; also where the start has failed. Never rejects. */
  readonly end?: () => void | Promise<void>;
}

/** What of a feature is known before it runs. */
export interface FeatureParts {
  /** The class of its service, by which it is injected. */
  readonly service?: ServiceClass | undefined;
  /** Its own providers, of Nest's type `Provider`, made in `AuditModule`. Where there is no Nest to make them, it is refused. */
  readonly providers?: readonly object[] | undefined;
  /** Its tables, which are there only where it is listed. */
  readonly tables?: FeatureTables | undefined;
}

/** What not everybody needs, as a plug-in: `AuditModule.forRoot({ features: [detection()] })`. */
export interface AuditFeature extends FeatureParts {
  /** Each feature once. An async factory answers its options under this name, so no option of the core may have it. */
  readonly name: string;
  /** What it does to events can't be done in the thread that stores: there is none then. */
  readonly needsMainThread?: boolean | undefined;
  /** Called once, when the engine is made. @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option */
  readonly run: (host: FeatureHost) => RunningFeature;
}

/**
 * Options of features, each by its name, where these come from an async factory. A feature adds its own by declaration merging.
 */
export interface FeatureOptions {}

/** Makes a feature, with its options. With `forRootAsync()` it is listed itself, and gets those that the factory answers under its name. */
export type FeatureFactory<Name extends string = string, Options = never> = ((
  options?: Options,
) => AuditFeature) &
  FeatureParts & { readonly featureName: Name };

/**
 * @param run see {@link AuditFeature}
 * @param needsMainThread whether it does with these options, which are not checked yet
 */
export function defineFeature<Name extends string, Options extends object, Parts extends FeatureParts>(
  name: Name,
  run: (options: Options, host: FeatureHost) => RunningFeature,
  parts = {} as Parts,
  needsMainThread?: (options: Options) => boolean,
): FeatureFactory<Name, Options> & Parts {
  const make = (options = {} as Options): AuditFeature => ({
    ...parts,
    name,
    needsMainThread: needsMainThread?.(options),
    run: (host) => run(options, host),
  });
  return Object.assign(make, { featureName: name, ...parts });
}

/** The options with the listed features among `features`, each with the options that stand under its name. */
export function withFeatures(options: unknown, listed: readonly FeatureFactory[]): unknown {
  if (listed.length === 0 || typeof options !== 'object' || options === null) return options;
  const rest: Record<string, unknown> = { ...options };
  const given: unknown = rest['features'] ?? [];
  const made = listed.map((feature) => {
    const own = rest[feature.featureName] as never;
    delete rest[feature.featureName];
    return feature(own);
  });
  // What is no list, the check of the options says.
  return { ...rest, features: Array.isArray(given) ? [...(given as AuditFeature[]), ...made] : given };
}
