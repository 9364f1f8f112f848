import pluralize from 'pluralize';

/** `JournalEntriesController` → `journal-entry` */
export function resourceOfController(controllerName: string): string {
  const name = kebabCase(controllerName.replace(/Controller$/, '')) || 'http';
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
