import { plainToInstance, Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsObject,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateBy,
  validateSync,
} from 'class-validator';
import { AuditError } from '../event/audit-error.js';
import { CATEGORIES, OUTCOMES, SEVERITIES } from '../event/audit-log-event.js';
import type { AuditCategory, AuditOutcome, AuditSeverity, AuditValue } from '../event/audit-log-event.js';

/** Most events that one page holds. */
export const MAX_LIMIT = 1_000;
export const DEFAULT_LIMIT = 50;

/** A list from one value, a list, or (in a query string) a repeated parameter. */
function List(): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) =>
    value === undefined || value === null || Array.isArray(value) ? value : [value],
  );
}

/** A list that a query string may also write with commas; only for vocabularies, whose words have none. */
function Words(): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) => {
    if (value === undefined || value === null) return value;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    return list.flatMap((item) => (typeof item === 'string' ? item.split(',') : [item]));
  });
}

/** Epoch milliseconds from a number, a numeric string, an ISO 8601 string or a Date; `NaN` for anything else. */
function Instant(): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) => {
    if (value === undefined || value === null || typeof value === 'number') return value;
    if (value instanceof Date) return value.getTime();
    if (typeof value !== 'string' || value.trim() === '') return Number.NaN;
    return /^-?\d+$/.test(value) ? Number(value) : Date.parse(value);
  });
}

function Integer(): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value,
  );
}

/** A list of texts, each bounded, as an `IN` condition of every filter is. */
function Texts(maxLength: number): PropertyDecorator {
  const rules = [
    IsOptional(),
    List(),
    ArrayNotEmpty(),
    ArrayMaxSize(100),
    IsString({ each: true }),
    IsNotEmpty({ each: true }),
    MaxLength(maxLength, { each: true }),
  ];
  return (target, property) => rules.forEach((rule) => rule(target, property));
}

function Vocabulary(words: readonly string[]): PropertyDecorator {
  const rules = [IsOptional(), Words(), ArrayNotEmpty(), IsIn(words, { each: true })];
  return (target, property) => rules.forEach((rule) => rule(target, property));
}

function Time(): PropertyDecorator {
  const isTime = ValidateBy(
    {
      name: 'isTime',
      validator: {
        validate: (value: unknown) =>
          Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 48,
      },
    },
    { message: '$property must be a time: Unix epoch in milliseconds, an ISO 8601 text or a Date' },
  );
  const rules = [IsOptional(), Instant(), isTime];
  return (target, property) => rules.forEach((rule) => rule(target, property));
}

function WholeNumber(min: number, max: number): PropertyDecorator {
  const rules = [IsOptional(), Integer(), IsInt(), Min(min), Max(max)];
  return (target, property) => rules.forEach((rule) => rule(target, property));
}

/**
 * Which events, in which order: fit to be taken by an application's own controller as `@Query() query: AuditQueryDto`.
 * Every property is optional, all that are given must hold, and a list means any of its values.
 *
 * It has no tenant on purpose: whose events a caller may see is for the application to say,
 * `audit.find({ ...query, tenantId: request.user.tenantId })`, never for the query string.
 */
export class AuditQueryDto {
  @Texts(36)
  readonly id?: string | readonly string[];

  @Texts(255)
  readonly userId?: string | readonly string[];

  /** Exact, or every action below a name: `invoice.*` */
  @Texts(128)
  readonly action?: string | readonly string[];

  @Texts(128)
  readonly resource?: string | readonly string[];

  @Texts(255)
  readonly resourceId?: string | readonly string[];

  @Texts(64)
  readonly ipAddress?: string | readonly string[];

  @Texts(512)
  readonly userAgent?: string | readonly string[];

  @Texts(255)
  readonly sessionId?: string | readonly string[];

  @Vocabulary(SEVERITIES)
  readonly severity?: AuditSeverity | readonly AuditSeverity[];

  @Vocabulary(CATEGORIES)
  readonly category?: AuditCategory | readonly AuditCategory[];

  @Vocabulary(OUTCOMES)
  readonly outcome?: AuditOutcome | readonly AuditOutcome[];

  /** Id of a compliance rule that matched. */
  @Texts(128)
  readonly complianceFlag?: string | readonly string[];

  /** From this time on: Unix epoch in milliseconds, ISO 8601 or a Date. */
  @Time()
  readonly from?: number | string | Date;

  /** Before this time: Unix epoch in milliseconds, ISO 8601 or a Date. */
  @Time()
  readonly to?: number | string | Date;

  /** 0-100, inclusive. */
  @WholeNumber(0, 100)
  readonly minRiskScore?: number;

  /** 0-100, inclusive. */
  @WholeNumber(0, 100)
  readonly maxRiskScore?: number;

  /**
   * Keys of `details` and the exact values that they must have: `{ 'changes.amount.after': 120 }`. For an application's
   * own code: query strings have no numbers, and Express 5 does not nest them.
   */
  @IsOptional()
  @IsObject()
  readonly details?: Readonly<Record<string, AuditValue>>;

  /** Keys of `metadata` and the exact values that they must have: `{ statusCode: 403 }` */
  @IsOptional()
  @IsObject()
  readonly metadata?: Readonly<Record<string, AuditValue>>;

  /** Text found anywhere in action, resource, ids, address, user agent, `details` or `metadata`; ASCII case does not count. */
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  @MaxLength(256)
  readonly text?: string;

  /** @defaultValue `newest` */
  @IsOptional()
  @IsIn(['newest', 'oldest'])
  readonly order?: 'newest' | 'oldest';

  /** Most events in the answer, 1-1000. @defaultValue 50 */
  @WholeNumber(1, MAX_LIMIT)
  readonly limit?: number;

  /** The `nextCursor` of the page before, with the same filter and order. */
  @IsOptional()
  @IsString()
  @MaxLength(256)
  readonly cursor?: string;
}

/** The query in its checked form. */
export type CheckedQuery = Omit<{ readonly [K in keyof AuditQueryDto]: AuditQueryDto[K] }, 'from' | 'to'> & {
  readonly from?: number;
  readonly to?: number;
};

/**
 * Checks a query, whoever made it.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY`, naming the first wrong property
 */
export function checkQuery(query: object): CheckedQuery {
  const checked = plainToInstance(AuditQueryDto, { ...query });
  const [error] = validateSync(checked, { whitelist: true, forbidNonWhitelisted: true });
  if (error) {
    const unknown = error.constraints?.['whitelistValidation'] !== undefined;
    const reason = unknown
      ? `it has no property "${error.property}"`
      : (Object.values(error.constraints ?? {})[0] ?? `${error.property} is not valid`);
    throw new AuditError('AUDIT_INVALID_QUERY', `The audit query is not valid: ${reason}.`, {
      field: error.property,
    });
  }
  return checked as CheckedQuery;
}
