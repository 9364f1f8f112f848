// Who may enter. These guards know nothing of the audit; it reads `request.user` when the answer is ready.
import { createParamDecorator, ForbiddenException, Injectable, UnauthorizedException } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { JwtService } from '@nestjs/jwt';
import type { Role, Session } from './users.js';

/** Opens a controller to everyone. */
export const Public = Reflector.createDecorator<undefined, boolean>({ transform: () => true });
/** Reserves a controller or a handler to those who have the role. */
export const Roles = Reflector.createDecorator<Role>();
/** The verified session of the caller, in a handler's parameters. */
export const Caller = createParamDecorator(
  (_: unknown, context: ExecutionContext) => requestOf(context).user,
);

@Injectable()
export class JwtGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly jwt: JwtService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.reflector.get(Public, context.getClass())) return true;
    const request = requestOf(context);
    const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    request.user = await this.jwt.verifyAsync<Session & object>(token).catch(() => {
      throw new UnauthorizedException('This takes a valid token: log in first.');
    });
    return true;
  }
}

@Injectable()
export class RolesGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const role = this.reflector.getAllAndOverride(Roles, [context.getHandler(), context.getClass()]);
    if (role === undefined || requestOf(context).user.roles.includes(role)) return true;
    throw new ForbiddenException(`This takes the role ${role}.`);
  }
}

function requestOf(context: ExecutionContext) {
  return context.switchToHttp().getRequest<{ headers: { authorization?: string }; user: Session }>();
}
