// Who may enter. These guards know nothing of the audit; it reads `request.user` when the answer is ready.
import { createParamDecorator, Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { Users } from './users.js';
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
export class SessionGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly users: Users,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.reflector.get(Public, context.getClass())) return true;
    const request = requestOf(context);
    request.user = this.users.sessionOf(request.headers.authorization);
    return true;
  }
}

@Injectable()
export class RolesGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly users: Users,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const role = this.reflector.getAllAndOverride(Roles, [context.getHandler(), context.getClass()]);
    if (role !== undefined) this.users.check(requestOf(context).user, role);
    return true;
  }
}

function requestOf(context: ExecutionContext) {
  return context.switchToHttp().getRequest<{ headers: { authorization?: string }; user: Session }>();
}
