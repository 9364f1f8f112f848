import { plainToInstance, Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Max,
  Min,
  ValidateBy,
  validateSync,
} from 'class-validator';
import { types } from 'node:util';
import { invalidQuery } from '../event/audit-error.js';
import { CATEGORIES, OUTCOMES, SEVERITIES } from '../event/audit-log-event.js';
import { isWithin, LAST_TIME } from '../event/event-checks.js';
import { isEventId } from '../event/event-id.js';
import { FACT_LIMITS } from '../event/flatten.js';
import { showValue } from '../event/show-value.js';
import { unknownProperties } from '../event/unknown-properties.js';
import type { AuditCategory, AuditOutcome, AuditSeverity, AuditValue } from '../event/audit-log-event.js';

/** Most events that one page holds. */
export const MAX_LIMIT = 1_000;
/** Most values of one field. */
const MAX_VALUES = 100;
/** Of a user, a thing or a session: events end a longer one than they store in a digest. */
const LONGEST_ID = 4_096;
/** Most keys of `details` or `metadata` that one query compares. */
const MAX_FACTS = 20;
export const DEFAULT_LIMIT = 50;

/** Of each class of queries, by its prototype, its own properties, with what an OpenAPI document says of them. */
const PROPERTIES = new Map<object, Map<string, object | undefined>>();

/**
 * A property that a query may have.
 *
 * @param schema what an OpenAPI document says of it; `undefined` where a query string can't have it
 * @param rules what it must be
 * @param read what is made of the value; by default it stays as it came. Without a type, class-transformer copies what a client sent as an
 *   object, in time that grows with the square of its keys. It also calls what stands under `constructor`
 */
function Property(
  schema: object | undefined,
  rules: readonly PropertyDecorator[],
  read: (value: unknown) => unknown = (value) => value,
): PropertyDecorator {
  const transform = Transform(({ obj, key }: { obj: Record<string, unknown>; key: string }) =>
    obj[key] === undefined || obj[key] === null ? obj[key] : read(obj[key]),
  );
  return (target, property) => {
    const own = PROPERTIES.get(target) ?? new Map<string, object | undefined>();
    PROPERTIES.set(target, own.set(String(property), schema && { required: false, ...schema }));
    for (const rule of [Type(() => Boolean), transform, IsOptional(), ...rules]) rule(target, property);
  };
}

/** A list from one value, a list, or (in a query string) a repeated parameter. */
function toList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** A list that a query string may also write with commas; only for vocabularies, whose words have none. */
function toWords(value: unknown): readonly unknown[] {
  // Of a text with more words, the first that are too many are enough to refuse it.
  return toList(value)
    .slice(0, MAX_VALUES + 1)
    .flatMap((item) => (typeof item === 'string' ? item.split(',', MAX_VALUES + 1) : [item]));
}

/** Epoch milliseconds from a number, a numeric string, an ISO 8601 string or a Date; `NaN` for anything else. */
function toTime(value: unknown): unknown {
  if (typeof value === 'number') return value;
  if (value instanceof Date) return value.getTime();
  if (typeof value !== 'string' || value.trim() === '') return Number.NaN;
  return /^-?\d+$/.test(value) ? Number(value) : Date.parse(value);
}

function toInteger(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
}

const each = { each: true };
const filled = [ArrayNotEmpty(), ArrayMaxSize(MAX_VALUES)];

/** A list of texts, each bounded, as an `IN` condition of every filter is. */
function Texts(maxLength: number): PropertyDecorator {
  const schema = { type: () => [String], maxItems: MAX_VALUES };
  return Property(schema, [...filled, IsString(each), Length(1, maxLength, each)], toList);
}

function Vocabulary(words: readonly string[]): PropertyDecorator {
  return Property({ enum: words, isArray: true }, [...filled, IsIn(words, each)], toWords);
}

function Time(): PropertyDecorator {
  const isTime = ValidateBy(
    { name: 'isTime', validator: { validate: isWithin(LAST_TIME) } },
    { message: '$property must be a time: Unix epoch in milliseconds, an ISO 8601 text or a Date' },
  );
  const description = 'Unix epoch in milliseconds, or ISO 8601';
  return Property({ type: () => String, description }, [isTime], toTime);
}

function Facts(): PropertyDecorator {
  const areFacts = ValidateBy(
    { name: 'areFacts', validator: { validate: (value: unknown) => whyNoFacts(value) === undefined } },
    { message: ({ property, value }) => `${property}${whyNoFacts(value)}` },
  );
  return Property(undefined, [areFacts]);
}

export function WholeNumber(min: number, max: number): PropertyDecorator {
  const schema = { type: 'integer', minimum: min, maximum: max };
  return Property(schema, [IsInt(), Min(min), Max(max)], toInteger);
}

/** One of some words. */
export function Word(words: readonly string[]): PropertyDecorator {
  return Property({ enum: words }, [IsIn(words)]);
}

function Text(minLength: number): PropertyDecorator {
  return Property({ type: () => String }, [IsString(), Length(minLength, 256)]);
}

/** What is wrong with the keys and values that a query compares. */
function whyNoFacts(facts: unknown): string | undefined {
  if (!isRecord(facts)) return ' must be an object of keys and values';
  const entries = Object.entries(facts);
  if (entries.length > MAX_FACTS) return ` can ask for at most ${MAX_FACTS} keys`;
  for (const [key, value] of entries) {
    if (key.length > FACT_LIMITS.key)
      return ` must not have a key of more than ${FACT_LIMITS.key} characters`;
    const items: unknown[] = Array.isArray(value) ? value : [value];
    if (items.length <= FACT_LIMITS.items && items.every(isFact)) continue;
    return `[${showValue(key)}] must be a text, a number, a boolean or a list of texts or numbers, as long as events can have it; nested values have dotted keys`;
  }
  return undefined;
}

/** An object of keys, not one of a kind that has its values elsewhere, such as a Map. */
function isRecord(value: unknown): value is object {
  return Object.prototype.toString.call(value) === '[object Object]';
}

function isFact(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= FACT_LIMITS.string;
  return typeof value === 'boolean' || Number.isFinite(value);
}

/** The id of an event. @param what of which one, in words */
export function IdOf(what: string): PropertyDecorator {
  const isId = ValidateBy(
    { name: 'isId', validator: { validate: isEventId } },
    { message: `$property must be the id of ${what}` },
  );
  return Property(undefined, [isId]);
}

/** Which events: what {@link AuditQueryDto} and the query of statistics have in common. */
export class AuditFilterDto {
  /** Exact, one or a list of at most 100. */
  @Texts(36)
  readonly id?: string | readonly string[];

  /** Exact, one or a list of at most 100. */
  @Texts(LONGEST_ID)
  readonly userId?: string | readonly string[];

  /** Exact, or every action that begins so, `invoice.*`; one or a list. */
  @Texts(128)
  readonly action?: string | readonly string[];

  /** Exact, one or a list of at most 100. */
  @Texts(128)
  readonly resource?: string | readonly string[];

  /** Exact, one or a list of at most 100. */
  @Texts(LONGEST_ID)
  readonly resourceId?: string | readonly string[];

  /** Exact, in any form: it is compared in its canonical one; one or a list. */
  @Texts(64)
  readonly ipAddress?: string | readonly string[];

  /** Exact, one or a list of at most 100. */
  @Texts(512)
  readonly userAgent?: string | readonly string[];

  /** Exact, one or a list of at most 100. */
  @Texts(LONGEST_ID)
  readonly sessionId?: string | readonly string[];

  /** One or a list; in a query string also with commas. */
  @Vocabulary(SEVERITIES)
  readonly severity?: AuditSeverity | readonly AuditSeverity[];

  /** The same. */
  @Vocabulary(CATEGORIES)
  readonly category?: AuditCategory | readonly AuditCategory[];

  /** The same. */
  @Vocabulary(OUTCOMES)
  readonly outcome?: AuditOutcome | readonly AuditOutcome[];

  /** Any of these flags. */
  @Texts(128)
  readonly complianceFlag?: string | readonly string[];

  /** From this time on: Unix epoch in milliseconds, ISO 8601 or a Date. */
  @Time()
  readonly from?: number | string | Date;

  /** Before this time, in the same forms. */
  @Time()
  readonly to?: number | string | Date;

  /** 0 to 100, inclusive. */
  @WholeNumber(0, 100)
  readonly minRiskScore?: number;

  /** 0 to 100, inclusive. */
  @WholeNumber(0, 100)
  readonly maxRiskScore?: number;

  /**
   * At most 20 keys of `details` and the exact values that they must have: `{ 'changes.amount.after': 120 }`. For an
   * application's own code: query strings have no numbers, and Express 5 does not nest them.
   */
  @Facts()
  readonly details?: Readonly<Record<string, AuditValue>>;

  /** The same of `metadata`: `{ statusCode: 403 }`. */
  @Facts()
  readonly metadata?: Readonly<Record<string, AuditValue>>;

  /**
   * Found anywhere in action, resource, ids of resource and user, address, user agent, `details` or `metadata`. ASCII
   * case does not count (on MySQL and MariaDB, no case does). The last two are searched as JSON, keys included; a
   * quotation mark is `\"` there.
   */
  @Text(1)
  readonly text?: string;

  /** @internal What `@nestjs/swagger` asks a class for, so that it need not be loaded here. */
  static _OPENAPI_METADATA_FACTORY(): Record<string, object> {
    const documented = [...(PROPERTIES.get(this.prototype) ?? [])].filter(([, schema]) => schema);
    return Object.fromEntries(documented) as Record<string, object>;
  }
}

/**
 * Which events, in which order: fit to be taken by an application's own controller as `@Query() query: AuditQueryDto`.
 * Every property is optional, all that are given must hold, and a list means any of its values.
 *
 * It has no tenant on purpose: whose events a caller may see is for the application to say,
 * `audit.find({ ...query, tenantId: request.user.tenantId })`, never for the query string.
 */
export class AuditQueryDto extends AuditFilterDto {
  /** `newest` or `oldest` first, by default `newest`. */
  @Word(['newest', 'oldest'])
  readonly order?: 'newest' | 'oldest';

  /** Events on a page, 1 to 1000, by default 50. */
  @WholeNumber(1, MAX_LIMIT)
  readonly limit?: number;

  /** The `nextCursor` of the page before, with the same filter and order. */
  @Text(0)
  readonly cursor?: string;
}

/** A filter without paging: what `stream`, `statistics` and `observe` take. */
export type AuditFilter = AuditFilterDto;

/** The query in its checked form. */
export type CheckedQuery<Query extends object = AuditQueryDto> = Query & {
  readonly from?: number;
  readonly to?: number;
};

/**
 * Checks a query, whoever made it.
 *
 * @param query a copy, see `copyOfQuery`
 * @param dto what it may have
 * @throws AuditError `AUDIT_INVALID_QUERY`, naming the first wrong property
 */
export function checkQuery<Query extends object = AuditQueryDto>(
  query: object,
  dto = AuditQueryDto as unknown as new () => Query,
): CheckedQuery<Query> {
  // Before class-validator does, which takes time that grows with the square of their number.
  const unknown = unknownProperties(query, new Set(namesOf(dto.prototype)));
  if (unknown) throw invalidQuery(unknown.first, unknown.reason);
  const plain = Object.fromEntries(
    Object.entries(query).map(([name, value]) => [name, plainValue(name, value)]),
  );
  const checked = plainToInstance(dto, plain);
  const [error] = validateSync(checked);
  if (!error) return checked as CheckedQuery<Query>;
  throw invalidQuery(error.property, Object.values(error.constraints!)[0]!);
}

/** The properties of a class of queries, and of those that it extends. */
function namesOf(prototype: object | null): string[] {
  if (prototype === null) return [];
  return [
    ...(PROPERTIES.get(prototype)?.keys() ?? []),
    ...namesOf(Object.getPrototypeOf(prototype) as object),
  ];
}

/** What can be looked at again and again without another answer: a copy of a list or a record, and no object of a kind that is not known. */
function plainValue(name: string, value: unknown): unknown {
  if (value === null) throw invalidQuery(name, `${name} must not be null: leave it out, or give it a value`);
  if (typeof value !== 'object') return value;
  let plain: unknown;
  try {
    if (types.isDate(value)) plain = Date.prototype.getTime.call(value);
    else if (Array.isArray(value)) plain = flatList(value);
    else if (isRecord(value)) {
      // No value that a query may have has parts, except lists.
      const facts = Object.entries(value).map(([key, fact]) => [
        key,
        Array.isArray(fact) ? flatList(fact) : fact,
      ]);
      plain = facts.some(([, fact]) => fact === undefined) ? undefined : Object.fromEntries(facts);
    }
  } catch {
    throw invalidQuery(name, `${name} can't be read`);
  }
  if (plain === undefined) throw invalidQuery(name, `${name} must not be an object of this kind`);
  return plain;
}

/** A copy; `undefined` of a list that holds another one: however deep they are, nobody goes through them. */
function flatList(list: readonly unknown[]): unknown[] | undefined {
  const items = [...list];
  return items.some(Array.isArray) ? undefined : items;
}
