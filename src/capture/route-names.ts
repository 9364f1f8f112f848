import pluralize from 'pluralize';

/** Words of a controller's name that say how its things are reached or kept, not what they are. */
const MECHANISM = /^v\d+(-|$)|((^|-)(api|rest|local|s3|presigned|v\d+))+$/g;

/**
 * `JournalEntriesController` → `journal-entry`, `FilesLocalController` → `file`
 *
 * @param path of its routes: its first fixed part names the resource where the controller names only a mechanism, as `ApiController`
 */
export function resourceOfController(controllerName: string, path = ''): string {
  const name = kebabCase(controllerName.replace(/Controller$/, '')) || 'http';
  return singular(name.replace(MECHANISM, '') || kebabCase(fixedPartsOf(path)[0] ?? '') || name);
}

function singular(name: string): string {
  const dash = name.lastIndexOf('-') + 1;
  return name.slice(0, dash) + pluralize.singular(name.slice(dash));
}

/**
 * The default action of a route: its CRUD verb where method and path say one, else the handler's name.
 *
 * @param method HTTP method in upper case
 * @param path the handler's own path, below its controller's
 */
export function actionOfRoute(resource: string, method: string, path: string, handlerName: string): string {
  return `${resource}.${crudVerb(method, path) ?? kebabCase(handlerName)}`;
}

function crudVerb(method: string, path: string): string | undefined {
  const bare = path.replace(/^\/+|\/+$/g, '');
  const one = /^:[^/:*{}]+$/.test(bare);
  if (bare !== '' && !one) return undefined;
  switch (method) {
    case 'GET':
    case 'HEAD':
      return one ? 'read' : 'list';
    case 'POST':
      return one ? undefined : 'create';
    case 'PUT':
    case 'PATCH':
      return 'update';
    case 'DELETE':
      return 'delete';
    default:
      return undefined;
  }
}

function kebabCase(name: string): string {
  return name
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1-$2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1-$2')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '')
    .toLowerCase();
}

/** What stands before the resource in a path, and names none: `/api/v1/invoices`. */
const PREFIX = /^(api|rest|v\d+(\.\d+)*)$/i;

/** A part that is the same in each path of a pattern. */
function isFixed(part: string | undefined): boolean {
  return part !== undefined && /^[\p{L}\p{N}._~-]+$/u.test(part);
}

function fixedPartsOf(pattern: string): string[] {
  return pattern.split('/').filter((part) => isFixed(part) && !PREFIX.test(part));
}

/**
 * Resource and verb of a route that is known by its whole pattern alone: the last fixed part of the pattern where that is a thing
 * (`GET /tenants/:tenant/invoices/:id` is `invoice` and `read`), or where it is a verb, that on the thing before it (`/invoices/:id/approve` is
 * `invoice` and `approve`).
 *
 * @param method HTTP method in upper case
 */
export function namesOfPattern(
  method: string,
  pattern: string,
): { readonly resource: string; readonly verb: string } {
  const all = pattern.split('/').filter((part) => part !== '');
  const parts = all.slice(all.findIndex((part) => !PREFIX.test(part)));
  const last = parts.findLastIndex((part) => isFixed(part));
  if (last < 0 || PREFIX.test(parts[last]!)) return { resource: 'http', verb: kebabCase(method) };
  const before = parts.slice(0, last).findLast((part) => isFixed(part));
  // With no parameter beside it it may be a view of what stands before: `/invoices/totals`.
  const isBesideParameter = !isFixed(parts[last - 1]) || last < parts.length - 1;
  const isThing = before === undefined || (isBesideParameter && pluralize.isPlural(parts[last]!));
  const resource = resourceOfController(isThing ? parts[last]! : before);
  const verb = isThing ? crudVerb(method, parts.slice(last + 1).join('/')) : undefined;
  return { resource, verb: verb ?? kebabCase(isThing ? method : parts[last]!) };
}
