import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  validateSync,
} from 'class-validator';
import { AuditError } from './audit-error.js';
import { CATEGORIES, OUTCOMES, SEVERITIES } from './audit-log-event.js';
import type { AuditCategory, AuditOutcome, AuditSeverity } from './audit-log-event.js';
import { isPlainInput } from './plain-input.js';
import { TEXT_LIMITS } from './safe-text.js';
import { propertiesOf, unknownProperties } from './unknown-properties.js';

/**
 * What an application gives to `AuditService.record()`: only `action` is needed. Who, where and in which request is
 * taken from the current request or `runAs` where it is not given.
 */
export interface AuditEventInput {
  /** `resource.verb`, for example `report.generate`. */
  readonly action: string;
  /** @defaultValue what stands before the first dot of `action` */
  readonly resource?: string;
  readonly resourceId?: string;
  /** When the action began: Unix epoch, milliseconds. @defaultValue now */
  readonly timestamp?: number;
  readonly tenantId?: string;
  readonly userId?: string;
  readonly sessionId?: string;
  readonly ipAddress?: string;
  readonly userAgent?: string;
  /** Facts of the business; nested values become dotted keys. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** @defaultValue by category, outcome and verb, see `docs/format.md` */
  readonly severity?: AuditSeverity;
  /** @defaultValue `data_access` for `*.read`, `*.list` and `*.export`, else `data_modification` */
  readonly category?: AuditCategory;
  /** @defaultValue `success` */
  readonly outcome?: AuditOutcome;
  /** Integer, 0-100. @defaultValue by category, severity, outcome and verb, see `docs/format.md` */
  readonly riskScore?: number;
  readonly complianceFlags?: readonly string[];
  /** Facts of the capture. `source`, `sequence` and `schemaVersion` are always the library's own. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

// oxlint-disable-next-line no-control-regex
const NO_CONTROL_CHARACTERS = /^[^\u0000-\u001f\u007f]*$/u;

/** The rules of {@link AuditEventInput}, as class-validator reads them. */
class AuditEventInputRules implements AuditEventInput {
  @IsString()
  @IsNotEmpty()
  @MaxLength(TEXT_LIMITS.action)
  @Matches(NO_CONTROL_CHARACTERS)
  readonly action!: string;

  @IsOptional()
  @IsString()
  @IsNotEmpty()
  @MaxLength(TEXT_LIMITS.resource)
  @Matches(NO_CONTROL_CHARACTERS)
  readonly resource?: string;

  @IsOptional()
  @IsString()
  @MaxLength(TEXT_LIMITS.resourceId)
  @Matches(NO_CONTROL_CHARACTERS)
  readonly resourceId?: string;

  // 2^48 - 1 is the last millisecond that a UUIDv7 can hold.
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(281_474_976_710_655)
  readonly timestamp?: number;

  @IsOptional()
  @IsString()
  @IsNotEmpty()
  @MaxLength(TEXT_LIMITS.tenantId)
  @Matches(NO_CONTROL_CHARACTERS)
  readonly tenantId?: string;

  @IsOptional()
  @IsString()
  @MaxLength(TEXT_LIMITS.userId)
  @Matches(NO_CONTROL_CHARACTERS)
  readonly userId?: string;

  @IsOptional()
  @IsString()
  @MaxLength(TEXT_LIMITS.sessionId)
  @Matches(NO_CONTROL_CHARACTERS)
  readonly sessionId?: string;

  @IsOptional()
  @IsString()
  readonly ipAddress?: string;

  @IsOptional()
  @IsString()
  readonly userAgent?: string;

  @IsOptional()
  @IsObject()
  readonly details?: Readonly<Record<string, unknown>>;

  @IsOptional()
  @IsIn(SEVERITIES)
  readonly severity?: AuditSeverity;

  @IsOptional()
  @IsIn(CATEGORIES)
  readonly category?: AuditCategory;

  @IsOptional()
  @IsIn(OUTCOMES)
  readonly outcome?: AuditOutcome;

  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(100)
  readonly riskScore?: number;

  @IsOptional()
  @IsArray()
  @ArrayMaxSize(100)
  @IsString({ each: true })
  @MaxLength(128, { each: true })
  readonly complianceFlags?: readonly string[];

  @IsOptional()
  @IsObject()
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** All that an event may have: what has a rule. */
const PROPERTIES = propertiesOf(AuditEventInputRules);

/**
 * Refuses what is not an {@link AuditEventInput}.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT`, naming the first wrong property
 */
export function assertEventInput(input: unknown): asserts input is AuditEventInput {
  if (typeof input !== 'object' || input === null) {
    throw new AuditError(
      'AUDIT_INVALID_EVENT',
      'An audit event must be an object: write record({ action: "invoice.approve", … }).',
    );
  }
  if (isPlainInput(input)) return;
  const unknown = unknownProperties(input, PROPERTIES);
  if (unknown) {
    throw new AuditError('AUDIT_INVALID_EVENT', `The audit event was not recorded: ${unknown.reason}.`, {
      field: unknown.first,
    });
  }
  const [error] = validateSync(Object.assign(new AuditEventInputRules(), input));
  if (!error) return;
  const [reason] = Object.values(error.constraints ?? {});
  throw new AuditError(
    'AUDIT_INVALID_EVENT',
    `The audit event was not recorded: ${reason ?? `${error.property} is not valid`}.`,
    { field: error.property },
  );
}
