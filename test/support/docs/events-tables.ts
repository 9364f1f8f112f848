// The events that the library raises by itself, from the tables that the raising code uses.
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RaisedEvent } from '../../../src/event/raised-event.js';
import { membersTable } from './members-table.js';
import { cell } from './options-table.js';

/** Those of every room and feature, by action. */
export async function raisedEvents(): Promise<RaisedEvent[]> {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('raised-events.ts'),
  );
  const modules = await Promise.all(
    files.map((file) => import(resolve('src', file)) as Promise<Record<string, RaisedEvent>>),
  );
  return modules
    .flatMap((module) => Object.values(module))
    .sort((one, other) => (one.action < other.action ? -1 : 1));
}

export function raisedTables(events: readonly RaisedEvent[]): { events: string; details: string } {
  const details = new Map<string, string[]>();
  for (const event of events) {
    for (const [key, what] of Object.entries(event.details)) {
      const said = `\`${key}\` | ${cell(what)}`;
      details.set(said, [...(details.get(said) ?? []), `\`${event.action}\``]);
    }
  }
  return {
    events: membersTable(
      ['`action`', 'When', '`category`', '`severity`', '`outcome`', '`tenantId`'],
      events,
      ({ action, when, category, severity, outcome, tenant }) => [
        `\`${action}\``,
        when,
        ...[category, severity, outcome].map((word) => `\`${word}\``),
        tenant,
      ],
    ),
    details: [
      '| In `details` of | Key | What it is |',
      '| --- | --- | --- |',
      ...[...details].map(([said, actions]) => `| ${actions.join(', ')} | ${said} |`),
    ].join('\n'),
  };
}
