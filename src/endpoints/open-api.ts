// What @nestjs/swagger reads of the endpoints, so that it documents them without being loaded here. Its compiler plugin writes the same.
// Where it reads something else, the document lacks these answers, and nothing else changes.
import { CATEGORIES, OUTCOMES, SEVERITIES } from '../event/audit-log-event.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';

const RESPONSES = 'swagger/apiResponse';

/** What the handler answers. */
export function Answers(type: new () => object): MethodDecorator {
  return (_target, _name, descriptor) =>
    Reflect.defineMetadata(RESPONSES, { 200: { type, description: '' } }, descriptor.value as object);
}

const text = { type: () => String };
const integer = { type: 'integer' };
const facts = { type: 'object', additionalProperties: true };
const optional = { required: false };

/** An event, as an OpenAPI document shows it. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- it has the properties of an event, and Nest makes none
export interface AuditEventDto extends AuditLogEvent {}
export class AuditEventDto {
  /** @internal */
  static _OPENAPI_METADATA_FACTORY(): Readonly<Record<keyof AuditLogEvent, object>> {
    return {
      id: { ...text, format: 'uuid' },
      timestamp: { ...integer, description: 'Unix epoch, milliseconds' },
      tenantId: text,
      userId: { ...text, ...optional },
      action: text,
      resource: text,
      resourceId: { ...text, ...optional },
      details: facts,
      ipAddress: { ...text, ...optional },
      userAgent: { ...text, ...optional },
      sessionId: { ...text, ...optional },
      severity: { enum: SEVERITIES },
      category: { enum: CATEGORIES },
      outcome: { enum: OUTCOMES },
      riskScore: { ...integer, minimum: 0, maximum: 100 },
      complianceFlags: { type: () => [String] },
      metadata: facts,
    };
  }
}

/** A page of events, as an OpenAPI document shows it. */
export class AuditPageDto {
  readonly events!: AuditEventDto[];
  readonly nextCursor?: string;

  /** @internal */
  static _OPENAPI_METADATA_FACTORY(): Readonly<Record<keyof AuditPageDto, object>> {
    return { events: { type: () => [AuditEventDto] }, nextCursor: { ...text, ...optional } };
  }
}
