import { Injectable, UnauthorizedException } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';

/** A global guard: `Bearer alice@acme` is the user alice of the tenant acme, anybody else is refused. */
@Injectable()
export class BearerGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{
      headers: { authorization?: string };
      user?: { id: string; tenantId: string };
    }>();
    const [, id, tenantId] = /^Bearer (\w+)@(\w+)$/.exec(request.headers.authorization ?? '') ?? [];
    if (id === undefined || tenantId === undefined) throw new UnauthorizedException();
    request.user = { id, tenantId };
    return true;
  }
}
