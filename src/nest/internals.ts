// What the audit uses of Nest that is not its public API. Nothing of it is changed; each is tested when an application starts, and one
// that is not as expected costs what its sentence says. Of Express that is `capture/express-router.ts`.
import { Get, Sse, UseFilters, UseGuards, UseInterceptors } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';

/**
 * Nest's own metadata keys, unchanged since Nest 5; `@nestjs/common` exports them under a different path in each
 * major version.
 */
export const NEST_METADATA = {
  path: 'path',
  method: 'method',
  guards: '__guards__',
  interceptors: '__interceptors__',
  filters: '__exceptionFilters__',
  sse: '__sse__',
} as const;

/** Adds a guard, an interceptor or a filter to those of a handler, as the last; once. */
export function appendToHandler(key: string, handler: object, enhancer: object): void {
  const before = (Reflect.getMetadata(key, handler) ?? []) as object[];
  if (!before.includes(enhancer)) Reflect.defineMetadata(key, [...before, enhancer], handler);
}

/** Whether the application has put an interceptor on the handler, by whatever means. */
export function hasInterceptors(config: ApplicationConfig, ...owners: object[]): boolean {
  const lists: (readonly unknown[] | undefined)[] = [
    config.getGlobalInterceptors(),
    config.getGlobalRequestInterceptors(),
    ...owners.map((owner) => Reflect.getMetadata(NEST_METADATA.interceptors, owner) as unknown[] | undefined),
  ];
  return lists.some((list) => (list ?? []).length > 0);
}

/** Puts a guard before all other global ones: the list is the one that Nest reads when it builds its routes. */
export function putFirst(config: ApplicationConfig, guard: object): void {
  (config.getGlobalGuards() as object[]).unshift(guard);
}

/** Puts a filter where it is asked before all other global ones: Nest asks from the last to the first. */
export function askFirst(config: ApplicationConfig, filter: object): void {
  (config.getGlobalFilters() as object[]).push(filter);
}

/** What is not as expected, and what that costs: a sentence each. */
export function faultsOfNest(config: ApplicationConfig): string[] {
  const handler = (): void => undefined;
  const mark = { canActivate: handler, intercept: handler, catch: handler };
  const marks: readonly [key: string, decorate: MethodDecorator, costs: string][] = [
    [NEST_METADATA.path, Get('probe'), 'no request gets the action and the resource of its route'],
    [NEST_METADATA.method, Get('probe'), 'actions of routes are named by the method of the request'],
    [NEST_METADATA.sse, Sse('probe'), 'the failure of an event stream is not seen'],
    [NEST_METADATA.guards, UseGuards(mark as never), 'rules block nothing, and no intents are written'],
    [NEST_METADATA.interceptors, UseInterceptors(mark as never), 'the result of a handler is not seen'],
    [NEST_METADATA.filters, UseFilters(mark as never), 'the names of some errors are not recorded'],
  ];
  const faults = marks
    .filter(([key, decorate]) => {
      const probe = handler.bind(undefined);
      decorate({}, 'probe', { value: probe });
      return !Reflect.hasMetadata(key, probe);
    })
    .map(([key, , costs]) => `Nest's metadata "${key}" is not where it was: ${costs}.`);
  if (config.getGlobalGuards() !== config.getGlobalGuards())
    faults.push("Nest's list of global guards is a copy: requests that another guard refuses have no route.");
  return faults;
}
