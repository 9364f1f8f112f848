import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ACTION_DEFINITION } from '../capture/audit-actions.js';
import type { AuditActionDefinition } from '../capture/audit-actions.js';
import { defined } from '../event/present.js';
import { CommandError, EXIT, print, say } from './output.js';
import type { ExitCode, Output } from './output.js';

export interface ActionsArguments {
  readonly json?: boolean;
}

/** Lists the actions that a module exports, or that stand in an object that it exports. Loading a module runs its code. */
export async function actions(output: Output, module: string, { json }: ActionsArguments): Promise<ExitCode> {
  const found = [...new Set(definitionsIn(await load(module)))].sort((a, b) =>
    a.action < b.action ? -1 : 1,
  );
  if (found.length === 0) {
    throw new CommandError(
      `${module} exports no actions: name the compiled file that has export const actions = defineAuditActions({ … }).`,
    );
  }
  if (json) say(output, JSON.stringify(found));
  else print(output, found.map(textOf).join(''));
  return EXIT.sound;
}

async function load(module: string): Promise<object> {
  try {
    return (await import(pathToFileURL(resolve(module)).href)) as object;
  } catch (error) {
    throw new CommandError(`${module} can't be loaded: ${String(error)}`);
  }
}

function definitionsIn(exported: object, depth = 0): AuditActionDefinition[] {
  return Object.values(exported).flatMap((value: unknown) => {
    const definition = (Object(value) as { [ACTION_DEFINITION]?: AuditActionDefinition })[ACTION_DEFINITION];
    if (definition) return definition;
    // A CommonJS module is the `default` of what import() answers.
    return typeof value === 'object' && value !== null && depth < 2 ? definitionsIn(value, depth + 1) : [];
  });
}

function textOf({ action, resource, category, severity, details = {}, description }: AuditActionDefinition) {
  const types = Object.entries(details).map(([name, type]) => `${name}: ${type}`);
  const said = { resource, category, severity, details: types.join(', ') || undefined, description };
  const lines = Object.entries(defined(said)).map(([name, value]) => `  ${name}: ${value}`);
  return [action, ...lines, ''].join('\n');
}
