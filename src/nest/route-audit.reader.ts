import { RequestMethod } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { recordsAll } from '../capture/capture-options.js';
import type { CaptureOptions } from '../capture/capture-options.js';
import type { RecordingPolicy } from '../capture/recording.js';
import type { DeliveryMode } from '../delivery/delivery-options.js';
import { checkRouteOptions, needsResult } from '../capture/route-audit.js';
import type { AuditRouteOptions, RouteAudit } from '../capture/route-audit.js';
import { actionOfRoute, resourceOfController } from '../capture/route-names.js';
import { Audit, NoAudit } from './audit.decorator.js';
import { NEST_METADATA } from './internals.js';

/** A handler of a controller, as Nest's execution context names it. */
// oxlint-disable-next-line typescript/no-unsafe-function-type -- Nest's own type of a handler
export type Handler = Function;

type PathRoute = readonly [path: string, route: RouteAudit];

/** What `@Audit()`, `@NoAudit()` and the defaults say of each handler: read once, then remembered. */
export class RouteAuditReader {
  private readonly known = new WeakMap<Type, Map<Handler, Map<string, RouteAudit>>>();
  private readonly names = new WeakMap<Handler, string>();
  /** By the route of a handler's first path, where it has several: those of all, the longest path first. */
  private readonly byPath = new WeakMap<RouteAudit, readonly PathRoute[]>();
  private readonly reflector = new Reflector();

  /**
   * @param policy may record what the options don't, and ask for answers
   * @param judges whether there is anyone who may refuse a request before its handler
   */
  constructor(
    private readonly options: CaptureOptions,
    private readonly mode: DeliveryMode,
    private readonly policy?: RecordingPolicy,
    private readonly judges = false,
  ) {}

  /** Whether requests of the handler are followed: they may be recorded, or refused. */
  follows({ recorded, silenced = false }: RouteAudit): boolean {
    return !silenced && (recorded || this.judges || this.policy?.records === true);
  }

  /** Whether the handler's result can matter to its event, so that it must be looked at. */
  seesResult(route: RouteAudit, handler: Handler): boolean {
    const needs = pathsOf(handler).some((path) => needsResult(route, path));
    return needs || this.policy?.readsResults === true;
  }

  /** Tells the name of the method that holds the handler: a decorator may have replaced it by a function without one. */
  learnName(handler: Handler, name: string): void {
    this.names.set(handler, name);
  }

  /** @param requestMethod decides only where the handler takes every method */
  read(controller: Type, handler: Handler, requestMethod: string): RouteAudit {
    const handlers = this.known.get(controller) ?? new Map<Handler, Map<string, RouteAudit>>();
    const methods = handlers.get(handler) ?? new Map<string, RouteAudit>();
    let route = methods.get(requestMethod);
    if (!route) {
      route = this.build(controller, handler, methodOf(handler, requestMethod));
      this.known.set(controller, handlers.set(handler, methods.set(requestMethod, route)));
    }
    return route;
  }

  /** The same by the path that the request has found, where its handler has several. */
  at(route: RouteAudit, pattern = ''): RouteAudit {
    return this.byPath.get(route)?.find(([path]) => pattern.endsWith(path))?.[1] ?? route;
  }

  private build(controller: Type, handler: Handler, method: string): RouteAudit {
    const marks = [handler, controller] as Parameters<Reflector['getAllAndOverride']>[1];
    const annotated = this.reflector.getAllAndOverride(Audit, marks) !== undefined;
    // What a handler says counts over what its controller says.
    const isHandlerAudited = this.reflector.get(Audit, handler as Type) !== undefined;
    // And what a class says itself over what it inherits.
    const isOwn = ({ KEY }: { readonly KEY: string }) => Reflect.hasOwnMetadata(KEY, controller);
    const isControllerSilenced =
      this.reflector.get(NoAudit, controller) === true && (isOwn(NoAudit) || !isOwn(Audit));
    const silenced =
      this.reflector.get(NoAudit, handler as Type) === true || (isControllerSilenced && !isHandlerAudited);
    const declared: AuditRouteOptions = {
      ...this.reflector.get(Audit, controller),
      ...this.reflector.get(Audit, handler as Type),
    };
    const handlerName = this.names.get(handler) ?? handler.name;
    const name = `${controller.name}.${handlerName}`;
    checkRouteOptions(declared, `@Audit() of ${name}`, this.mode);
    const resource =
      declared.resource ?? resourceOfController(controller.name, `${pathOf(controller)}/${pathOf(handler)}`);
    const recorded = !silenced && (annotated || recordsAll(this.options));
    const routes = pathsOf(handler).map((path): PathRoute => {
      const action = declared.action ?? actionOfRoute(resource, method, path, handlerName);
      const end = `/${path}`.replace(/\/+/g, '/').replace(/\/$/, '');
      return [end, { ...declared, recorded, resource, action, handler: name, silenced }];
    });
    const [, route] = routes[0]!;
    const longestFirst = routes.toSorted(([left], [right]) => right.length - left.length);
    if (routes.length > 1) this.byPath.set(route, longestFirst);
    return route;
  }
}

/** @param requestMethod that of a handler which takes every method */
export function methodOf(handler: Handler, requestMethod: string): string {
  const declared = Reflect.getMetadata(NEST_METADATA.method, handler) as RequestMethod | undefined;
  if (declared === undefined || declared === RequestMethod.ALL) return requestMethod;
  return RequestMethod[declared] ?? requestMethod;
}

/** The first of the paths that a controller or a handler has. */
export function pathOf(owner: Type | Handler): string {
  return pathsOf(owner)[0]!;
}

function pathsOf(owner: Type | Handler): string[] {
  const paths = Reflect.getMetadata(NEST_METADATA.path, owner) as string | string[] | undefined;
  return paths?.length ? [paths].flat() : [''];
}
