import {
  BadRequestException,
  ConflictException,
  ForbiddenException,
  Get,
  Inject,
  NotFoundException,
  Param,
  Query,
  Req,
} from '@nestjs/common';
import { AuditError, invalidQuery } from '../event/audit-error.js';
import type { AuditErrorCode } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { AuditProof } from '../ledger/proof-bundle.js';
import { AuditQueryDto } from '../trail/audit-query.dto.js';
import type { AuditReadScope } from '../trail/audit-scope.js';
import { AuditService } from '../trail/audit.service.js';
import { AuditStatisticsQueryDto } from '../trail/audit-statistics.js';
import type { AuditStatistics } from '../trail/audit-statistics.js';
import type { AuditPage } from '../trail/event-queries.js';
import { Answers, AuditEventDto, AuditPageDto } from './open-api.js';

/** Nest's own key of what `@UseGuards()` says. */
const GUARDS = '__guards__';
/** What the caller's scope says, never the query. */
const OF_SCOPE = ['tenantId', 'allTenants', 'reveal'];

/**
 * The read endpoints of the audit: a list, one event, the history of a thing, statistics, and the proof of an event. Extend it, and say
 * who may read and whose events. It does not start without `@UseGuards()`.
 *
 * @example
 * ```ts
 * @Controller('audit')
 * @UseGuards(JwtAuthGuard, AuditorGuard)
 * export class AuditTrailController extends AuditLogController {
 *   scopeOf({ user }: { user: User }) {
 *     return { tenantId: user.tenantId };
 *   }
 * }
 * ```
 */
export abstract class AuditLogController {
  /** @throws AuditError `AUDIT_INVALID_OPTIONS` where the controller has no guards of its own, or no `scopeOf()` */
  constructor(@Inject(AuditService) protected readonly audit: AuditService) {
    const { name } = new.target;
    const guards = Reflect.getMetadata(GUARDS, new.target) as unknown[] | undefined;
    if (!guards?.length) throw wrong(name, '@UseGuards(AuthGuard, AuditorGuard) on the class');
    if (typeof this.scopeOf !== 'function')
      throw wrong(name, 'scopeOf({ user }) { return { tenantId: user.tenantId }; } in it');
  }

  /** Whose events the caller may read: from what a guard has verified, never from what the client sent. Nobody's: 403. */
  abstract scopeOf(request: unknown): AuditReadScope | Promise<AuditReadScope>;

  @Get()
  @Answers(AuditPageDto)
  async list(@Req() request: unknown, @Query() query: AuditQueryDto): Promise<AuditPage> {
    const scope = await this.scope(request);
    return answer(() => this.audit.find({ ...withoutScope(query), ...scope }));
  }

  @Get('statistics')
  async statistics(
    @Req() request: unknown,
    @Query() query: AuditStatisticsQueryDto,
  ): Promise<AuditStatistics> {
    const { reveal: _, ...scope } = await this.scope(request);
    return answer(() => this.audit.statistics({ ...withoutScope(query), ...scope }));
  }

  @Get('history/:resource/:resourceId')
  @Answers(AuditPageDto)
  async history(
    @Req() request: unknown,
    @Param('resource') resource: string,
    @Param('resourceId') resourceId: string,
    @Query() query: AuditQueryDto,
  ): Promise<AuditPage> {
    const scope = await this.scope(request);
    return answer(() => this.audit.history({ ...withoutScope(query), resource, resourceId, ...scope }));
  }

  @Get(':id')
  @Answers(AuditEventDto)
  async one(@Req() request: unknown, @Param('id') id: string): Promise<AuditLogEvent> {
    const scope = await this.scope(request);
    return found(await answer(() => this.audit.findById(id, scope)));
  }

  /** What `nest-audit verify-proof` checks. */
  @Get(':id/proof')
  @Answers(Object)
  async proof(@Req() request: unknown, @Param('id') id: string): Promise<AuditProof> {
    const { reveal: _, ...scope } = await this.scope(request);
    return found(await answer(() => this.audit.prove(id, scope)));
  }

  private async scope(request: unknown): Promise<AuditReadScope> {
    const scope = await this.scopeOf(request);
    if (scope?.allTenants === true || scope?.tenantId) return scope;
    throw new ForbiddenException();
  }
}

/** @throws AuditError `AUDIT_INVALID_QUERY` where the client says whose events it wants */
function withoutScope<Query extends object>(query: Query): Query {
  const field = OF_SCOPE.find((name) => name in query);
  if (field === undefined) return query;
  throw invalidQuery(field, `${field} can't be asked for`);
}

/** What the caller can mend, or wait for. */
const ANSWERS: Partial<Record<AuditErrorCode, typeof BadRequestException>> = {
  AUDIT_INVALID_QUERY: BadRequestException,
  AUDIT_NOT_SEALED: ConflictException,
};

/** Nest logs an error that is none of its own, with its stack: what a client did wrong must not fill the application's log. */
async function answer<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const { code, statusCode, message } = error as AuditError;
    const Answer = ANSWERS[code];
    throw Answer ? new Answer({ statusCode, message }, { cause: error }) : error;
  }
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new NotFoundException();
  return value;
}

function wrong(name: string, write: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTIONS', `${name} would show the audit to anybody: write ${write}.`);
}
